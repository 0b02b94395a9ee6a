#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A guest that writes gets a new QEMU: same boot, nothing lost, another process, a short pause, its console stays open, a paused one stays paused. One that
# the new QEMU cannot run is refused and runs on.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"

with_guest_vm
hf group start g
goes_on
boots=$(lines BOOT)
holdfast --socket "$dir/run/hypervisord.sock" vm console v < <(exec tail -f --pid=$$ /dev/null) >"$dir/console" 2>&1 &
console=$!

refresh() {
    local before after
    before=$(vm pid)
    hf --json vm refresh v >"$dir/answer" || fail "no new QEMU"
    after=$(vm pid)
    [ "$before" != "$after" ] || fail "it is the same process"
    [ "$(qemus)" = "$after" ] || fail "the QEMUs are $(qemus), and the guest's is $after"
    # One look: it may be reaped between two.
    ! grep -qs '^State:[[:space:]]*[RSDTtI]' "/proc/$before/status" || fail "the old QEMU is still there"
    [ ! -e "$dir/run/vms/v.next" ] || fail "a second record is left"
    note "$(jq -c '{pause_ms, duration_ms, steps: [.steps[] | "\(.name) \(.ms)"]}' "$dir/answer")"
}
for _ in 1 2 3; do
    refresh
    vm_is running || fail "the guest is $(vm state)"
    goes_on
done
[ "$(lines BOOT)" = "$boots" ] || fail "the guest booted"
hf --json events | jq -e '[.[] | select(.kind == "vm-refreshed" and .pause_ms > 0)] | length == 3' >/dev/null || fail "no events with a pause"

# The console that was open all the while, and is still.
kill -0 "$console" || fail "the console has ended: $(cat "$dir/console")"
printed=$(wc -c <"$dir/console")
hf vm reset v
more_printed() { [ "$(wc -c <"$dir/console")" -gt "$printed" ]; }
wait_until 60 "the console shows the guest in its new QEMU" more_printed
kill "$console"
goes_on
boots=$(lines BOOT)

# Paused, saved and restored around it, and taken up by another hypervisord.
hf vm pause v
refresh
vm_is paused || fail "a paused guest is $(vm state)"
hv_kill
hv_start
vm_is paused || fail "a paused guest is $(vm state) after hypervisord was killed"
refresh
hf vm resume v
goes_on
hf vm save v
hf vm start v
refresh
goes_on
[ "$(lines BOOT)" = "$boots" ] || fail "the guest booted"

# A QEMU that does not know its machine, or does not start.
real=$(command -v qemu-system-x86_64)
# shellcheck disable=SC2016
printf '#!/bin/sh\n[ "$1" != -machine ] || { echo "Supported machines are:"; echo "pc-q35-99.9  none"; exit 0; }\nexec %s "$@"\n' "$real" >"$dir/other-qemu"
chmod 755 "$dir/other-qemu"
printf '[hypervisor]\nqemu=%s/other-qemu\n' "$dir" >"$dir/add"
sed -i "/^\[hypervisor\]/a qemu=$dir/other-qemu" "$dir/conf"
hv_kill
hv_start
pid=$(vm pid)
refused 4 'is a machine pc-q35.*does not know' hf vm refresh v
[ "$(vm pid)" = "$pid" ] || fail "it has another QEMU"
goes_on
hf vm stop v --force
refused 1 'only a VM that runs' hf vm refresh v
judge
hf group stop g
hv_stop
