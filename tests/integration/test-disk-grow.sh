#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Disks grow under a running guest, which sees it at once, and while it is off; raw and qcow2; a growth that hypervisord died in is finished by
# repeating it; what does not fit is refused with figures and changes nothing. Stand-alone hypervisord, real QEMU.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"
requires qemu-img qemu-io

hv_start
hf group create g
hf vm create v --group g --memory 16 --disk 8M --disk 8M,format=qcow2
raw=$dir/volumes/g/1.raw
qcow2=$dir/volumes/g/2.raw
disk_is() { [ "$(jq -r ".vms[0].disks[$1].size_bytes" "$dir/state/groups/g.json")" = $(($2 << 20)) ]; } # what is defined
volume_is() { [ "$(stat -c %s "$raw")" = $(($1 << 20)) ]; }
# What the guest's device has, in MiB, by its own QEMU: on the socket that the agent has.
guest_sees() {
    local bytes
    bytes=$(printf '{"execute":"qmp_capabilities"}\n{"execute":"query-block"}\n' |
        timeout 5 socat -t 2 - "UNIX:$dir/run/vms/v/agent.sock" | jq "select(.return | type == \"array\") | .return[] | select(.qdev != null and (.inserted.\"node-name\" == \"disk$1\")) | .inserted.image.\"virtual-size\"")
    [ "$bytes" = $(($2 << 20)) ] || { note "the guest sees ${bytes:-nothing} bytes of disk$1"; return 1; }
}

qemu-io -f raw -c 'write -P 0x11 0 8M' "$raw" >/dev/null
sum=$(head -c 8M "$raw" | sha256sum)

# Off.
hf volume grow v.disk0 10M >/dev/null
volume_is 10 || fail "the volume has not 10 MiB"
disk_is 0 10 || fail "the definition has not 10 MiB"
[ "$(tail -c 2M "$raw" | tr -d '\0' | wc -c)" = 0 ] || fail "the new part is not blank"

# Under a guest.
hf group start g >/dev/null
vm_is running || fail "the VM does not run"
guest_sees 0 10 || fail "the guest does not see 10 MiB"
hf volume grow v.disk0 16M >/dev/null
guest_sees 0 16 || fail "the guest does not see 16 MiB"
hf volume grow v.disk1 64M >/dev/null
guest_sees 1 64 || fail "the guest does not see 64 MiB of its qcow2 disk"
hf volume grow v.disk1 64M >/dev/null # nothing to do
refused 4 '16 MiB and cannot be made smaller' hf volume grow v.disk0 15M
refused 3 'no disk v.disk7' hf volume grow v.disk7 15M
refused 3 'no disk state' hf volume grow state 300M
refused 1 'MiB free and .* MiB are needed' hf volume grow v.disk0 60000G
guest_sees 0 16 && disk_is 0 16 && volume_is 16 || fail "a growth that was refused changed something"
hf vm save v >/dev/null
refused 1 'VM v is saved' hf volume grow v.disk0 20M
hf vm start v >/dev/null
guest_sees 0 16 || fail "the restored guest does not see 16 MiB"

# hypervisord dies between the steps.
size=16
for point in grow-backing grow-device; do
    size=$((size + 4))
    hv_kill
    HOLDFAST_FAULT=$point hv_start
    hf volume grow v.disk0 ${size}M >/dev/null 2>&1 && fail "hypervisord should have died"
    wait_until 60 "hypervisord died at $point" hv_gone
    hv_start
    vm_is running || fail "the guest was disturbed"
    disk_is 0 $((size - 4)) || fail "the definition was changed before the growth was done"
    hf volume grow v.disk0 ${size}M >/dev/null
    guest_sees 0 $size && disk_is 0 $size && volume_is $size || fail "the growth was not finished"
done
hf vm stop v --force >/dev/null
hf group stop g >/dev/null
hf volume grow v.disk1 100M >/dev/null # qcow2, off
[ "$(head -c 8M "$raw" | sha256sum)" = "$sum" ] || fail "the guest's data changed"
[ "$(qemu-img info --output=json -f qcow2 "$qcow2" | jq '."virtual-size"')" = $((100 << 20)) ] || fail "the qcow2 image has not 100 MiB"
hf group start g >/dev/null
hf vm start v >/dev/null
vm_is running || fail "the VM does not run with its larger disks"
guest_sees 1 100 || fail "the guest does not see 100 MiB"
hf group stop g >/dev/null
hv_stop
