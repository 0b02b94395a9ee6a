#!/bin/bash
# Live moves there and back on DRBD, through clusterd and Pacemaker: the guest goes on where it was, with the pause by step; Ctrl-C while its memory is copied
# cancels and costs nothing; nothing acknowledged is lost.
# needs: lab
. "$(dirname "$0")/lab-functions.sh"

# Its journal has the latest two states, each behind a line that begins it.
copying() { on "$1" sh -c 'cat /var/lib/holdfast/moves/web.source.json' | sed '/^holdfast-move /d' | jq -e -s 'any(.[]; .state == "precopy")'; }
idle() { [ "$(on "$1" sh -c 'ls /var/lib/holdfast/moves' | grep -c source)" = 0 ]; }

with_guest
boots=$(reports | jq '.boots | length')
for to in b1 a1; do
    from=$(owner a1)
    [ "$from" != "$to" ] || continue
    result=$(hf b1 --json group move web --to "$to" --live)
    note "moved: $(jq -c '{pause_ms, duration_ms, steps: (.steps | map({(.name): (.ms * 10 | floor / 10)}) | add)}' <<<"$result")"
    jq -e --arg to "$to" '.to == $to and .pause_ms > 0 and .duration_ms >= .pause_ms and ([.steps[].name] | index("demote") and index("promote"))' \
        <<<"$result" >/dev/null || fail "no pause by step in $result"
    owner_is a1 "$to" || fail "the owner is not $to"
    all_secondary "$from" || fail "$from still has a Primary: $(role "$from")"
    [ "$(qemus "$from")" = 0 ] || fail "a QEMU stayed on $from"
    goes_on
done
from=$(owner a1)
to=$([ "$from" = a1 ] && echo b1 || echo a1)
# Slow enough to be caught while its memory is copied.
on "$from" sh -c "echo \$\$ >/run/mover.pid; exec holdfast group move web --to $to --live --bandwidth 256K" >"$BUILD/move-live.out" 2>&1 &
mover=$!
eventually 60 "its memory is copied" copying "$from"
on "$from" sh -c 'kill -INT $(cat /run/mover.pid)'
wait "$mover" && fail "the move was not cancelled"
grep -q "was cancelled" "$BUILD/move-live.out" || fail "Ctrl-C said: $(cat "$BUILD/move-live.out")"
goes_on
eventually 90 "nothing is left of the cancelled move" idle "$from"
owner_is a1 "$from" || fail "the group is not on $from any more"
[ "$(reports | jq '.boots | length')" = "$boots" ] || fail "the guest was booted instead of moved"
! on a1 cibadmin --query --scope constraints | grep -q holdfast-move || fail "a move left its constraint behind"
judge
