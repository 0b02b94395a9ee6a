#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A guest that panics or whose watchdog runs out is found at once; evidence is kept, then it is started again, kept as it is, or left alone, as its
# definition says; restarts count until its group has failed. A guest that was paused, or whose trouble is over, is not touched. Also when hypervisord
# was dead while it fell ill.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"
requires as ld

make_sick() { # VM SICKNESS: what its disk makes it do
    as --32 --defsym "SICKNESS=$2" "$SOURCE/tests/guest/sick.S" -o "$dir/sick.o"
    ld -m elf_i386 -Ttext 0x7c00 --oformat binary "$dir/sick.o" -o "$dir/sick.bin" 2>/dev/null
    local disk=
    for disk in "$dir"/volumes/*/*; do
        if [ "$(stat -c %s "$disk")" = $((8 << 20)) ]; then
            dd if="$dir/sick.bin" of="$disk" conv=notrunc,fsync status=none
        fi
    done
}
events() { hf --json events | jq -r --arg kind "$1" '[.[] | select(.kind == $kind)] | length'; }
more_events() { [ "$(events "$1")" -gt "$2" ]; }
other_pid() { [ "$(vm pid)" != 0 ] && [ "$(vm pid)" != "$1" ] && vm_is running; }
said_hello() { grep -q 'hello from a sick guest' "$dir/run/vms/v/console.log"; }
configure_health() { # OPTIONS of vm create: a VM of its own for each policy
    hf vm stop v --force >/dev/null 2>&1 || true
    hf vm delete v
    hf vm create v --group g --memory 16 --disk 8M --restart-limit 2 "$@"
}

with_small_vm
hf group start g

# A panic: found, evidence, restart, until the limit.
configure_health
make_sick v 1
begin=$(now_ms)
hf vm start v
wait_until 60 "a panic is found" more_events vm-panicked 0
note "it was found and told within $(($(now_ms) - begin)) ms of its start"
wait_until 60 "it was started again" more_events vm-restarted 0
wait_until 60 "after its restarts the VM has failed" vm_is failed
group_is failed || fail "the group of a VM that always panics is not failed"
[ "$(events vm-panicked)" = 3 ] || fail "$(events vm-panicked) panics were told, not 3"
[ "$(events vm-restarted)" = 2 ] || fail "$(events vm-restarted) restarts, not 2"
name=$(hf --json events | jq -r '[.[] | select(.kind == "vm-panicked")][0].evidence')
grep -q 'hello from a sick guest' "$dir/state/evidence/$name/console.txt" || fail "the console's last lines are not in evidence $name"
grep -q panicked "$dir/state/evidence/$name/reason.txt" || fail "the reason is not in evidence $name"
grep -qi 'eip=' "$dir/state/evidence/$name/registers.txt" || fail "the registers are not in evidence $name"
[ "$(hf --json vm show v | jq '.evidence | length')" = 3 ] || fail "vm show does not name the evidence"
hf vm show v | grep -q "$name" || fail "vm show does not print the evidence"
hf vm evidence v | grep -q "$name.*panicked" || fail "vm evidence does not list it"
hf vm evidence v "$dir/fetched" >/dev/null
cmp "$dir/fetched/$name/console.txt" "$dir/state/evidence/$name/console.txt" || fail "what was fetched differs"
refused 3 'no VM' hf vm evidence nobody

# Kept as it is: stopped, with its reason; whoever resumes it has it again. Few are kept.
configure_health --on-panic keep --vga std
make_sick v 1
for _ in 1 2 3; do
    before=$(events vm-panicked)
    hf vm start v
    wait_until 60 "it panicked" more_events vm-panicked "$before"
    wait_until 60 "it is kept" vm_is paused
    hf --json vm show v | jq -e '.reason | test("panicked")' >/dev/null || fail "it does not say why it stands still"
    hf vm stop v --force
done
find "$dir/state/evidence" -name screen.png -size +0 | grep -q . || fail "the screen is not kept"
[ "$(hf --json vm show v | jq '.evidence | length')" = 5 ] || fail "$(hf --json vm show v | jq '.evidence | length') evidences are kept, not 5"

# Left alone: it has no device that could tell, and runs on.
configure_health --on-panic ignore
make_sick v 1
before=$(events vm-panicked)
hf vm start v
wait_until 60 "it said hello" said_hello
read -rt 1 <> <(:) || true
vm_is running && [ "$(events vm-panicked)" = "$before" ] || fail "a panic that is to be ignored was not"

# The watchdog. First without anything to feed: a guest that does not use it is not bothered.
configure_health --watchdog yes
make_sick v 0
hf vm start v
wait_until 60 "it said hello" said_hello
read -rt 1 <> <(:) || true
vm_is running && [ "$(events vm-hung)" = 0 ] || fail "a watchdog that nobody armed ran out"
hf vm stop v --force
make_sick v 2
hf vm start v
wait_until 60 "the watchdog ran out" more_events vm-hung 0
wait_until 60 "after its restarts the VM has failed" vm_is failed

# It falls ill while hypervisord is dead: the next one finds it.
configure_health --watchdog yes --on-hang keep
make_sick v 2
before=$(events vm-hung)
HOLDFAST_FAULT=health:trouble
export HOLDFAST_FAULT
hv_stop
hv_start
hf vm start v || true
wait_until 60 "hypervisord died over the guest's trouble" hv_gone
unset HOLDFAST_FAULT
pid=$(qemus)
hv_start
wait_until 60 "the next hypervisord finds it" more_events vm-hung "$before"
wait_until 60 "it is kept" vm_is paused
[ "$(vm pid)" = "$pid" ] || fail "a guest that is to be kept was started again"
# Died after the evidence: nothing half is left, and it is handled once more.
hf vm stop v --force
HOLDFAST_FAULT=health:evidence
export HOLDFAST_FAULT
hv_stop
hv_start
hf vm start v || true
wait_until 60 "hypervisord died after the evidence" hv_gone
unset HOLDFAST_FAULT
hv_start
wait_until 60 "it is kept" vm_is paused
[ -z "$(find "$dir/state/evidence" -mindepth 1 -maxdepth 1 -name '.*')" ] || fail "half an evidence is left"

# A guest that an administrator paused stays as it is, whatever its health; after that it is judged anew.
pid=$(vm pid)
hf vm pause v
read -rt 2 <> <(:) || true
vm_is paused && [ "$(vm pid)" = "$pid" ] || fail "a paused guest was touched"
refused 2 'agent' hf vm create w --group g --memory 16 --heartbeat 10
hf group stop g
hf group delete g --force
hv_stop
