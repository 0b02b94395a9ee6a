#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A checkpoint brings back the disks that the VM had: one that was added since is taken out and its volume kept, one that it has comes back with what was
# on it, unless its volume was deleted. So does a hypervisord that was killed in the middle.
# shellcheck source=tests/integration/checkpoint-functions.sh
. "$(dirname "$0")/checkpoint-functions.sh"
requires qemu-img qemu-io

qmp() { # qmp COMMAND: to QEMU's monitor for the agent
    printf '{"execute":"qmp_capabilities"}\n%s\n' "$1" | timeout 20 socat -t 5 - "UNIX:$dir/run/vms/v/agent.sock"
}
# io DISK COMMAND: done by QEMU, as the guest would.
io() { qmp '{"execute":"human-monitor-command","arguments":{"command-line":"qemu-io -d /machine/peripheral/vdisk'"$1"'/virtio-backend \"'"$2"'\""}}' >/dev/null; }
holds() { # holds VOLUME PATTERN: its first 64 KiB, which nobody has written since they were set
    local said
    said=$(qemu-io -U -r -f qcow2 -c "read -P $2 0 64k" "$(volume_file "$1")" 2>&1) || true
    [[ $said == *"read 65536/65536"* && $said != *"verification failed"* ]] || fail "$1 does not hold $2: $said"
}
disks() { hf --json vm show v | jq -r '[.disks[].name] | join(" ")'; }
detached() { hf --json "$@" | jq -c .detached; }
volumes() { hf --json volume list | jq -r '[.[] | select(.name != "state") | .name] | sort | join(" ")'; }
volume_file() { echo "$dir/volumes/g/$(hf --json volume show "$1" | jq -r '.[0].index').raw"; }
snapshots_in() { qemu-img snapshot -U -l "$1" | awk '$2 ~ /^holdfast-/ { print $2 }' | xargs; }

hv_start
hf group create g
hf vm create v --group g --memory 16 --disk 8M --checkpoints
hf group start g
io 0 'write -P 0x11 0 64k'
hf checkpoint take v --name one
hf vm set v --add-disk 8M,format=qcow2
[ "$(disks)" = "disk0 disk1" ] || fail "the VM has disks $(disks)"
io 0 'write -P 0x22 0 64k'
io 1 'write -P 0x33 0 64k'
hf checkpoint take v --name two
io 1 'write -P 0x44 0 64k'

[ "$(detached checkpoint apply v one)" = '["v.disk1"]' ] || fail "the answer does not name the disk"
vm_is running || fail "the VM is $(vm state)"
[ "$(disks)" = disk0 ] || fail "the VM has disks $(disks)"
[ "$(volumes)" = "v.disk0 v.disk1" ] || fail "there are volumes $(volumes)"
[[ $(hf events) == *"volume delete v.disk1"* ]] || fail "no event tells of the disk"
holds v.disk0 0x11
refused 1 'volume v.disk0 is a disk of VM v: take it out' hf volume delete v.disk0
refused 3 'no volume v.disk7' hf volume delete v.disk7

# A new disk is none of the kept ones.
hf vm set v --add-disk 8M,format=qcow2
[ "$(disks)" = "disk0 disk2" ] || fail "the VM has disks $(disks)"
[[ $(hf checkpoint apply v two) == *"v.disk2 was added after the checkpoint"* ]] || fail "the answer does not name disk2"
[ "$(disks)" = "disk0 disk1" ] || fail "the VM has disks $(disks) of checkpoint two"
holds v.disk0 0x22
holds v.disk1 0x33
file=$(volume_file v.disk2)
hf volume delete v.disk2
[ "$(volumes)" = "v.disk0 v.disk1" ] && [ ! -e "$file" ] || fail "there are volumes $(volumes), and $file"

# A part of a checkpoint in a disk that is out of the VM goes with the checkpoint.
hf checkpoint take v --name three
hf checkpoint apply v one >/dev/null
file=$(volume_file v.disk1)
[ "$(snapshots_in "$file")" = "holdfast-c2 holdfast-c3" ] || fail "disk1 has snapshots $(snapshots_in "$file")"
hf checkpoint delete v three
[ "$(snapshots_in "$file")" = holdfast-c2 ] || fail "disk1 has snapshots $(snapshots_in "$file") after one was deleted"

# Killed in the middle.
for point in checkpoint-apply-ended checkpoint-applied; do
    hf checkpoint apply v two >/dev/null
    hv_stop
    HOLDFAST_FAULT=$point hv_start
    if hf checkpoint apply v one 2>/dev/null; then fail "hypervisord was not killed at $point"; fi
    wait_until 90 "hypervisord is dead at $point" hv_gone
    hv_start
    wait_until 90 "the VM runs after a kill at $point" vm_is running
    [ "$(disks)" = disk0 ] || fail "after a kill at $point the VM has disks $(disks)"
    [ "$(volumes)" = "v.disk0 v.disk1" ] || fail "after a kill at $point there are volumes $(volumes)"
done

# Without the volume: refused, and the guest runs on.
pid=$(vm pid)
hf volume delete v.disk1
refused 4 'the volume of disk disk1 of VM v, which checkpoint two needs, was deleted' hf checkpoint apply v two
[ "$(vm pid)" = "$pid" ] && vm_is running || fail "the VM is $(vm state), process $(vm pid)"
hf checkpoint delete v two
nothing_leaks

# What is kept goes with the VM.
hf vm set v --add-disk 8M,format=qcow2
hf checkpoint apply v one >/dev/null
[ "$(volumes)" = "v.disk0 v.disk1" ] || fail "there are volumes $(volumes)"
hf vm stop v --force
hf vm delete v
[ "$(volumes)" = "" ] || fail "volumes $(volumes) are left of a VM that was deleted"
hf group stop g
hv_stop
