#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Whole VMs: full clones, templates and linked clones, export to a directory and import from it with a new identity or the old one; what is damaged or
# truncated is refused, and nothing is left of a copy that failed. Stand-alone hypervisord, real QEMU.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"
requires qemu-img qemu-io sha256sum

hv_start
hf group create g
hf vm create v --group g --memory 16 --disk 16M,bus=sata --disk 8M,format=qcow2 --nic user
defined() { jq -r ".vms[] | select(.name == \"$1\") | $2" "$dir/state/groups/g.json"; }
volume_of() { echo "$dir/volumes/g/$(defined "$1" ".disks[$2].volume").raw"; }
nothing_of() { [ "$(jq "[.vms[] | select(.name == \"$1\")] | length" "$dir/state/groups/g.json")" = 0 ] && ! jq -e ".group.volumes[] | select(.name | startswith(\"$1.\"))" "$dir/state/groups/g.json" >/dev/null; }

# Something on its disks.
qemu-img create -q -f raw "$dir/a.raw" 16M
qemu-io -f raw -c 'write -P 0x11 1M 3M' -c 'write -P 0x12 15M 64k' "$dir/a.raw" >/dev/null
qemu-img create -q -f raw "$dir/b.raw" 8M
qemu-io -f raw -c 'write -P 0x21 0 1M' "$dir/b.raw" >/dev/null
hf volume import v.disk0 "$dir/a.raw" --format raw >/dev/null
hf volume import v.disk1 "$dir/b.raw" --format raw >/dev/null
has_both() { # has_both VM: its disks are those, by their exports
    rm -f "$dir"/out.*
    hf volume export "$1.disk0" "$dir/out.0" --format raw >/dev/null
    hf volume export "$1.disk1" "$dir/out.1" --format raw >/dev/null
    qemu-img compare -q -f raw -F raw "$dir/a.raw" "$dir/out.0" && qemu-img compare -q -f raw -F raw "$dir/b.raw" "$dir/out.1"
}
has_both v || fail "the disks are not what went in"

# A full clone is another VM.
hf vm clone v full >/dev/null
has_both full || fail "the clone's disks are not those of the VM"
[ "$(defined full .uuid)" != "$(defined v .uuid)" ] || fail "the clone has the VM's UUID"
[ "$(defined full '.nics[0].mac')" != "$(defined v '.nics[0].mac')" ] || fail "the clone has the VM's MAC address"
refused 1 'already' hf vm clone v full
refused 3 'no VM nobody' hf vm clone nobody x
refused 4 'is no template' hf vm clone v linked --linked
nothing_of linked || fail "something is left of a clone that was refused"

# A template is never started, and its disks are never written; linked clones lie over them.
hf vm template v >/dev/null
sum0=$(sha256sum <"$(volume_of v 0)")
sum1=$(sha256sum <"$(volume_of v 1)")
hf vm clone v one --linked >/dev/null
hf vm clone v two --linked >/dev/null
[ "$(defined one '.disks[0].parent')" = v.disk0 ] || fail "the linked clone lies over $(defined one '.disks[0].parent')"
has_both one || fail "a linked clone's disks are not those of its template"
[[ $(hf vm show v) == *"never started"* && $(hf vm show one) == *"disk0 lies over v.disk0"* ]] || fail "vm show tells nothing of templates and parents: $(hf vm show v; hf vm show one)"
[ "$(stat -c %b "$(volume_of one 0)")" -lt 4000 ] || fail "a linked clone takes as much room as its template"
refused 4 'is a template' hf volume import v.disk0 "$dir/b.raw" --format raw
refused 4 'is a template' hf volume grow v.disk0 32M
refused 4 'lies over disk disk1 of template v' hf vm set v --remove-disk disk1 --yes
refused 1 'lie over those of template v' hf vm delete v
refused 1 'lie over those of template v' hf vm template v --undo
hf vm delete full >/dev/null
hf group start g >/dev/null
vm_is off v || fail "a template was started with its group"
refused 4 'is a template' hf vm start v
[ "$(vm reason v)" = "" ] || fail "a start that was refused left a reason: $(vm reason v)"
vm_is running one && vm_is running two || fail "two linked clones do not run at once"
io() { printf '{"execute":"qmp_capabilities"}\n{"execute":"human-monitor-command","arguments":{"command-line":"qemu-io -d /machine/peripheral/vdisk0 \\"%s\\""}}\n' "$2" | timeout 5 socat -t 1 - "UNIX:$dir/run/vms/$1/agent.sock" >/dev/null; }
io one 'write -P 0x77 2M 64k'
hf vm stop one --force >/dev/null
hf vm stop two --force >/dev/null
has_both two || fail "a linked clone sees what another one wrote"
has_both one && fail "what a linked clone wrote is lost"
[ "$(sha256sum <"$(volume_of v 0)")" = "$sum0" ] && [ "$(sha256sum <"$(volume_of v 1)")" = "$sum1" ] || fail "the template was written"

# Out and in again.
hf vm export two "$dir/export" >/dev/null
[ "$(cd "$dir/export" && sha256sum -c --quiet SHA256SUMS && ls | sort | tr '\n' ' ')" = "SHA256SUMS disk0.qcow2 disk1.qcow2 vm.json " ] || fail "the export is not as it should be: $(ls "$dir/export")"
refused 1 'exists' hf vm export two "$dir/export"
hf vm import "$dir/export" --group g --name three >/dev/null
has_both three || fail "the imported VM's disks are not those of the exported one"
[ "$(defined three '.disks[0].parent')" = "" ] || fail "the import has a parent"
[ "$(defined three .uuid)" != "$(defined two .uuid)" ] || fail "the import has the old UUID"
refused 1 'already' hf vm import "$dir/export" --group g
uuid=$(defined two .uuid) mac=$(defined two '.nics[0].mac')
hf vm delete two >/dev/null
hf vm import "$dir/export" --group g --keep-identity >/dev/null
[ "$(defined two .uuid) $(defined two '.nics[0].mac')" = "$uuid $mac" ] || fail "the import has not the old identity"
hf vm delete two >/dev/null

cp -r "$dir/export" "$dir/bad"
refuse_bad() { # refuse_bad PATTERN
    refused "${2:-2}" "$1" hf vm import "$dir/bad" --group g --name bad
    nothing_of bad || fail "something is left of an import that was refused"
    rm -r "$dir/bad"
    cp -r "$dir/export" "$dir/bad"
}
truncate -s -1 "$dir/bad/disk0.qcow2"
refuse_bad 'disk0.qcow2 is damaged or truncated'
printf '\001' | dd of="$dir/bad/disk1.qcow2" bs=1 seek=70000 conv=notrunc status=none
refuse_bad 'disk1.qcow2 is damaged or truncated'
sed -i 's/"cpus": *1/"cpus": 2/' "$dir/bad/vm.json"
printf ' ' >>"$dir/bad/vm.json"
refuse_bad 'vm.json is damaged or truncated'
sed -i '$d' "$dir/bad/SHA256SUMS"
refuse_bad 'has not the files of this VM'
rm "$dir/bad/SHA256SUMS"
refuse_bad 'no complete export' 3
rm "$dir/bad/disk1.qcow2"
refuse_bad 'disk1.qcow2 cannot be opened' 3
# A sum that fits does not make a hostile image a good one.
qemu-img create -q -f qcow2 -b "$dir/a.raw" -F raw "$dir/bad/disk0.qcow2"
(cd "$dir/bad" && sha256sum vm.json disk0.qcow2 disk1.qcow2 >SHA256SUMS)
refuse_bad 'names a backing file' 4

# hypervisord dies in a clone: what is there of it does not start.
hv_kill
HOLDFAST_FAULT=copy-begins hv_start
hf vm clone v dead >"$dir/err" 2>&1 && fail "hypervisord should have died"
wait_until 60 "hypervisord is dead" hv_gone
hv_start
refused 4 'disk dead.disk0 is not whole' hf vm start dead
hf vm delete dead >/dev/null
hf vm stop one --force >/dev/null 2>&1 || true
hf group stop g >/dev/null
hf vm delete one >/dev/null
hf vm template v --undo >/dev/null
hf group start g >/dev/null
wait_until 60 "what was a template runs" vm_is running v
hf group stop g >/dev/null
hv_stop
