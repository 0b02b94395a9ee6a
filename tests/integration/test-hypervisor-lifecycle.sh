#!/bin/bash
# A VM on a single machine: start, pause, resume, reset, console, forced stop, group stop and start; and how its QEMU is kept from the machine.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"

with_small_vm
vm_is off || fail "a new VM is not off"
hf group start g
vm_is running || fail "the VM does not run with its group"
pid=$(vm pid)

status=/proc/$pid/status
base=2000000
[ "$(awk '/^Uid:/ {print $2}' "$status")" -gt "$base" ] || fail "QEMU runs as $(grep ^Uid: "$status")"
[ "$(awk '/^Gid:/ {print $2}' "$status")" -gt "$base" ] || fail "QEMU runs as $(grep ^Gid: "$status")"
[ -z "$(awk '/^Groups:/ {print $2}' "$status")" ] || fail "QEMU has $(grep ^Groups: "$status")"
[ "$(awk '/^CapEff:/ {print $2}' "$status")" = 0000000000000000 ] || fail "QEMU has $(grep ^CapEff: "$status")"
[ "$(awk '/^Seccomp:/ {print $2}' "$status")" = 2 ] || fail "QEMU has no seccomp filter"
[ "$(awk '/^NoNewPrivs:/ {print $2}' "$status")" = 1 ] || fail "QEMU may gain privileges"
tr '\0' '\n' <"/proc/$pid/cmdline" | grep -q "$dir" && fail "QEMU was given a path"
[ "$(awk '{print $4}' "/proc/$pid/stat")" != "$hv_pid" ] || fail "QEMU is a child of hypervisord"
[ "$(find "$dir/run/vms" -perm /077 ! -type s | wc -l)" = 0 ] || fail "others may look into the run directory"
note "QEMU $pid has no privileges"

hf vm pause v
vm_is paused || fail "not paused"
hf vm pause v
hf vm resume v
vm_is running || fail "not resumed"
hf vm reset v
vm_is running || fail "does not run after a reset"
[ "$(vm pid)" = "$pid" ] || fail "a pause, resume and reset took another QEMU"

# The console takes one at a time; SeaBIOS says nothing there without a screen, so only that it connects and ends is seen here.
[ -S "$dir/run/vms/v/console.sock" ] || fail "no console"

hf vm stop v --force
vm_is off || fail "not off"
[ -z "$(qemus)" ] || fail "a QEMU is left: $(qemus)"
[ ! -e "$dir/run/vms/v" ] || fail "its directory is left"
group_is online || fail "a group whose VM was stopped on purpose is not online"
refused 1 'off.*start it' hf vm resume v
refused 1 'off' hf vm pause v
hf vm start v
vm_is running || fail "not started again"

# A VM that is stopped in its group stays off when the group comes back.
hf vm stop v --force
hf group stop g
group_is offline || fail "not offline"
refused 1 'group g is not online' hf vm start v
hf group start g
vm_is off || fail "a VM that was stopped came back with its group"
hf vm start v

# A group's stop does not wait for what somebody else has begun: here a graceful stop, which firmware never answers.
hf vm stop v >"$dir/stop" 2>&1 &
stopping() { vm_is stopping; }
wait_until 60 "a graceful stop has begun" stopping
begin=$(now_ms)
hf group stop g
[ $(($(now_ms) - begin)) -lt 15000 ] || fail "the group's stop took $(($(now_ms) - begin)) ms"
vm_is saved || fail "the VM is $(vm state) after its group was stopped"
wait
[ -s "$dir/stop" ] || fail "the graceful stop said nothing"
hf group start g
vm_is running || fail "it was not restored: $(vm state)"

# Another VM in the group that is online: off until it is started; deleted only when off.
hf vm create w --group g --memory 16 --offline-action turn-off
vm_is off w || fail "a new VM in an online group is not off"
hf vm start w
[ "$(vm pid)" != "$(vm pid w)" ] || fail "one QEMU for two VMs"
[ "$(awk '/^Uid:/ {print $2}' "/proc/$(vm pid)/status")" != "$(awk '/^Uid:/ {print $2}' "/proc/$(vm pid w)/status")" ] ||
    fail "two VMs share a user"
refused 1 'running.*stop it first' hf vm delete w
hf group stop g
vm_is saved v || fail "v was not saved with its group: $(vm state)"
vm_is off w || fail "w was not turned off with its group: $(vm state w)"
hf vm delete w
refused 3 'no VM w' hf vm show w
refused 1 'has 1 VMs' hf group delete g
hf vm delete v
hf group delete g
[ -z "$(find "$dir/volumes" -name '*.raw')" ] || fail "a volume is left"
hv_stop
