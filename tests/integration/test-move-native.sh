#!/bin/bash
# Quick moves between two hypervisords on this machine, ten there and back: the guest goes on where it was, without a boot; nothing is left behind; the
# memory is the same (the guest's database and its counter say so).
. "$(dirname "$0")/move-functions.sh"

begin_on_a1
from=a1 to=b1
for i in 1 2 3 4 5 6 7 8 9 10; do
    move_to $from $to quick
    eventually 60 "move $i has ended" no_move $from
    goes_on
    read -r from to <<<"$to $from"
done
was_never_booted moved
! compgen -G "$WORK/*/state/moves/*source*" >/dev/null || fail "a source's journal was left behind"
stop_group $from >/dev/null
start_group $to >/dev/null	# restored from the saved state, on the other node
goes_on
was_never_booted restored
grep -h "quick move" "$WORK"/*/log | tail -n 3 || true
report=$("$SOURCE/tests/guest/check-acks" "$WORK/acks") || fail "$report"
note "$(jq -c '{acks, lost: (.lost | length)}' <<<"$report")"
