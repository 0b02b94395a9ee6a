#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Checkpoints of a guest that counts: taken while it runs, is paused and is off; applied back and forth between branches; deleted in the middle. After
# each its memory fits its database, it never stands still for a second, and nothing is left of what was deleted.
# shellcheck source=tests/integration/checkpoint-functions.sh
. "$(dirname "$0")/checkpoint-functions.sh"
disk=64M,format=qcow2
with_guest_vm
hf group start g
goes_on
[ "$(checkpoints length)" = 0 ] || fail "there are checkpoints"
refused 3 'no checkpoint to revert' hf checkpoint revert v

take one
goes_on
take two
goes_on
[ "$(lines BOOT)" = 1 ] || fail "the guest booted"
[ "$(hf --json checkpoint list v | jq -c '[.[] | [.name, .id, .parent, .current, .memory]]')" = \
    '[["one","c1","",false,true],["two","c2","c1",true,true]]' ] || fail "$(hf checkpoint list v)"
nothing_leaks

apply one
vm_is paused && fail "a VM that ran in its checkpoint is paused"
counts_on_from one
take three
[ "$(checkpoints '.[] | select(.name == "three") | .parent')" = c1 ] || fail "$(hf checkpoint list v)"
apply two
counts_on_from two
apply three
counts_on_from three
[ "$(checkpoints '.[] | select(.current) | .name')" = three ] || fail "$(hf checkpoint list v)"

# Off, and what was is kept first; a VM that is off is saved in a checkpoint with memory.
hf vm stop v --force
: >"$dir/report"
hf checkpoint apply v c1 --take-first
vm_is saved || fail "the VM is $(vm state)"
[ "$(checkpoints '.[] | select(.id == "c4") | .parent')" = c3 ] || fail "$(hf checkpoint list v)"
[ "$(checkpoints '.[] | select(.id == "c4") | .memory')" = false ] || fail "$(hf checkpoint list v)"
hf vm start v
counts_on_from one

# Paused: it stays so, and comes back so.
hf vm pause v
take still
vm_is paused || fail "the VM is $(vm state) after a checkpoint"
hf vm resume v
goes_on
apply still
vm_is paused || fail "the VM is $(vm state) after a checkpoint of a paused one was applied"
hf vm resume v
counts_on_from still
database_is_whole

# Off: its disks and configuration.
hf vm stop v
row=$(last_ack)
hf checkpoint take v --name cold
[ "$(checkpoints '.[] | select(.name == "cold") | .memory')" = false ] || fail "memory of a VM that was off"
hf vm start v
goes_on
hf checkpoint apply v cold
vm_is off || fail "the VM is $(vm state)"
: >"$dir/report"
hf vm start v
goes_on
[ "$(grep -m 1 -o ' last=[0-9]*' "$dir/report")" = " last=$row" ] || fail "row $row was the last, and $(grep -m 1 BOOT "$dir/report")"

# A VM that is off is saved in a checkpoint with memory, and goes on there when it starts; also after its group was away.
hf vm stop v
: >"$dir/report"
hf checkpoint apply v two
vm_is saved || fail "the VM is $(vm state)"
refused 4 'is saved in checkpoint two' hf checkpoint delete v two
hf group stop g
hf group start g
vm_is saved || fail "the VM is $(vm state)"
hf vm start v
counts_on_from two

# In the middle, the one that is current, and all.
hf checkpoint delete v one
[ "$(checkpoints '.[] | select(.name == "three") | .parent')" = "" ] || fail "$(hf checkpoint list v)"
nothing_leaks
apply three
counts_on_from three
hf checkpoint delete v three --subtree
nothing_leaks
refused 3 'no checkpoint three' hf checkpoint apply v three
goes_on
for id in $(checkpoints '.[].id'); do hf checkpoint delete v "$id"; done
nothing_leaks
database_is_whole
hf group stop g
hf group delete g --force
hv_stop
