#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# needs: full
# hypervisord dies at every fault point of every operation.
# shellcheck source=tests/integration/crash-matrix.sh
. "$(dirname "$0")/crash-matrix.sh"

prepare_matrix
for operation in "${operations[@]}"; do
    crash_at_points_of "$operation" cat
done
judge_matrix 60 5
