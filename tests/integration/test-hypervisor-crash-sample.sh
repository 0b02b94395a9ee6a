#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# hypervisord dies at fault points of its operations: a seeded sample of the matrix, as much of it as fits a minute.
# shellcheck source=tests/integration/crash-matrix.sh
. "$(dirname "$0")/crash-matrix.sh"

seed=${HOLDFAST_SEED:-$$}
note "HOLDFAST_SEED=$seed"
prepare_matrix
end=$(($(now_ms) + 45000))
mapfile -t order < <(printf '%s\n' "${operations[@]}" | shuffled)
for operation in "${order[@]}"; do
    [ "$(now_ms)" -lt "$end" ] || break
    points_of "$operation"
    mapfile -t points < <(shuffled <"$dir/points" | head -n 3)
    for point in "${points[@]}"; do
        crash_at "$point" "$operation"
    done
done
note "$count places, $unreached not reached"
[ "$count" -ge 3 ] || fail "only $count places"
[ "$unreached" -le $((count / 2)) ] || fail "$unreached of $count points were not reached"
hf group delete g --force
hv_stop
