#!/bin/bash
# A quick move's memory goes past QEMU: a limit of bandwidth is kept, and when target, its QEMU, or the source dies while half of the memory is over, nothing
# of that counts: the guest goes on where it was, without a boot, and can be moved again.
. "$(dirname "$0")/move-functions.sh"

MIB=1048576
flowing() { [ "$(move_state a1)" = released ] && [ "$(move_state b1)" = taking ]; }
last_move() { jq -s 'map(select(.kind == "move")) | last' "$WORK/$1/state/host-events.jsonl"; }
begin_move() { # memory that takes a quarter of a minute, on its way
    prepare a1 b1 quick "\"bandwidth\": $((6 * MIB))" >/dev/null || fail "a move cannot be prepared"
    commit a1 b1 >"$WORK/answer" 2>&1 &
    move=$!
    eventually 60 "memory flows" flowing
}
goes_on_here() { # goes_on_here AFTER
    wait $move || true
    eventually 90 "the guest runs on a1 after $1" runs_on a1
    ! runs_on b1 >/dev/null 2>&1 || fail "the guest runs on b1 after $1"
    goes_on
    eventually 60 "the move has ended after $1" no_move a1
    was_never_booted "taken back after $1"
    note "$1: $(tail -n 1 "$WORK/answer" | cut -c1-150)"
}

begin_on_a1
prepare a1 b1 quick "\"bandwidth\": $((64 * MIB))" >/dev/null || fail "a move cannot be prepared"
commit a1 b1 >/dev/null || fail "a move with a limit failed"
jq -e '.pause_ms >= (.text | capture("(?<mib>[0-9.]+) MiB on the wire").mib | tonumber) / 64 * 1000 * 0.95' <<<"$(last_move a1)" >/dev/null ||
    fail "a limit of 64 MiB/s was not kept: $(last_move a1)"
goes_on
move_to b1 a1 quick

begin_move
kill -9 "$(jq -r .pid "$WORK/b1/run/vms/db/guest.json")"
goes_on_here "the death of the target's QEMU"

begin_move
kill_daemon b1
start_daemon b1
goes_on_here "the death of the target"

begin_move
kill_daemon a1
start_daemon a1
goes_on_here "the death of the source"

move_to a1 b1 quick
goes_on
was_never_booted moved
report=$("$SOURCE/tests/guest/check-acks" "$WORK/acks") || fail "$report"
note "$(jq -c '{acks, lost: (.lost | length)}' <<<"$report")"
