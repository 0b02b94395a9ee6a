#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Images of all four formats go into a disk and come out of it unchanged; an import that fails leaves a disk that no guest meets, and can be
# repeated; nothing that an image names is opened. Stand-alone hypervisord, real QEMU and qemu-img.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"
requires qemu-img qemu-io

chmod 755 "$dir"
with_small_vm
qio() { qemu-io -f "$@" >/dev/null || fail "qemu-io $*"; }
same() { qemu-img compare -q -f "$1" -F "$3" "$2" "$4" || fail "$2 and $4 differ"; }
volume=$dir/volumes/g/1.raw

# A pattern with holes, of less than the disk's size; each format of it.
qemu-img create -q -f qcow2 "$dir/a.qcow2" 6M
qio qcow2 -c 'write -P 0x11 64k 1M' -c 'write -P 0x22 3M 512k' -c 'write -P 0x33 6143k 512' "$dir/a.qcow2"
for format in raw vhdx vmdk; do
    qemu-img convert -f qcow2 -O "$format" "$dir/a.qcow2" "$dir/a.$format"
done
qemu-img convert -f qcow2 -O vmdk -o subformat=streamOptimized "$dir/a.qcow2" "$dir/stream.vmdk"
qemu-img resize -q -f raw "$dir/a.raw" 6M

round_trip() { # round_trip FORMAT FILE
    # What the disk had must be gone behind the image's end too.
    qio raw -c 'write -P 0xee 0 8M' "$volume"
    hf volume import v.disk0 "$2" --format "$1" >/dev/null
    same raw "$dir/a.raw" raw "$volume"
    [ "$(tail -c 1M "$volume" | tr -d '\0' | wc -c)" = 0 ] || fail "the end of the disk has old data"
    [ "$(stat -c %s "$volume")" = $((8 << 20)) ] || fail "the volume changed its size"
    [ "$(($(stat -c %b "$volume") * 512))" -ge $((8 << 20)) ] || fail "the volume is no longer allocated"
    rm -f "$dir/out.$1"
    hf volume export v.disk0 "$dir/out.$1" --format "$1" >/dev/null
    [ ! -e "$dir/out.$1.part" ] || fail "a partial file is left"
    qemu-img info -f "$1" "$dir/out.$1" >/dev/null || fail "out.$1 is no $1 image"
    same "$1" "$dir/out.$1" raw "$volume"
    note "round trip: $1 from ${2##*/}"
}
round_trip raw "$dir/a.raw"
round_trip qcow2 "$dir/a.qcow2"
round_trip vhdx "$dir/a.vhdx"
round_trip vmdk "$dir/a.vmdk"
round_trip vmdk "$dir/stream.vmdk"
[ "$(stat -c %b "$dir/out.raw")" -lt $((8 << 11)) ] || fail "a raw export of holes is not sparse"

refused 1 'exists already' hf volume export v.disk0 "$dir/out.raw" --format raw
refused 3 'no disk v.disk9' hf volume import v.disk9 "$dir/a.raw" --format raw
refused 3 'No such file' hf volume import v.disk0 "$dir/none" --format raw
refused 2 'is no qcow2 image' hf volume import v.disk0 "$dir/a.raw" --format qcow2
refused 2 'is no vhdx image' hf volume import v.disk0 "$dir/a.qcow2" --format vhdx

# Hostile images: each would make QEMU open a file that it names. The disk keeps what it has.
before=$(sha256sum <"$volume")
echo "a secret that everybody may read" >"$dir/secret"
truncate -s 1M "$dir/secret"
chmod 644 "$dir/secret"
qemu-img create -q -f qcow2 -b "$dir/secret" -F raw "$dir/backing.qcow2" 1M
refused 4 'names a backing file' hf volume import v.disk0 "$dir/backing.qcow2" --format qcow2
qemu-img create -q -f qcow2 -o "data_file=$dir/data,data_file_raw=on" "$dir/external.qcow2" 1M
refused 4 'its data is in another file' hf volume import v.disk0 "$dir/external.qcow2" --format qcow2
qemu-img create -q -f vmdk -o subformat=monolithicFlat "$dir/flat.vmdk" 1M
refused 4 'names other files' hf volume import v.disk0 "$dir/flat.vmdk" --format vmdk
cp "$dir/a.vmdk" "$dir/zero.vmdk" # no capacity: QEMU would read its descriptor as a list of files
dd if=/dev/zero of="$dir/zero.vmdk" bs=1 seek=12 count=8 conv=notrunc status=none
refused 4 'no capacity' hf volume import v.disk0 "$dir/zero.vmdk" --format vmdk
qemu-img create -q -f vmdk -b "$dir/a.vmdk" -F vmdk "$dir/child.vmdk"
refused 4 'names a parent file' hf volume import v.disk0 "$dir/child.vmdk" --format vmdk
# As raw it is data, whatever it looks like.
hf volume import v.disk0 "$dir/backing.qcow2" --format raw >/dev/null
cmp -n 65536 "$dir/backing.qcow2" "$volume" || fail "a raw import was interpreted"
hf volume import v.disk0 "$dir/out.raw" --format raw >/dev/null
[ "$(sha256sum <"$volume")" = "$before" ] || fail "the disk is not what it was"

