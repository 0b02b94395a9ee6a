#!/bin/bash
# The owner's power is cut under load: it is fenced, the group is started on the other site, no acknowledged row is lost; when the node
# comes back it is Secondary, resyncs, and the events tell the story.
# needs: lab
. "$(dirname "$0")/lab-functions.sh"

with_guest
lab kill a1
eventually 90 "the group is online on b1" online_on b1 b1
goes_on
[ "$(hf b1 --json group show web | jq -r .current)" = b1 ] || fail "the cluster does not know that only b1 has current data"
lab boot a1
eventually 90 "a1 is online" node_is b1 a1 online
eventually 90 "both replicas are up to date" in_sync b1
all_secondary a1 || fail "a1 came back as $(role a1)"
owner_is a1 b1 || fail "the group moved by itself"
cleared() { [ -z "$(hf a1 --json group show web | jq -r .current)" ]; }
eventually 90 "the record of current data is cleared" cleared
events=$(hf a1 --json events)
for kind in node-lost node-fenced failover node-joined; do
    jq -e --arg kind $kind '[.[] | select(.kind == $kind)] | length > 0' <<<"$events" >/dev/null || fail "no event $kind"
done
jq -e '[.[] | select(.kind == "failover" and .group == "web")][-1] | .duration_ms > 0 and (.steps | length) > 2' <<<"$events" >/dev/null \
    || fail "the failover has no steps"
judge b1
