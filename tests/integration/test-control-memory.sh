#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The balloon takes memory from a guest that runs and gives it back, down to its floor and no further, as the guest itself sees it; after a
# restart of hypervisord and a save too.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"

"$SOURCE/tests/guest/build-guest" "$guest" # does nothing when it is there
cp "$guest/vmlinuz" "$guest/initrd.gz" "$dir" # where QEMU's user may read them
chmod 755 "$dir"
chmod 644 "$dir/vmlinuz" "$dir/initrd.gz"

free_mib() { # what the guest last said
    local kib
    kib=$(grep -a -o 'MemFree: *[0-9]*' "$dir/run/vms/v/console.log" 2>/dev/null | tail -n 1 | tr -dc 0-9)
    echo $((${kib:-0} / 1024))
}
free_between() { local now; now=$(free_mib) && [ "$now" -ge "$1" ] && [ "$now" -le "$2" ]; }
left() { [ "$(vm memory_guest_mib)" = "$1" ]; }
target() { # target MIB: while it runs
    local definition
    definition=$(jq -c "{host_vm_update: (.vms[0] | .control.memory_target_mib = $1)}" "$dir/state/groups/g.json")
    "$BUILD/tests/tools/rpc-call" "$dir/run/hypervisord.sock" 20000 "$definition" >/dev/null
}

hv_start
hf group create g
hf vm create v --group g --memory 128 --memory-floor 80 --disk 32M --kernel "$dir/vmlinuz" --initrd "$dir/initrd.gz" \
    --append "console=ttyS0 quiet panic=-1 meminfo" --serial "$dir/report"
hf group start g
wait_until 90 "the guest acknowledges rows" more_lines ACK 5
free=$(free_mib)
note "of 128 MiB the guest has $free free"
[ "$free" -gt 40 ] || fail "the guest has too little free memory to take some: $free MiB"

target 96
wait_until 90 "the balloon is at 96 MiB" left 96
wait_until 60 "the guest has 32 MiB less, about" free_between $((free - 36)) $((free - 28))
refused 2 'a memory target of 79 MiB is below its floor of 80 MiB' target 79
refused 2 'a memory target of 129 MiB is more than the 128 MiB' target 129
left 96 || fail "what was refused was done"
target 80
wait_until 90 "the balloon is at its floor of 80 MiB" left 80
wait_until 60 "the guest has 48 MiB less, about" free_between $((free - 53)) $((free - 43))
goes_on

hv_kill
hv_start
left 80 || fail "after hypervisord's restart the balloon is at $(vm memory_guest_mib)"
target 0
wait_until 90 "the balloon is empty" left 128
wait_until 60 "the guest has its memory again" free_between $((free - 8)) 128

# What is told to a saved one holds when it runs on.
hf vm save v
target 96
hf vm start v
wait_until 90 "the balloon of the restored guest is at 96 MiB" left 96
wait_until 60 "the restored guest has 32 MiB less, about" free_between $((free - 38)) $((free - 26))
goes_on
hf group stop g
judge
