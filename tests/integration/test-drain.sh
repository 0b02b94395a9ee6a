#!/bin/bash
# A node is emptied for maintenance by moves, not by stops; it refuses groups until it is resumed and gets its own back then; the wish outlives the
# clusterd that had it; a node whose groups can go nowhere says why and can be resumed.
# needs: lab
. "$(dirname "$0")/lab-functions.sh"

began=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)
stops() { hf a1 --json events --since "$began" | jq '[.[] | select(.kind == "group-stopped")] | length'; }

with_guest
owner_is b1 a1 || hf b1 group move web --to a1 --quick
note "a1 is emptied"
hf a1 node drain a1
owner_is b1 b1 || fail "the group is still on $(owner b1)"
node_is b1 a1 maintenance || fail "a1 is $(node_state b1 a1)"
goes_on
status=0
hf b1 group move web --to a1 --quick 2>"$BUILD/drain.out" || status=$?
[ $status = 1 ] && grep -q "maintenance" "$BUILD/drain.out" || fail "a move to a node in maintenance: $status $(cat "$BUILD/drain.out")"

note "b1 has nowhere to go to"
status=0
hf a1 node drain b1 2>"$BUILD/drain.out" || status=$?
[ $status = 1 ] && grep -q "web" "$BUILD/drain.out" || fail "emptying the last node: $status $(cat "$BUILD/drain.out")"
node_is a1 b1 draining || fail "b1 is $(node_state a1 b1)"
hf a1 --json cluster status | jq -e '.problems[] | select(test("b1 is being emptied"))' >/dev/null || fail "no problem names b1"
hf b1 node resume b1
node_is a1 b1 online || fail "b1 is $(node_state a1 b1)"
goes_on

note "a1 takes groups again, and gets its own back"
hf b1 node resume a1 --failback
owner_is a1 a1 || fail "the group was not moved back: $(owner a1)"
goes_on

note "clusterd dies while a1 is emptied"
hf a1 node drain a1 --no-wait
on a1 sh -c 'kill -9 $(pidof clusterd)'
eventually 120 "a1 is in maintenance" node_is b1 a1 maintenance
owner_is b1 b1 || fail "the group is on $(owner b1)"
goes_on
hf b1 node resume a1
hf b1 group move web --to a1 --quick
[ "$(stops)" = 0 ] || fail "the group was stopped"
judge a1
