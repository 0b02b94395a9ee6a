#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# NICs on named networks: a tap on the bridge for as long as its QEMU lives, gone after a stop, a crash of the guest and with a hypervisord that
# was killed. An unknown network and a missing bridge are refused. In a network namespace of its own.
if [ "${HOLDFAST_IN_NAMESPACE:-}" = "" ]; then
    unshare --net true 2>/dev/null || {
        echo "needs to make a network namespace"
        exit 77
    }
    HOLDFAST_IN_NAMESPACE=1 exec unshare --net "$0"
fi
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"
requires ip
[ -c /dev/net/tun ] || {
    echo "needs /dev/net/tun"
    exit 77
}

ip link set lo up
ip link add hfbr0 type bridge 2>/dev/null || {
    echo "needs the kernel's bridge"
    exit 77
}
ip link set hfbr0 address 02:00:00:00:00:01 up
printf '[network lan]\nbridge=hfbr0\n[network gone]\nbridge=hfbr9\n' >>"$dir/conf"
taps() { ip -o link show master hfbr0 | wc -l; }
taps_are() { [ "$(taps)" = "$1" ]; }

hv_start
hf group create g
refused 3 'no network nowhere .*it has: user, lan, gone' hf vm create no --group g --memory 16 --nic nowhere
refused 3 'no such bridge' hf vm create no --group g --memory 16 --nic gone
refused 2 'none of virtio' hf vm create no --group g --memory 16 --nic lan,model=ne2000
refused 2 'multicast' hf vm create no --group g --memory 16 --nic lan,mac=01:00:5e:00:00:01
hf vm create v --group g --memory 16 --nic lan --nic lan,model=e1000,mac=52:54:00:aa:bb:cc --nic user
refused 1 'has the MAC address' hf vm create w --group g --memory 16 --nic lan,mac=52:54:00:AA:BB:CC
hf vm create w --group g --memory 16 --nic lan,model=rtl8139
macs=$(hf --json vm show v | jq -c '[.nics[].mac]')
taps_are 0 || fail "taps before a start"
hf group start g
taps_are 3 || fail "$(taps) taps and not 3"
ip -o link show master hfbr0 | grep 'link/ether fe:54:00:aa:bb:cc' >/dev/null || fail "a tap's address is not the guest's: $(ip -o link show master hfbr0)"
ip -o link show master hfbr0 | grep -v 'UP' >/dev/null && fail "a tap is not up"
ip -o link show hfbr0 | grep -q 'link/ether 02:00:00:00:00:01' || fail "the bridge has changed its address"

# Killed at once, by itself, with its keeper, on purpose: no tap stays.
pid=$(vm pid)
kill -9 "$pid"
restarted() { [ "$(vm restarts)" = 1 ] && vm_is running; }
wait_until 60 "the VM is started again" restarted
taps_are 3 || fail "$(taps) taps after a crash"
hv_kill
taps_are 3 || fail "the taps went with hypervisord"
hv_start
hf vm save v
taps_are 1 || fail "$(taps) taps beside a saved VM"
hf vm start v
taps_are 3 || fail "$(taps) taps after a restore"
[ "$(hf --json vm show v | jq -c '[.nics[].mac]')" = "$macs" ] || fail "the MAC addresses have changed"
hv_kill
kill -9 "$(qemus w)"
wait_until 60 "the tap of a guest that dies alone is gone" taps_are 2
hv_start
hf group stop g
taps_are 0 || fail "taps are left: $(ip -o link show master hfbr0)"

# The bridge is gone: a start says so, and nothing is left behind.
ip link del hfbr0
refused 3 'no such bridge' hf group start g
hv_stop
