#!/bin/bash
# Whoever moves the group by Pacemaker's own means gets a move and no stop: crm_resource --move (what `pcs resource move` does), standby of the owner,
# and the way back when a location constraint of the administrator's prefers the other node.
# needs: lab
. "$(dirname "$0")/lab-functions.sh"

events() { hf a1 --json events --since "$began" | jq "[.[] | select(.kind == \"$1\" and .group == \"web\")] | length"; }
moved() { # moved TO COUNT
    eventually 120 "the group is online on $1" online_on a1 "$1"
    eventually 90 "$2 moves are in the events" test_moves "$2"
    [ "$(events group-stopped)" = 0 ] || fail "the group was stopped"
    goes_on
}
test_moves() { [ "$(events move)" = "$1" ]; }

with_guest
began=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)
# what a failure would leave, for the tests that come after it
trap 'on a1 crm_resource --clear --resource web >/dev/null 2>&1 || true; on a1 crm_standby --node b1 --delete >/dev/null 2>&1 || true' EXIT
note "crm_resource --move"
on a1 crm_resource --move --resource web --node b1
moved b1 1
on a1 crm_resource --clear --resource web
note "standby"
on a1 crm_standby --node b1 --update on
moved a1 2
node_is a1 b1 maintenance || fail "b1 is $(node_state a1 b1)"
on a1 crm_standby --node b1 --delete
eventually 90 "b1 is online" node_is a1 b1 online
goes_on
owner_is a1 a1 || fail "the group is on $(owner a1)"
note "a constraint of the administrator's"
on a1 cibadmin --create --scope constraints --xml-text '<rsc_location id="test-prefers-b1" rsc="web" node="b1" score="200000"/>'
moved b1 3
on a1 cibadmin --delete --xml-text '<rsc_location id="test-prefers-b1"/>'
hf a1 group move web --to a1 --quick
[ "$(events group-stopped)" = 0 ] || fail "the group was stopped"
judge a1
