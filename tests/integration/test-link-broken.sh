#!/bin/bash
# Only the replication link breaks, while both nodes stay in the cluster: the owner records that only it has current data and goes on, and
# the group can neither move nor fail over until the other replica has caught up; then the record is cleared.
# needs: lab
. "$(dirname "$0")/lab-functions.sh"

# DRBD's packets that leave a1 are dropped; corosync's, to the same address, are not.
break_link() {
    on a1 sh -c '
        port=$(sed -n "s/.*address.*:\([0-9]*\);/\1/p" /etc/drbd.d/holdfast-web.res | head -n 1)
        for module in sch_prio sch_netem cls_u32; do modprobe $module; done
        tc qdisc add dev data root handle 1: prio bands 4 && tc qdisc add dev data parent 1:4 netem loss 100% &&
        for end in dport sport; do
            tc filter add dev data protocol ip parent 1:0 prio 1 u32 match ip $end "$port" 0xffff flowid 1:4 || exit 1
        done'
}
mend_link() { on a1 tc qdisc del dev data root; }
connected() { on a1 sh -c 'grep -q cs: /proc/drbd && ! grep cs: /proc/drbd | grep -qv cs:Connected'; }
broken() { on a1 sh -c "grep cs: /proc/drbd | grep -qv 'cs:Connected\|cs:Sync'"; }
record_is() { [ "$(hf a1 --json group show web | jq -r .current)" = "$1" ]; }

with_guest
eventually 60 "both replicas are up to date" in_sync a1
eventually 60 "no record is left" record_is ""
trap 'mend_link >/dev/null 2>&1 || true' EXIT
break_link || fail "the link cannot be broken: is tc there?"
eventually 90 "the link is broken" broken
eventually 60 "only a1 has current data" record_is a1
goes_on
node_is a1 b1 online || fail "b1 was fenced for a broken link"
on a1 grep -q 'peer lives.*exit 4' /var/log/holdfast/handlers.log || fail "the handler did not answer that the peer lives"
if hf a1 group move web --to b1 --quick; then
    fail "the group moved to a replica without current data"
fi
owner_is a1 a1 || fail "the group has left a1"
mend_link
trap - EXIT
eventually 60 "the link is back" connected
eventually 60 "both replicas are up to date" in_sync a1
eventually 90 "the record is cleared" record_is ""
