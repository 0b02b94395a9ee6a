#!/bin/bash
# Live moves between two hypervisords on this machine, ten there and back: the guest goes on where it was, nothing is left behind, and it stands still
# for a moment only. One that is cancelled while its memory is copied costs nothing, and the next may follow at once.
. "$(dirname "$0")/move-functions.sh"

begin_on_a1
from=a1 to=b1
for i in 1 2 3 4 5 6 7 8 9 10; do
    prepare $from $to live >"$WORK/answer" || fail "move $i cannot be prepared: $(cat "$WORK/answer")"
    [ "$(move_state $from)" = precopy ] || fail "move $i is in state $(move_state $from)"
    runs_on $from >/dev/null || fail "the guest does not run while its memory is copied"
    commit $from $to >/dev/null || fail "move $i failed"
    runs_on $to >/dev/null || fail "the guest does not run on $to"
    ! runs_on $from >/dev/null 2>&1 || fail "the guest still runs on $from"
    eventually 60 "the moves have ended" no_move $from
    goes_on
    read -r from to <<<"$to $from"
done
for i in 1 2 3; do # at once after a cancelled one: the target waits until it has let go
    prepare $from $to live >"$WORK/answer" || fail "move $i after a cancelled one cannot be prepared: $(cat "$WORK/answer")"
    cancel $from >/dev/null || fail "a move cannot be cancelled"
done
eventually 60 "the cancelled move has ended" no_move $from
eventually 60 "the target has let go" no_move $to
goes_on
was_never_booted moved
! compgen -G "$WORK/*/state/moves/*source*" >/dev/null || fail "a source's journal was left behind"
jq -rs 'map(select(.kind == "move")) | map("\(.pause_ms | floor) ms: " + (.steps | map("\(.name) \(.ms * 10 | floor / 10)") | join(", ")))[]' "$WORK"/*/state/host-events.jsonl
report=$("$SOURCE/tests/guest/check-acks" "$WORK/acks") || fail "$report"
note "$(jq -c '{acks, lost: (.lost | length)}' <<<"$report")"
