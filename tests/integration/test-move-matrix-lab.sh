#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Every party of a move dies in every state of it, quick and live, in a lab on DRBD. HOLDFAST_KINDS, HOLDFAST_POINTS and HOLDFAST_PARTIES narrow it,
# HOLDFAST_SECONDS ends it after a while; with the HOLDFAST_SEED that it said, HOLDFAST_FROM=N goes on after the first N, and
# HOLDFAST_TO=M ends it after the first M. After a failure the nodes' logs are in matrix-logs of the build directory.
# needs: full
# shellcheck source=tests/integration/lab-functions.sh
. "$(dirname "$0")/lab-functions.sh"
# shellcheck source=tests/integration/move-parties.sh
. "$(dirname "$0")/move-parties.sh"

: "${HOLDFAST_SEED:=$$}"
note "HOLDFAST_SEED=$HOLDFAST_SEED"
keep_logs() {
    local node daemon
    mkdir -p "$BUILD/matrix-logs"
    for node in a1 b1; do
        for daemon in pacemaker hypervisord clusterd; do
            timeout 60 "$SOURCE/deploy/lab/lab" log $node $daemon >"$BUILD/matrix-logs/$node-$daemon.log" || true
        done
        cp "$LAB_DIR/nodes/$node/serial0.log" "$BUILD/matrix-logs/$node-serial0.log" || true
    done
    cp "$LAB_DIR/labd.log" "$BUILD/matrix-logs/" || true
}
finish() {
    [ "$1" = 0 ] || keep_logs
    lab down >/dev/null 2>&1 || true
}
trap 'finish $?' EXIT
lab down >/dev/null 2>&1 || true
lab up >"$BUILD/matrix-lab-up.log" 2>&1 || fail "lab up: $(tail -n 5 "$BUILD/matrix-lab-up.log")"
with_guest
count=0
: "${HOLDFAST_FROM:=0}"
mapfile -t deaths < <(all_deaths)
: "${HOLDFAST_TO:=${#deaths[@]}}"
for death in "${deaths[@]:HOLDFAST_FROM:HOLDFAST_TO - HOLDFAST_FROM}"; do
    [ $SECONDS -lt "${HOLDFAST_SECONDS:-100000}" ] || break
    read -r kind point party <<<"$death"
    note "$((HOLDFAST_FROM + count)): $death"
    death_in "$point" "$party" "$kind"
    count=$((count + 1))
done
note "$count deaths of ${#deaths[@]} after the first $HOLDFAST_FROM, $unreached not reached"
[ "$unreached" -le $((count / 5)) ] || fail "$unreached of $count were not reached"
can_be_moved
judge a1
