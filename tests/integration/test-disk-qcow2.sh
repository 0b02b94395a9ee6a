#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A guest on a qcow2 disk: formatted at its first start, never again; through a save, a restart and the death of hypervisord; a volume that is full
# pauses the guest and loses nothing; a header that names another file is refused.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"
requires qemu-img

disk=64M,format=qcow2
with_guest_vm
volume=$dir/volumes/g/1.raw
[ "$(stat -c %s "$volume")" = $((99 * 1024 * 1024)) ] || fail "the volume has $(stat -c %s "$volume") bytes"
hf group start g
goes_on
boots=$(lines BOOT)
hf vm save v
qemu-img check -q -f qcow2 "$volume" || fail "the image is not sound"
hf vm start v
goes_on
[ "$(lines BOOT)" = "$boots" ] || fail "the guest booted: it was not restored"
hv_kill
hv_start
goes_on
hf group stop g
[ "$(stat -c %s "$volume")" = $((99 * 1024 * 1024)) ] || fail "the volume has grown"
hf group start g
goes_on
[ "$(lines BOOT)" = "$boots" ] || fail "the guest booted: it was not restored"
judge

# Another file's name in the header.
hf vm stop v --force
cp "$volume" "$dir/kept"
touch "$dir/base"
qemu-img rebase -q -u -f qcow2 -F raw -b "$dir/base" "$volume"
refused 4 'names a backing file' hf vm start v
qemu-img rebase -q -u -f qcow2 -b "" "$volume"
hf vm start v
goes_on
judge

# Its header gone, with data behind it: not formatted again.
hf vm stop v --force
dd if=/dev/zero of="$volume" bs=64k count=1 conv=notrunc status=none
refused 4 'header is gone' hf vm start v
hf vm stop v --force

# Full: what the guest has on its disk is written anew after each of some snapshots, until there is no room for that.
hf group stop g
hf group delete g --force
: >"$dir/report"
hf group create g
hf vm create v --group g --memory 128 --disk 64M,format=qcow2 --kernel "$dir/vmlinuz" --initrd "$dir/initrd.gz" \
    --append "console=ttyS0 quiet panic=-1" --serial "$dir/report"
hf group start g
goes_on
hf vm stop v
qemu-img convert -f qcow2 -O raw "$volume" "$dir/content"
whole=$(printf '{"driver":"qcow2","file":{"driver":"raw","size":%d,"file":{"driver":"file","filename":"%s"}}}' $((98 << 20)) "$volume")
for i in 1 2; do
    qemu-img snapshot -c "s$i" "$volume"
    qemu-img convert -n -S 0 -f raw -O qcow2 "$dir/content" "json:$whole" 2>/dev/null || break
done
[ "$i" = 2 ] || fail "the volume was full too early"
qemu-img snapshot -c s3 "$volume"
[ "$(stat -c %s "$volume")" = $((99 << 20)) ] || fail "the volume has grown"
hf vm start v
wait_until 90 "a guest without room is paused" vm_is paused
[[ "$(vm reason)" == *"has no room left"* ]] || fail "the reason is: $(vm reason)"
hf vm stop v --force
hf group stop g
hf group delete g --force
hv_stop
