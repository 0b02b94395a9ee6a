#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A party of a move dies in its middle: a fixed set, and a sample by HOLDFAST_SEED of all (test-move-matrix-lab.sh). Each time the guest goes on, on one
# side, or is started again from its disks; it is never left stopped, never runs twice, and the group can be moved again afterwards.
# needs: lab
# shellcheck source=tests/integration/lab-functions.sh
. "$(dirname "$0")/lab-functions.sh"
# shellcheck source=tests/integration/move-parties.sh
. "$(dirname "$0")/move-parties.sh"

: "${HOLDFAST_SEED:=$$}"
note "HOLDFAST_SEED=$HOLDFAST_SEED"
with_guest
mapfile -t deaths < <(all_deaths | grep -vE -- '-node|link' | head -n 1)
for death in "quick target:committed hypervisord" "live target:taking target-guest" "${deaths[@]}"; do
    read -r kind point party <<<"$death"
    death_in "$point" "$party" "$kind"
done
can_be_moved
goes_on
judge a1
