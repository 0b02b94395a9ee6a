#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# hypervisord dies at fault points of its operations: a seeded sample of the matrix, as much of it as fits half a minute.
# shellcheck source=tests/integration/crash-matrix.sh
. "$(dirname "$0")/crash-matrix.sh"

seed=${HOLDFAST_SEED:-$$}
note "HOLDFAST_SEED=$seed"
some() { shuffled | head -n 3; }
prepare_matrix
end=$(($(now_ms) + 25000))
mapfile -t order < <(printf '%s\n' "${operations[@]}" | shuffled)
for operation in "${order[@]}"; do
    [ "$(now_ms)" -lt "$end" ] || break
    crash_at_points_of "$operation" some
done
judge_matrix 3 2
