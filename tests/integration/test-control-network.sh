#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The limit of a NIC holds, each way, by what comes through a tap on a bridge; hypervisord puts it on a guest's tap, changes it, takes it off, and
# finds it again. In a node of the lab, because its kernel has what traffic control needs.
# needs: own-lab
# shellcheck source=tests/integration/control-functions.sh
. "$(dirname "$0")/control-functions.sh"

change() { # change JQ: the definition, while it runs
    local definition
    definition=$(on cat /state/t/state/groups/g.json | jq -c "{host_vm_update: (.vms[0] | $1)}")
    on "$BUILD/tests/tools/rpc-call" /run/hv/hypervisord.sock 20000 "$definition" >/dev/null
}

# As modprobe would, which a node has not.
on sh -c 'cd /usr/lib/uml/modules/*/kernel && for m in net/llc/llc net/802/stp net/bridge/bridge drivers/net/tun net/sched/sch_tbf net/sched/sch_ingress \
    net/sched/cls_matchall net/sched/act_police; do [ ! -e $m.ko ] || insmod $m.ko || true; done
    [ -e /dev/net/tun ] || { mkdir -p /dev/net; mknod /dev/net/tun c 10 200; }
    ip link add br0 type bridge && ip link set br0 up' 2>/dev/null

free=$(on "$BUILD/tests/tools/tap-rate" br0 0 1)
note "without a limit: $free"
jq -e '.from_guest > 400000 and .to_guest > 400000' <<<"$free" >/dev/null || { echo "this machine is too slow: $free"; exit 77; }
for try in 1 2 3; do
    got=$(on "$BUILD/tests/tools/tap-rate" br0 200000 3)
    note "a limit of 200000 bytes each second, look $try: $got"
    ! jq -e '.from_guest > 180000 and .from_guest < 220000 and .to_guest > 180000 and .to_guest < 220000' <<<"$got" >/dev/null || break
    [ "$try" != 3 ] || fail "a limit of 200000: $got"
done

# hypervisord, with a guest on the bridge.
on sh -c 'mkdir -p /state/t && cat >/state/t/conf' <<'END'
[node]
name=solo
[storage]
directory=/state/t/volumes
[hypervisor]
memory-reserve-mib=64
[network lan]
bridge=br0
END
start_hv() {
    on sh -c "setsid $BUILD/hypervisord --standalone --config /state/t/conf --run-dir /run/hv --state-dir /state/t/state >>/state/t/log 2>&1 </dev/null & echo \$! >/state/t/pid"
    eventually 60 "hypervisord answers" hf vm list
}
rules() { on sh -c 'tc qdisc show dev hf0; tc filter show dev hf0 ingress'; }
limited() { rules | tr '\n' ' ' | grep -Eq "tbf .*rate $1 .*police .*rate $1 "; }
start_hv
hf group create g
on "$BUILD/tests/tools/rpc-call" /run/hv/hypervisord.sock 20000 \
    '{"vm_create": {"vm": {"name": "v", "group": "g", "memory_mib": 16, "nics": [{"network": "lan", "limit_bytes_per_s": 1048576}]}}}' >/dev/null
hf group start g
limited 8388Kbit || fail "the guest's tap has no limit of 1 MiB each second: $(rules)"
hf --json vm show v | jq -e '.nics[0].limit_bytes_per_s == 1048576 and .notices == []' >/dev/null || fail "vm show: $(hf --json vm show v)"
change '.nics[0].limit_bytes_per_s = 250000'
limited 2Mbit || fail "the limit is not changed: $(rules)"
on sh -c 'kill -9 $(cat /state/t/pid); tc qdisc del dev hf0 root'
start_hv
limited 2Mbit || fail "the limit is not there after hypervisord's death: $(rules)"
change '.nics[0].limit_bytes_per_s = 0'
! rules | grep -E 'tbf|police|ingress' >/dev/null || fail "the limit is not taken off: $(rules)"
hf group stop g
! on ip link show hf0 2>/dev/null || fail "the tap is left"

# QEMU's own network has no limit, and says so.
hf vm create u --group g --memory 16 --nic user --nic-limit nic0=1M
hf --json vm show u | jq -e '.notices[0] | test("limit of NIC nic0 is not kept: QEMU.s own network")' >/dev/null || fail "no word of a limit that is not kept"
note "all well"
