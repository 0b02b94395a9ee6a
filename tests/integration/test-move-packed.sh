#!/bin/bash
# Memory that goes packed, whether it pays here or not: less is on the wire than there is of memory, live and quick; what a program in the guest wrote is what
# it finds; and a target that dies while packed memory flows changes nothing for the guest.
export COMPRESSION=always APPEND="memory=16,2"
. "$(dirname "$0")/move-functions.sh"

MIB=1048576
seen() { cat "$WORK"/*/run/vms/db/console.log 2>/dev/null | tr -d '\r' | grep '^MEM' || true; }
passes() { seen | sed -n 's/^MEM pass \([0-9]*\) .*/\1/p' | sort -n | tail -n 1; }
checked_after() { [ "$(passes)" -gt "$1" ]; }
last_move() { jq -s 'map(select(.kind == "move")) | last' "$WORK/$1/state/host-events.jsonl"; }
shorter() { # shorter NODE: of its last move
    jq -e '.text | capture("(?<memory>[0-9.]+) MiB of memory, (?<wire>[0-9.]+) MiB on the wire") | (.wire | tonumber) < (.memory | tonumber) * 0.9 and
        (.wire | tonumber) > 1' <<<"$(last_move "$1")" >/dev/null || fail "it was not packed: $(last_move "$1")"
    note "$(jq -r .text <<<"$(last_move "$1")")"
}
flowing() { [ "$(move_state a1)" = released ] && [ "$(move_state b1)" = taking ]; }

begin_on_a1
eventually 120 "the guest has looked at all of its memory" checked_after 0
for kind in live quick; do
    move_to a1 b1 $kind
    shorter a1
    goes_on
    move_to b1 a1 $kind
    shorter b1
    goes_on
done
last=$(passes)
eventually 180 "the guest has looked at all of its memory again" checked_after $((last + 1))
! seen | grep BAD >/dev/null || fail "memory of the guest is not what it wrote: $(seen | grep BAD | head -n 3)"

prepare a1 b1 quick "\"bandwidth\": $((2 * MIB))" >/dev/null || fail "a move cannot be prepared"
commit a1 b1 >"$WORK/answer" 2>&1 &
move=$!
eventually 60 "memory flows" flowing
kill_daemon b1
start_daemon b1
wait $move || true
eventually 90 "the guest runs on a1" runs_on a1
! runs_on b1 >/dev/null 2>&1 || fail "the guest runs on b1"
goes_on
eventually 60 "the move has ended" no_move a1
was_never_booted "taken back"
move_to a1 b1 quick
goes_on
! seen | grep BAD >/dev/null || fail "memory of the guest is not what it wrote: $(seen | grep BAD | head -n 3)"
report=$("$SOURCE/tests/guest/check-acks" "$WORK/acks") || fail "$report"
note "$(jq -c '{acks, lost: (.lost | length)}' <<<"$report")"
