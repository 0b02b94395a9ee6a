#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# hypervisord is killed at each step of taking, applying and deleting checkpoints. Its successor finds, or makes, either the whole or nothing: the guest
# goes on, the list, the memory files and the snapshots on the disk name the same checkpoints, and those can be applied.
# shellcheck source=tests/integration/checkpoint-functions.sh
. "$(dirname "$0")/checkpoint-functions.sh"
disk=64M,format=qcow2
with_guest_vm
hf group start g
goes_on
take base
goes_on

# killed_at POINT ARGS...: the request dies with the daemon, and the next daemon is up when this returns.
killed_at() {
    local point=$1
    shift
    hv_stop
    HOLDFAST_FAULT=$point hv_start
    if hf "$@" 2>/dev/null; then fail "$* ended well with a fault at $point"; fi
    wait_until 60 "hypervisord is dead at $point" hv_gone
    hv_start
    wait_until 90 "the guest runs after $point" vm_is running
}
count() { checkpoints length; }

for point in journalled instant disks-taken written complete; do
    before=$(count)
    : >"$dir/report"
    killed_at "checkpoint-$point" checkpoint take v --name "at-$point"
    goes_on
    [ "$(lines BOOT)" = 0 ] || fail "the guest booted after $point"
    nothing_leaks
    case $point in
    complete) [ "$(count)" = $((before + 1)) ] || fail "a checkpoint that was complete is gone" ;;
    *) [ "$(count)" = "$before" ] || fail "half a checkpoint is listed after $point: $(hf checkpoint list v)" ;;
    esac
done
apply base
counts_on_from base

# Until its QEMU has ended the guest has lost nothing; after that it is set to the checkpoint.
for point in apply-journalled apply-ended applied apply-complete; do
    goes_on
    row=$(last_ack)
    killed_at "checkpoint-$point" checkpoint apply v base
    : >"$dir/report"
    goes_on
    now=$(last_ack)
    case $point in
    apply-journalled) [ "$now" -gt "$row" ] || fail "row $row was there, and after $point the guest is at $now" ;;
    *)
        killed_at "checkpoint-journalled" checkpoint take v
        [ "$(lines BOOT)" = 0 ] || fail "the guest booted after $point"
        ;;
    esac
    nothing_leaks
    [ "$(lines FAIL)" = 0 ] || fail "the guest says: $(grep ^FAIL "$dir/report")"
done
database_is_whole

# Its memory is used up before its first instruction: what was killed there boots from the disks of the checkpoint.
killed_at checkpoint-resumed checkpoint apply v base
goes_on
nothing_leaks
database_is_whole

for point in delete-journalled disks-deleted pruned; do
    hf checkpoint take v --name "gone-$point"
    killed_at "checkpoint-$point" checkpoint delete v "gone-$point"
    [ "$(checkpoints ".[] | select(.name == \"gone-$point\") | .name")" = "" ] || fail "it is still there after $point: $(hf checkpoint list v)"
    nothing_leaks
    goes_on
done
apply base
counts_on_from base
database_is_whole
hf group stop g
hf group delete g --force
hv_stop