# Too large, truncated, on a full disk: clear words, and a disk that is not whole keeps its VM off.
qemu-img create -q -f qcow2 "$dir/large.qcow2" 9M
refused 1 '9 MiB .*8 MiB.*volume grow' hf volume import v.disk0 "$dir/large.qcow2" --format qcow2
hf group start g >/dev/null
vm_is off || fail "a VM with half a disk was started"
refused 4 'disk v.disk0 is not whole' hf vm start v
hf --json vm show v | jq -e '.reason | test("not whole")' >/dev/null || fail "its state does not say why"
refused 4 'disk v.disk0 is not whole' hf volume export v.disk0 "$dir/half.raw" --format raw
for file in a.qcow2:qcow2 a.vmdk:vmdk stream.vmdk:vmdk a.vhdx:vhdx; do
    size=$(stat -c %s "$dir/${file%:*}")
    for bytes in $((size > 262144 ? size - 131072 : size - 600)) $((size / 3)) $((size / 20)); do
        head -c "$bytes" "$dir/${file%:*}" >"$dir/short"
        if hf volume import v.disk0 "$dir/short" --format "${file#*:}" 2>"$dir/err" >/dev/null; then
            # Behind its data a file may have room or padding: nothing of the disk is missing then.
            same raw "$dir/a.raw" raw "$volume"
            continue
        fi
        grep -Eiq 'truncated|can(not)? be|failed|past' "$dir/err" || fail "$file: $(cat "$dir/err")"
        note "$bytes bytes of $file: $(cat "$dir/err")"
    done
done
hf volume import v.disk0 "$dir/a.qcow2" --format qcow2 >/dev/null # into a group that is online
hf vm start v >/dev/null
vm_is running
refused 1 'VM v is running' hf volume import v.disk0 "$dir/a.raw" --format raw
refused 1 'VM v is running' hf volume export v.disk0 "$dir/no.raw" --format raw
hf vm save v >/dev/null
refused 1 'VM v is saved' hf volume import v.disk0 "$dir/a.raw" --format raw
hf vm stop v --force >/dev/null
hf group stop g >/dev/null

mkdir "$dir/small"
mount -t tmpfs -o size=1M tmpfs "$dir/small"
cleanup_fn umount "$dir/small"
refused 1 'may need .* MiB and there are 1 MiB free' hf volume export v.disk0 "$dir/small/out.raw" --format raw
[ -z "$(ls -A "$dir/small")" ] || fail "something is left on the full file system"

# hypervisord dies in the middle of an import: so does the copy, and the disk stays marked until an import has succeeded.
hv_kill
HOLDFAST_FAULT=copy-begins hv_start
hf volume import v.disk0 "$dir/a.raw" --format raw >/dev/null 2>&1 && fail "hypervisord should have died"
wait_until 60 "hypervisord is dead" hv_gone
nobody_has_it() { [ -z "$(find /proc/[0-9]*/fd -lname "$volume" 2>/dev/null)" ]; }
wait_until 60 "the copy died with its hypervisord" nobody_has_it
hv_start
hf group start g >/dev/null
vm_is off || fail "a VM with half a disk was started"
refused 4 'disk v.disk0 is not whole: import of .*a.raw' hf vm start v
hf volume import v.disk0 "$dir/a.raw" --format raw >/dev/null
hf vm start v >/dev/null
hf group stop g >/dev/null

# A VM of the same name has nothing to do with it.
hf volume import v.disk0 "$dir/large.qcow2" --format qcow2 >/dev/null 2>&1 && fail "too large an image was taken"
hf vm delete v >/dev/null
hf vm create v --group g --memory 16 --disk 8M >/dev/null
hf group start g >/dev/null
wait_until 60 "a new VM of that name runs" vm_is running
hf group stop g >/dev/null
hv_stop
