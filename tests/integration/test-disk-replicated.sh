#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Disks on replicated volumes: one is filled from an image and written out again, while its group is online and while it is offline; one grows under a
# guest that goes on working, on both replicas, and has its size after a restart of a node, a move and a failover; a replica that is away, or a
# pool that is too small, is told with figures and nothing is changed.
# needs: full
. "$(dirname "$0")/lab-functions.sh"

volumes() { hf "$1" --json volume list; }
size_on() { volumes a1 | jq -r ".[] | select(.name == \"$2\" and .node == \"$1\") | .size_bytes"; }
device_mib() { on "$1" cat "/sys/block/drbd$2/size" | awk '{ print int($1 / 2048) }'; }
minor_of() { volumes a1 | jq -r "[.[] | select(.name == \"$1\")][0].minor"; }

trap 'lab down >/dev/null 2>&1 || true' EXIT
lab down >/dev/null 2>&1 || true
lab up >"$BUILD/disk-lab-up.log" 2>&1 || fail "lab up: $(tail -n 5 "$BUILD/disk-lab-up.log")"
with_guest
note "a second VM's disk is filled from an image and written out again"
hf a1 vm create extra --group web --memory 32 --disk 16M
owner=$(hf a1 --json group show web | jq -r .owner)
other=$([ "$owner" = a1 ] && echo b1 || echo a1)
on "$owner" sh -c 'mkdir -p /var/lib/holdfast/images && head -c 3000000 /dev/urandom >/var/lib/holdfast/images/a.raw && truncate -s 8M /var/lib/holdfast/images/a.raw &&
    qemu-img convert -f raw -O qcow2 /var/lib/holdfast/images/a.raw /var/lib/holdfast/images/a.qcow2'
hf "$other" volume import extra.disk0 /var/lib/holdfast/images/a.qcow2 --format qcow2 # asked of the node that does not have it
hf a1 volume export extra.disk0 /var/lib/holdfast/images/out.vmdk --format vmdk
on "$owner" qemu-img compare -f raw -F vmdk /var/lib/holdfast/images/a.raw /var/lib/holdfast/images/out.vmdk || fail "what came out is not what went in"
status=0
hf a1 volume import extra.disk0 /var/lib/holdfast/images/none --format raw 2>"$BUILD/disk.out" || status=$?
[ $status != 0 ] && grep -q 'No such file' "$BUILD/disk.out" || fail "a missing file: $(cat "$BUILD/disk.out")"
goes_on

note "the guest's disk grows while it works"
before=$(size_on "$owner" db.disk0)
minor=$(minor_of db.disk0)
hf "$other" volume grow db.disk0 $((before / 1048576 + 32))M
for node in a1 b1; do
    [ "$(device_mib $node "$minor")" -ge $((before / 1048576 + 32)) ] || fail "the device on $node has $(device_mib $node "$minor") MiB"
    [ "$(size_on $node db.disk0)" = $((before + 32 * 1048576)) ] || fail "the definition on $node has $(size_on $node db.disk0) bytes"
done
goes_on
eventually 60 "both replicas are up to date" in_sync b1
status=0
hf a1 volume grow db.disk0 100G 2>"$BUILD/disk.out" || status=$?
[ $status = 1 ] && grep -Eq 'MiB (more|free)' "$BUILD/disk.out" || fail "a pool that is too small: $status $(cat "$BUILD/disk.out")"
[ "$(size_on a1 db.disk0)" = $((before + 32 * 1048576)) ] || fail "a refused growth changed the definition"

note "no growth while a replica is away"
fence_before=$(hf "$owner" --json events | jq -r "[.[] | select(.kind == \"node-fenced\" and .node == \"$other\")][-1].id // \"\"")
lab kill "$other"
away() { volumes "$owner" | jq -e ".[] | select(.name == \"db.disk0\" and .node == \"$owner\" and .connection != \"Connected\")"; }
eventually 60 "the replicas are apart" away
status=0
hf "$owner" volume grow db.disk0 $((before / 1048576 + 64))M 2>"$BUILD/disk.out" || status=$?
[ $status != 0 ] || fail "it grew without its replica"
note "refused: $(cat "$BUILD/disk.out")"
# By now the fence agent has turned it on again, or is about to: a boot beside that would be in its way.
fenced() { hf "$owner" --json events | jq -e "[.[] | select(.kind == \"node-fenced\" and .node == \"$other\")][-1] | .id != null and .id != \"$fence_before\""; }
eventually 90 "$other was fenced" fenced
[ "$(lab status --json | jq -r ".nodes[] | select(.name == \"$other\").state")" = running ] || lab boot "$other"
eventually 120 "node $other is back" node_is "$owner" "$other" online
eventually 120 "all replicas are up to date again" in_sync "$owner"

note "the larger disk moves, and survives the loss of its node"
guest_has() { # guest_has NODE MIB: as QEMU there shows it to the guest
    on "$1" sh -c 'printf "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"query-block\"}\n" | timeout 10 socat -t 3 - UNIX:/run/holdfast/vms/db/agent.sock' |
        jq -e "select(.return | type == \"array\") | .return[] | select(.inserted.\"node-name\" == \"disk0\") | .inserted.image.\"virtual-size\" == $(($2 << 20))" >/dev/null
}
mib=$((before / 1048576 + 32))
guest_has "$owner" $mib || fail "the guest on $owner has not $mib MiB"
hf "$owner" group move web --to "$other" --quick
goes_on
guest_has "$other" $mib || fail "the guest on $other has not $mib MiB"
hf "$other" volume grow db.disk0 $((mib + 8))M
guest_has "$other" $((mib + 8)) || fail "the guest on $other has not $((mib + 8)) MiB"
eventually 60 "both replicas are up to date" in_sync "$owner"
lab kill "$other"
eventually 120 "$owner has taken the group over" online_on "$owner" "$owner"
goes_on
guest_has "$owner" $((mib + 8)) || fail "after the failover the guest has not $((mib + 8)) MiB"
[ "$(lab status --json | jq -r ".nodes[] | select(.name == \"$other\").state")" = running ] || lab boot "$other"
eventually 120 "node $other is back" node_is "$owner" "$other" online
eventually 120 "all replicas are up to date again" in_sync "$owner"
judge "$owner"
hf "$owner" vm delete extra
