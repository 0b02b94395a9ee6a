#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Dynamic disks take room as they are written; differencing disks show their parent, which is never written, through save, restore and restart; a parent
# that names other files, or is missing, is refused. Stand-alone hypervisord, real QEMU.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"
requires qemu-img qemu-io

hv_start
hf group create g

hf vm create thin --group g --memory 16 --disk 100M,thin --disk 8M >/dev/null
[ "$(stat -c %s "$dir/volumes/g/1.raw")" = $((100 << 20)) ] || fail "a thin disk has another size"
[ "$(stat -c %b "$dir/volumes/g/1.raw")" -lt 1000 ] || fail "a thin disk has its room already"
[ "$(stat -c %b "$dir/volumes/g/2.raw")" -ge $((8 << 11)) ] || fail "a fixed disk has not its room"
qemu-img create -q -f raw "$dir/a.raw" 90M
qemu-io -f raw -c 'write -P 0x11 10M 1M' "$dir/a.raw" >/dev/null
hf volume import thin.disk0 "$dir/a.raw" --format raw >/dev/null
[ "$(stat -c %b "$dir/volumes/g/1.raw")" -lt $((4 << 11)) ] || fail "an import filled the holes of a thin disk"
qemu-img compare -q -f raw -F raw "$dir/a.raw" "$dir/volumes/g/1.raw" || fail "the import is not what went in"
hf volume grow thin.disk0 200M >/dev/null
[ "$(stat -c %b "$dir/volumes/g/1.raw")" -lt $((4 << 11)) ] || fail "growing a thin disk took its room"

# Differencing.
qemu-img create -q -f qcow2 "$dir/base.qcow2" 16M
qemu-io -f qcow2 -c 'write -P 0x22 0 1M' -c 'write -P 0x33 8M 64k' "$dir/base.qcow2" >/dev/null
chmod 600 "$dir/base.qcow2"
sum=$(sha256sum <"$dir/base.qcow2")
refused 2 'belong together' hf vm create x --group g --memory 16 --disk "16M,parent=$dir/base.qcow2"
refused 2 'leave format=raw out' hf vm create x --group g --memory 16 --disk "16M,parent=$dir/base.qcow2,parent-format=qcow2,format=raw"
refused 3 'No such file' hf vm create x --group g --memory 16 --disk "16M,parent=$dir/none,parent-format=raw"
qemu-img create -q -f qcow2 -b "$dir/base.qcow2" -F qcow2 "$dir/second.qcow2"
refused 4 'names a backing file' hf vm create x --group g --memory 16 --disk "16M,parent=$dir/second.qcow2,parent-format=qcow2"
qemu-img create -q -f qcow2 -o "data_file=$dir/data" "$dir/external.qcow2" 1M
refused 4 'its data is in another file' hf vm create x --group g --memory 16 --disk "16M,parent=$dir/external.qcow2,parent-format=qcow2"

hf vm create d --group g --memory 16 --disk "16M,bus=sata,parent=$dir/base.qcow2,parent-format=qcow2" --disk "100M,parent=$dir/a.raw,parent-format=raw" >/dev/null
volume=$dir/volumes/g/3.raw
hf group start g >/dev/null
hf vm start d >/dev/null
vm_is running d || fail "the VM does not run"
qmp() { # qmp COMMAND...: to QEMU's monitor for the agent
    printf '{"execute":"qmp_capabilities"}\n%s\n' "$1" | timeout 5 socat -t 1 - "UNIX:$dir/run/vms/d/agent.sock" | jq -c 'select(.return | type == "string" or type == "array")' | tail -n 1
}
io() { qmp '{"execute":"human-monitor-command","arguments":{"command-line":"qemu-io -d /machine/peripheral/vdisk0 \"'"$1"'\""}}' >/dev/null; }
io 'write -P 0x44 512k 64k'
io 'write -z 8M 64k'
[ "$(find /proc/"$(vm pid d)"/fd -lname "$dir/base.qcow2" | wc -l)" -gt 0 ] || fail "QEMU has not the parent"
[ "$(find /proc/"$(vm pid d)"/fd -lname "$dir/base.qcow2" -perm -u+w | wc -l)" = 0 ] || fail "QEMU can write to the parent"
hf vm save d >/dev/null
[ -z "$(find /proc/[0-9]*/fd -lname "$dir/base.qcow2" 2>/dev/null)" ] || fail "somebody keeps the parent open"
hf vm start d >/dev/null
io 'write -P 0x55 640k 64k'
hf vm stop d --force >/dev/null
hf vm start d >/dev/null
io 'write -P 0x66 768k 64k'
hf vm stop d --force >/dev/null
[ "$(qemu-img info --output=json -f qcow2 "$volume" | jq -r '."backing-filename"')" = null ] || fail "the volume names its parent"
[ "$(sha256sum <"$dir/base.qcow2")" = "$sum" ] || fail "the parent was written"
[ "$(stat -c %b "$volume")" -lt $((3 << 11)) ] || fail "the difference takes $(stat -c %b "$volume") blocks"

# An export is whole without its parent; an import would let it show.
hf volume export d.disk0 "$dir/flat.qcow2" --format qcow2 >/dev/null
[ "$(qemu-img info --output=json -f qcow2 "$dir/flat.qcow2" | jq -r '."backing-filename"')" = null ] || fail "the export names a parent"
holds() {
    local said
    said=$(qemu-io -f qcow2 -r -c "read -P $1" "$dir/flat.qcow2")
    [[ $said == *"bytes"* && $said != *"verification failed"* ]]
}
holds '0x33 8M 64k' && fail "the guest's zeros are not in the disk"

for part in '0x22 0 512k' '0x44 512k 64k' '0x22 576k 64k' '0x55 640k 64k' '0x22 704k 64k' '0x66 768k 64k' '0x22 832k 192k' '0 1M 7M' '0 8M 64k' '0 8256k 7936k'; do
    holds "$part" || fail "the disk has not $part"
done
refused 2 'would show through' hf volume import d.disk0 "$dir/a.raw" --format raw
mv "$dir/base.qcow2" "$dir/away.qcow2"
refused 3 'parent: .*base.qcow2 cannot be opened' hf vm start d
vm_is off d || vm_is failed d || fail "a VM without its parent is $(vm state d)"
# The others of its group are not kept back by it here, where no other node could have the file.
hf --json vm show d | jq -e '.target == "running"' >/dev/null || fail "vm start has not left its wish"
hf group stop g >/dev/null
hf group start g >/dev/null
vm_is running thin || fail "VM thin is $(vm state thin) because of VM d"
vm_is off d || vm_is failed d || fail "VM d is $(vm state d)"
[[ $(vm reason d) == *"base.qcow2 cannot be opened"*"on node solo: put it there"* ]] || fail "VM d does not say why: $(vm reason d)"
[[ $(hf events) == *"VM d stays off: "*base.qcow2* ]] || fail "no event says that VM d stays off"
mv "$dir/away.qcow2" "$dir/base.qcow2"
hf vm start d >/dev/null
hf vm stop d --force >/dev/null
hf vm stop thin --force >/dev/null 2>&1 || true
hf group stop g >/dev/null
hv_stop
