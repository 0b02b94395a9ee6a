#!/bin/bash
# A site is lost whole, with its power switches: nothing can be fenced, so the owner's I/O stays frozen and the cluster says so, until an
# administrator confirms by name that the lost node is off. When the site is back, it catches up.
# needs: lab
. "$(dirname "$0")/lab-functions.sh"

record_is() { [ "$(hf a1 --json group show web | jq -r .current)" = "$1" ]; }
frozen() { on a1 grep -q 'cs:.* C s' /proc/drbd; }

with_guest
eventually 60 "both replicas are up to date" in_sync a1
lab cut a b --net all
lab kill b1
eventually 60 "only a1 has current data" record_is a1
eventually 90 "a1's I/O is frozen" frozen
before=$(acked)
never 10 "rows are acknowledged without proof that b1 is gone" acked_over $((before + 1))
hf a1 --json cluster status | jq -e '.problems | length > 0' >/dev/null || fail "cluster status shows no problem"
hf a1 node confirm-down b1
goes_on
on a1 grep -q 'confirmed by an administrator.*exit 7' /var/log/holdfast/handlers.log || fail "the handler did not answer with the administrator's word"
lab heal
lab boot b1 --no-wait # a fencing that was under way may still reach it now, and reboot it once more
eventually 150 "b1 is online" node_is a1 b1 online
eventually 90 "both replicas are up to date" in_sync a1
all_secondary b1 || fail "b1 came back as $(role b1)"
eventually 90 "the record is cleared" record_is ""
judge a1
