#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# vm set on a running guest, seen from inside: processors, memory, disks and NICs come and go while it runs; what has to wait is pending, until the next
# start; what was plugged in is there again after a restore, a kill -9 of hypervisord does not lose count of it.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"
# shellcheck source=tests/integration/guest-shell.sh
. "$(dirname "$0")/guest-shell.sh"

total_mib() { inside "cat /proc/meminfo" | awk '/MemTotal/ { print int($2 / 1024) }'; }
sees() { [ "$(inside "$1")" = "$2" ]; }
memory_is() { # MIB: what its kernel has kept for itself at boot apart, and a little for the new memory's book-keeping
    local now
    now=$(($(total_mib) + kept))
    [ "$now" -gt $(($1 - 16)) ] && [ "$now" -le $(($1 + 4)) ]
}
pending() { hf --json vm show v | jq -r '.pending[]'; }
nothing_pending() { [ -z "$(pending)" ] || fail "pending: $(pending)"; }

with_shell_vm --memory 192 --memory-max 512 --cpus 1 --cpus-max 4 --disk 64M --nic user
hf group start g
goes_on
nothing_pending

# Processors up; down only without the guest.
kept=$((192 - $(total_mib)))
sees nproc 1 || fail "the guest has not one processor"
hf vm set v --cpus 3
[ "$(vm cpus)" = 3 ] || fail "vm show says $(vm cpus) processors"
nothing_pending
online='for c in /sys/devices/system/cpu/cpu[1-9]*/online; do echo 1 >$c; done'
inside "$online" >/dev/null
sees nproc 3 || fail "the guest sees $(inside nproc) processors"
refused 4 'vCPU removal crashes QEMU 7.2' hf vm set v --cpus 2
[ "$(vm cpus)" = 3 ] || fail "a refused change was kept"
hf vm set v --cpus 6 --cpus-max 8 | tee "$dir/out"
grep -q 'virtual processors: 3 now, 6 at the next start' "$dir/out" || fail "not named as pending"
pending | grep -q 'most virtual processors: 4 now, 8 at the next start' || fail "pending: $(pending)"
hf vm set v --cpus 3 --cpus-max 4
nothing_pending

# Memory up, and down to what it was started with.
hf vm set v --memory 448
wait_until 90 "the guest has 448 MiB" memory_is 448
hf vm set v --memory 1G --memory-max 2G
pending | grep -q '^memory: 448 MiB now, 1024 MiB at the next start' || fail "pending: $(pending)"
hf vm set v --memory 448 --memory-max 512
nothing_pending

# A kill -9 of hypervisord does not lose count.
hf vm set v --append "console=ttyS0 quiet panic=-1 memhp_default_state=online shell rate=40"
before=$(pending)
[ -n "$before" ] || fail "a changed command line is not pending"
hv_kill
hv_start
[ "$(vm cpus) $(vm memory_mib)" = "3 448" ] || fail "after a restart of hypervisord: $(vm cpus) processors, $(vm memory_mib) MiB"
[ "$(pending)" = "$before" ] || fail "pending before: $before, after: $(pending)"

# Restored, the guest is as it was.
boots=$(lines BOOT)
hf vm save v
hf vm start v
goes_on
[ "$(lines BOOT)" = "$boots" ] || fail "the guest booted: it was not restored"
sees nproc 3 || fail "the restored guest sees $(inside nproc) processors"
memory_is 448 || fail "the restored guest has $(total_mib) MiB"
[ "$(pending)" = "$before" ] || fail "pending before the save: $before, after: $(pending)"
hf vm set v --memory 512
wait_until 90 "the restored guest has 512 MiB" memory_is 512

# A start brings all of it.
hf vm set v --memory-max 1G
hf vm stop v --force
nothing_pending
hf vm start v
goes_on
nothing_pending
sees nproc 3 || fail "the guest sees $(inside nproc) processors"
[ "$(total_mib)" -gt 400 ] || fail "the guest has $(total_mib) MiB"
inside "cat /proc/cmdline" | grep -q rate=40 || fail "the guest has the old command line"
judge
hf group stop g
hf group delete g --force
hv_stop
