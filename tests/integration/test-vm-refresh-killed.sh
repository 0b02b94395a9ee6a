#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A refresh is broken off at every step: hypervisord is killed there, alone, and with the one or the other QEMU. After its restart exactly one QEMU runs
# the guest, which has gone on where it was, or was started again from its disks if the QEMU that had it is gone; nothing is left over.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"

points=(begun spawned joined stopped streamed attached decided condemned runs)
# Before the decision the guest is the first QEMU's, after it the second's.
decided() { [[ " decided condemned runs " == *" $1 "* ]]; }

break_off() { # break_off POINT: hypervisord dies there
    hv_kill
    HOLDFAST_FAULT=refresh-$1 hv_start
    first=$(vm pid)
    hf vm refresh v >/dev/null 2>&1 && fail "hypervisord did not die at $1"
    wait_until 60 "hypervisord is dead" hv_gone
}
one_is_left() {
    [ "$(qemus | wc -w)" = 1 ] && vm_is "${1:-running}" && [ "$(vm pid)" = "$(qemus)" ]
}
clean() { [ ! -e "$dir/run/vms/v.next" ] || fail "a second record is left"; }
# All QEMUs of the guest; those of the second record have their errors there.
qemus() {
    local pid
    for pid in $(pidof qemu-system-x86_64); do
        case $(readlink "/proc/$pid/fd/2") in "$dir/run/vms/v/qemu.log" | "$dir/run/vms/v.next/qemu.log") echo "$pid" ;; esac
    done
}

with_guest_vm
hf group start g
goes_on
boots=$(lines BOOT)
for point in "${points[@]}"; do
    break_off "$point"
    hv_start
    wait_until 60 "one QEMU runs the guest after a death at $point" one_is_left
    if decided "$point"; then
        [ "$(qemus)" != "$first" ] || fail "the first QEMU has it, which was at its end"
    else
        [ "$(qemus)" = "$first" ] || fail "another QEMU has it, which was not its yet"
    fi
    clean
    goes_on
    [ "$(lines BOOT)" = "$boots" ] || fail "the guest booted"
done
# The guest that was paused stays so.
hf vm pause v
for point in stopped streamed decided; do
    break_off "$point"
    hv_start
    wait_until 60 "one QEMU has the paused guest after a death at $point" one_is_left paused
    clean
done
hf vm resume v
goes_on
judge
hf group stop g
hf group delete g --force

# With a QEMU: a guest that sits in its firmware is enough.
hf group create g
hf vm create v --group g --memory 16 --disk 8M --restart-limit 16
hf group start g
kill_one() { # kill_one WHICH
    local pid
    for pid in $(qemus); do
        case $1 in
        first) [ "$pid" = "$first" ] || continue ;;
        second) [ "$pid" != "$first" ] || continue ;;
        esac
        kill -9 "$pid" 2>/dev/null || true
    done
}
for point in "${points[@]}"; do
    owner=first
    if decided "$point"; then owner=second; fi
    kinds=("$owner")
    [[ $point != streamed && $point != decided ]] || kinds=(first second both)
    for which in "${kinds[@]}"; do
        break_off "$point"
        kill_one "$which"
        hv_start
        wait_until 60 "one QEMU runs the guest after a death at $point with $which" one_is_left
        clean
    done
done

hf vm stop v --force
hf vm start v
# And while hypervisord lives: the first QEMU dies at any moment of a refresh.
for round in 1 3 5 7; do
    first=$(vm pid)
    hf vm refresh v >/dev/null 2>&1 &
    read -rt "0.$((round * 9))" <> <(:) || true # the moment is what is varied
    kill -9 "$first" 2>/dev/null || true
    wait $! || true
    wait_until 60 "one QEMU runs the guest after its QEMU died in a refresh (round $round)" one_is_left
    clean
done
hf group stop g
hv_stop
