#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# needs: full
# hypervisord dies at every fault point of every operation.
# shellcheck source=tests/integration/crash-matrix.sh
. "$(dirname "$0")/crash-matrix.sh"

prepare_matrix
for operation in "${operations[@]}"; do
    points_of "$operation"
    mapfile -t points <"$dir/points"
    for point in "${points[@]}"; do
        crash_at "$point" "$operation"
    done
done
note "$count places, $unreached not reached"
[ "$count" -ge 60 ] || fail "only $count places to die at were found"
[ "$unreached" -le $((count / 5)) ] || fail "$unreached points were not reached"
hf group delete g --force
hv_stop
