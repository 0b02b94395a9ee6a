#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Checkpoints that cannot be: of raw disks, of wrong names, more than 50, without room, damaged or cut. The VM is as it was after each refusal.
# shellcheck source=tests/integration/checkpoint-functions.sh
. "$(dirname "$0")/checkpoint-functions.sh"
volumes=$dir/small
mkdir "$volumes"
mount -t tmpfs -o size=200m none "$volumes"
cleanup_fn umount -l "$volumes"
state=$volumes/g/state
hv_start
hf group create g --storage file --directory "$volumes"
hf vm create raw --group g --memory 16 --disk 8M
hf vm create v --group g --memory 16 --disk 8M --checkpoints
refused 1 'group g is not online' hf checkpoint list v
hf group start g
refused 3 'no VM nobody' hf checkpoint take nobody
refused 2 'disk0 of VM raw is raw' hf checkpoint take raw
refused 2 'cannot name a checkpoint' hf checkpoint take v --name Two
refused 2 'id looks like' hf checkpoint take v --name c9

hf checkpoint take v --name one
refused 1 'has a checkpoint one already' hf checkpoint take v --name one
refused 3 'no checkpoint two' hf checkpoint apply v two
vm_is running || fail "the VM is $(vm state)"

# A QEMU of its own runs as long as nothing was lost.
pid=$(vm pid)
memory=$state/v.memory-c1
cp "$memory" "$dir/kept"
printf 'XXXX' | dd of="$memory" bs=1 seek=100000 conv=notrunc status=none
refused 4 'refused: its memory .* is damaged' hf checkpoint apply v one
truncate -s -1 "$memory"
refused 4 'refused: its memory .* bytes, and should have' hf checkpoint apply v one
rm "$memory"
refused 4 'refused: its memory .* is gone' hf checkpoint apply v one
cp "$dir/kept" "$memory"
cp "$state/v.checkpoints" "$dir/tree"
sed -i 's/"version":1/"version":7/' "$state/v.checkpoints"
refused 4 'version 7' hf checkpoint list v
printf '{' >"$state/v.checkpoints"
refused 4 'v.checkpoints is refused' hf checkpoint take v
cp "$dir/tree" "$state/v.checkpoints"
[ "$(vm pid)" = "$pid" ] && vm_is running || fail "the VM is $(vm state), process $(vm pid)"
hf checkpoint apply v one
vm_is running || fail "the VM is $(vm state)"

# Room: the figures, and the guest runs on.
room=$(df --output=avail -k "$volumes" | tail -n 1)
fallocate -l $((room - 20000))K "$volumes/ballast"
refused 1 'state volume has .* MiB free; the memory of VM v needs up to .*make room on its file system' hf checkpoint take v
vm_is running || fail "the VM is $(vm state)"
[ "$(checkpoints length)" = 1 ] || fail "$(hf checkpoint list v)"
rm "$volumes/ballast"

# Fifty.
hf vm stop v --force
for ((i = 2; i <= 50; i++)); do
    hf checkpoint take v >/dev/null
done
[ "$(checkpoints length)" = 50 ] || fail "$(checkpoints length) checkpoints"
refused 1 'has 50 checkpoints, and 50 are possible: delete one first' hf checkpoint take v
hf checkpoint delete v c25
[ "$(checkpoints '.[] | select(.id == "c26") | .parent')" = c24 ] || fail "c26 comes from $(checkpoints '.[] | select(.id == "c26") | .parent')"
hf checkpoint take v
refused 1 'delete one first' hf checkpoint take v
qemu-img check -q -f qcow2 "$volumes/g/2.raw" || fail "the image is not sound"
hf checkpoint delete v one --subtree
[ "$(checkpoints length)" = 0 ] || fail "$(hf checkpoint list v)"
[ -z "$(find "$state" -name 'v.memory-*')" ] || fail "memory is left"
[ "$(qemu-img snapshot -l "$volumes/g/2.raw" | wc -l)" = 0 ] || fail "snapshots are left"

# Another VM of that name begins with none.
hf checkpoint take v
hf vm delete v
hf vm create v --group g --memory 16 --disk 8M --checkpoints
[ "$(checkpoints length)" = 0 ] || fail "$(hf checkpoint list v)"
hf group stop g
hf group delete g --force
hv_stop
