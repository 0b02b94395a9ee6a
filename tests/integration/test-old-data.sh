#!/bin/bash
# b1 is lost, a1 goes on alone and writes, a1 is lost, b1 comes back first: it does not start on its old data but waits for a1, and says so.
# A forced start shows first what would be lost, and is refused without a yes.
# needs: lab
. "$(dirname "$0")/lab-functions.sh"

says_waiting() { hf b1 cluster status 2>&1 | grep -q 'a1'; }
b1_answers() { hf b1 --json cluster status | jq -e .quorate; }
started_on_b1() { [ "$(qemus b1)" != 0 ] || [ "$(role b1)" != 'ro:Secondary ' ]; }

with_guest
lab kill b1
eventually 90 "b1 is known to be lost" node_is a1 b1 offline
goes_on
lab kill a1
lab boot b1
eventually 120 "b1 is quorate" b1_answers
never 40 "b1 starts the group on its old data" started_on_b1
hf b1 --json cluster status | jq -r '.problems[]'
hf b1 --json cluster status | jq -e '[.problems[] | select(test("web") and test("a1"))] | length > 0' >/dev/null || fail "no status says that web waits for a1"
status=0
hf b1 group start web --force-old-data >/tmp/old-data.$$ 2>&1 || status=$?
cat /tmp/old-data.$$
rm -f /tmp/old-data.$$
[ $status = 4 ] || fail "the forced start was not refused as unsafe: exit $status"
lab boot a1
eventually 120 "a1 is online" node_is b1 a1 online
online() { [ "$(hf a1 --json group show web | jq -r .state)" = online ]; }
eventually 120 "the group is online again" online
eventually 120 "both replicas are up to date" in_sync a1
goes_on
judge a1
