#!/bin/bash
# A move fails after Pacemaker has heard of it, its guest runs on where it was: the group is never shown as failed meanwhile, it is said that the last move
# failed and why, and it can be started, moved and stopped at once, without a clean-up by hand.
# needs: full
# shellcheck source=tests/integration/lab-functions.sh
. "$(dirname "$0")/lab-functions.sh"
# shellcheck source=tests/integration/move-parties.sh
. "$(dirname "$0")/move-parties.sh"

# A move to b1 whose target loses its QEMU before it has decided: $BUILD/failed-move.out is what the command said, $BUILD/failed-states what was shown meanwhile.
fail_a_move() {
    local move status=0
    arm b1 stop target:taking
    hf a1 group move web --to b1 --quick >"$BUILD/failed-move.out" 2>&1 &
    move=$!
    eventually 120 "the move has come to its last phase" was_hit b1
    kill_on b1 qemu-system-x86_64
    on b1 sh -c 'kill -CONT $(pidof hypervisord)'
    wait $move || status=$?
    [ $status != 0 ] || fail "the move did not fail: $(cat "$BUILD/failed-move.out")"
}
watch_states() { # until it is killed
    while :; do
        hf a1 --json group show web | jq -r '"\(.state) \(.owner)"' >>"$BUILD/failed-states" || return 0
        read -rt 0.3 <> <(:) || true
    done
}
shows() { hf a1 group show web | grep -q "$1"; }

trap 'lab down' EXIT
lab down
lab up
with_guest
: >"$BUILD/failed-states"
watch_states &
watcher=$!

fail_a_move
shows 'last move: *failed .*the move to b1 failed' || fail "it is not said that the move failed: $(hf a1 group show web)"
hf b1 group start web || fail "the group cannot be started right after a move that failed"
online_on a1 a1 || fail "the group is not online: $(hf a1 group show web)"
goes_on 60
fail_a_move
hf b1 group move web --to b1 --quick >/dev/null || fail "the group cannot be moved right after a move that failed"
online_on a1 b1 || fail "the group is not on b1: $(hf a1 group show web)"
! shows 'last move' || fail "a move that went well has left the failed one: $(hf a1 group show web)"
hf a1 group move web --to a1 --quick >/dev/null
# One of Pacemaker's own, which has no mover that would clean up at once.
arm b1 stop target:taking
on a1 crm_resource --move --resource web --node b1
eventually 120 "Pacemaker's move has come to its last phase" was_hit b1
kill_on b1 qemu-system-x86_64
on b1 sh -c 'kill -CONT $(pidof hypervisord)'
eventually 60 "it is said that the move failed" shows 'last move: *failed '
on a1 crm_resource --clear --resource web
hf a1 group stop web || fail "the group cannot be stopped right after a move that failed"
hf a1 group start web
goes_on 90
kill $watcher
note "shown meanwhile: $(sort "$BUILD/failed-states" | uniq -c | tr '\n' ',')"
! grep -q '^failed' "$BUILD/failed-states" || fail "the group was shown as failed though its guest ran"
judge
