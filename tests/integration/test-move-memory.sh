#!/bin/bash
# The guest's memory after many moves in a row, live and quick in turn: a program in the guest that writes to 40 MiB of it at 4 MiB/s reads all of it again
# and again, and finds what it wrote last; and its clock is still the host's. 50 moves in ./check --full, else 12.
MOVES=12
[ "${HOLDFAST_CHECK-}" != full ] || MOVES=50
export APPEND="memory=40,4"
. "$(dirname "$0")/move-functions.sh"

seen() { cat "$WORK"/*/run/vms/db/console.log 2>/dev/null | tr -d '\r' | grep '^MEM' || true; }
passes() { seen | sed -n 's/^MEM pass \([0-9]*\) .*/\1/p' | sort -n | tail -n 1; }
checked_after() { [ "$(passes)" -gt "$1" ]; }
lag_ms() { # of the guest's clock behind the host's, from the last line that came just now
    local before line
    before=$(seen | wc -l)
    eventually 60 "a word of the guest" eval "[ \$(seen | wc -l) -gt $before ]"
    line=$(seen | sed -n 's/.* at \([0-9.]*\)$/\1/p' | sort -n | tail -n 1)
    awk -v guest="$line" -v host="$(date +%s.%3N)" 'BEGIN { printf "%d", (host - guest) * 1000 }'
}

begin_on_a1
eventually 60 "the guest has looked at all of its memory" checked_after 0
lag=$(lag_ms)
from=a1 to=b1 pauses=0
for ((i = 1; i <= MOVES; i++)); do
    kind=$([ $((i % 4)) = 0 ] && echo quick || echo live)
    move_to $from $to "$kind"
    read -r from to <<<"$to $from"
done
last=$(passes)
goes_on
eventually 120 "the guest has looked at all of its memory again" checked_after $((last + 1))
! seen | grep BAD >/dev/null || fail "memory of the guest is not what it wrote: $(seen | grep BAD | head -n 3)"
! cat "$WORK"/*/run/vms/db/console.log | grep -E 'Oops|BUG:|general protection|Bad page' >/dev/null || fail "the guest's kernel complains"
pauses=$(jq -s 'map(select(.kind == "move").pause_ms) | add | floor' "$WORK"/*/state/host-events.jsonl)
after=$(lag_ms)
note "$MOVES moves, stood still for $pauses ms in all; the guest's clock was $lag ms behind before and is $after ms now"
# It stands still while the guest does, and never goes back or ahead.
[ $((after - lag)) -lt $((pauses + 3000)) ] && [ $((after - lag)) -gt -3000 ] || fail "the guest's clock went from $lag to $after ms behind in $pauses ms of pauses"
report=$("$SOURCE/tests/guest/check-acks" "$WORK/acks") || fail "$report"
note "$(jq -c '{acks, lost: (.lost | length)}' <<<"$report")"
