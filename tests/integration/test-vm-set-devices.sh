#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Disks and NICs go into a running guest and come out again, as it sees itself; what was plugged in is at its place, with its data, after a save, and after
# a kill -9 of hypervisord; a guest that does not let go of one keeps it, and nothing is changed.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"
# shellcheck source=tests/integration/guest-shell.sh
. "$(dirname "$0")/guest-shell.sh"

pending() { hf --json vm show v | jq -r '.pending[]'; }
nothing_pending() { [ -z "$(pending)" ] || fail "pending: $(pending)"; }
disks() { inside "ls /sys/class/block" | grep -o 'vd[a-z]' | tr '\n' ' '; }
nics() { inside "ls /sys/class/net" | grep -o 'eth[0-9]' | tr '\n' ' '; }
sees() { [ "$($1)" = "$2" ]; }

with_shell_vm --memory 192 --cpus 1 --disk 64M
hf group start g
goes_on
sees disks "vda " || fail "the guest sees disks $(disks)"

# In.
hf vm set v --add-disk 32M --add-nic user
nothing_pending
wait_until 60 "the guest sees the new disk" sees disks "vda vdb "
wait_until 60 "the guest sees the new NIC" sees nics "eth0 "
[ "$(vm 'disks | length')" = 2 ] || fail "vm show has $(vm 'disks | length') disks"
inside "dd if=/dev/urandom of=/dev/vdb bs=64k count=64 conv=fsync" >/dev/null
sum=$(inside "sha256sum /dev/vdb")
[ "${#sum}" -gt 64 ] || fail "the new disk cannot be read: $sum"
hf vm set v --add-disk 48M,format=qcow2
wait_until 60 "the guest sees a third disk" sees disks "vda vdb vdc "
[ "$(inside 'blockdev --getsize64 /dev/vdc')" = $((48 << 20)) ] || fail "it has another size"
nothing_pending

# It is all there after a save, and when hypervisord was killed; the guest, which was writing, has lost nothing.
boots=$(lines BOOT)
hf vm save v
hf vm start v
goes_on
[ "$(lines BOOT)" = "$boots" ] || fail "the guest booted: it was not restored"
sees disks "vda vdb vdc " || fail "the restored guest sees $(disks)"
sees nics "eth0 " || fail "the restored guest sees $(nics)"
[ "$(inside 'sha256sum /dev/vdb')" = "$sum" ] || fail "the new disk has other data"
inside "dd if=/dev/urandom of=/dev/vdc bs=64k count=16 conv=fsync" >/dev/null
hv_kill
hv_start
nothing_pending
goes_on

# Out: the volume goes, and it needs consent. The next one gets the place of the one that went.
refused 4 'add --yes' hf vm set v --remove-disk disk1
hf vm set v --remove-disk disk1 --yes
wait_until 60 "the disk is gone from the guest" sees disks "vda vdc "
[ -e "$dir/volumes/g/1.raw" ] && [ ! -e "$dir/volumes/g/2.raw" ] || fail "its volume is still there"
refused 3 'no disk disk1' hf vm set v --remove-disk disk1 --yes
hf vm set v --remove-nic nic0
wait_until 60 "the NIC is gone from the guest" sees nics ""
hf vm save v
hf vm start v
goes_on
[ "$(lines BOOT)" = "$boots" ] || fail "the guest booted: it was not restored without what it had lost"
sees disks "vda vdc " || fail "the restored guest sees $(disks)"
hf vm set v --add-disk 16M
wait_until 60 "the guest sees a disk in the empty place" sees disks "vda vdb vdc "
[ "$(inside 'blockdev --getsize64 /dev/vdb')" = $((16 << 20)) ] || fail "it is not the new one"
nothing_pending
judge

# A guest that is paused, or that has no system, cannot let go: an error, and everything as it was.
hf vm pause v
refused 1 'is paused and cannot let go of disk' hf vm set v --remove-disk disk1 --yes
hf vm resume v
goes_on
hf vm create w --group g --memory 16 --disk 8M
hf vm start w
definition=$(vm definition w)
refused 1 'does not let go of disk disk0: nothing is changed' hf vm set w --remove-disk disk0 --yes
[ "$(vm definition w)" = "$definition" ] || fail "the definition has changed"
hf vm stop w --force

# After a start the same devices, without the empty places; nothing is left of the others.
hf vm stop v --force
hf vm start v
goes_on
sees disks "vda vdb vdc " || fail "the guest sees $(disks)"
nothing_pending
judge
hf group stop g
hf group delete g --force
hv_stop
