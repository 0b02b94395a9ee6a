#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A disk with checkpoints is not taken away, whether its VM runs or is off, until they are deleted; one that grows keeps them, and is what it was after
# one was applied. Stand-alone hypervisord, real QEMU.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"
requires qemu-img

hv_start
hf group create g
hf vm create v --group g --memory 16 --disk 8M --disk 8M --checkpoints
disks() { hf --json vm show v | jq -r '[.disks[] | "\(.name) \(.size_bytes / 1048576)"] | join(", ")'; }
image_mib() { qemu-img info -U --output=json -f qcow2 "$dir/volumes/g/$1.raw" | jq '."virtual-size" / 1048576'; }
hf group start g >/dev/null
vm_is running || fail "the VM does not run"
hf checkpoint take v --name one >/dev/null
refused 4 'has 1 checkpoint, which disk disk1 is a part of: delete it first' hf vm set v --remove-disk disk1 --yes
hf checkpoint take v --name two >/dev/null
hf vm stop v --force >/dev/null
refused 4 'has 2 checkpoints, which disk disk1 is a part of: delete them first' hf vm set v --remove-disk disk1 --yes
hf group stop g >/dev/null
refused 1 'may have checkpoints, and group g is offline' hf vm set v --remove-disk disk1 --yes
[ "$(disks)" = "disk0 8, disk1 8" ] || fail "a refused change left the VM with $(disks)"
hf vm set v --memory 32 >/dev/null # what has nothing to do with disks is not refused

# It grows, and goes back with the checkpoint.
hf group start g >/dev/null
hf vm start v >/dev/null
hf volume grow v.disk1 32M >/dev/null
[ "$(disks)" = "disk0 8, disk1 32" ] || fail "after growing there are $(disks)"
hf checkpoint take v --name large >/dev/null
hf checkpoint apply v one >/dev/null
[ "$(disks)" = "disk0 8, disk1 8" ] || fail "after going back there are $(disks)"
[ "$(image_mib 2)" = 8 ] || fail "after going back the image has $(image_mib 2) MiB"
vm_is running || fail "the VM does not run with its old disk: it is $(vm state)"
hf checkpoint apply v large >/dev/null
[ "$(disks) $(image_mib 2)" = "disk0 8, disk1 32 32" ] || fail "after going forth there are $(disks), $(image_mib 2) MiB"
vm_is running || fail "the VM does not run with its large disk: it is $(vm state)"
hf vm stop v --force >/dev/null
for name in large two one; do
    hf checkpoint delete v $name >/dev/null
done
hf vm set v --remove-disk disk1 --yes >/dev/null
[ "$(disks)" = "disk0 8" ] || fail "without checkpoints the disk stays: $(disks)"
hf group stop g >/dev/null
hv_stop
