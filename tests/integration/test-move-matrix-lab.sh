#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Every party of a move dies in every state of it, quick and live, in a lab on DRBD. HOLDFAST_KINDS, HOLDFAST_POINTS and HOLDFAST_PARTIES narrow it,
# HOLDFAST_SECONDS ends it after a while.
# needs: full
# shellcheck source=tests/integration/lab-functions.sh
. "$(dirname "$0")/lab-functions.sh"
# shellcheck source=tests/integration/move-parties.sh
. "$(dirname "$0")/move-parties.sh"

: "${HOLDFAST_SEED:=$$}"
note "HOLDFAST_SEED=$HOLDFAST_SEED"
trap 'lab down >/dev/null 2>&1 || true' EXIT
lab down >/dev/null 2>&1 || true
lab up >"$BUILD/matrix-lab-up.log" 2>&1 || fail "lab up: $(tail -n 5 "$BUILD/matrix-lab-up.log")"
with_guest
count=0
mapfile -t deaths < <(all_deaths)
for death in "${deaths[@]}"; do
    [ $SECONDS -lt "${HOLDFAST_SECONDS:-100000}" ] || break
    read -r kind point party <<<"$death"
    death_in "$point" "$party" "$kind"
    count=$((count + 1))
done
note "$count deaths of ${#deaths[@]}, $unreached not reached"
[ "$unreached" -le $((count / 5)) ] || fail "$unreached of $count were not reached"
can_be_moved
judge a1
