#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A guest that runs sees a larger disk at once, raw or qcow2, and can use the new part. Stand-alone hypervisord, real QEMU, a real kernel.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"
requires socat
guest=$BUILD/guest
# shellcheck source=tests/integration/guest-shell.sh
. "$(dirname "$0")/guest-shell.sh"

with_shell_vm --memory 128 --disk 64M --disk 16M --disk 16M,format=qcow2
hf group start g >/dev/null
wait_until 120 "the guest has its disks" grep -q . "$dir/report"
sectors() { inside "cat /sys/block/vd$1/size"; }
has() { [ "$(sectors "$1")" = $(($2 << 11)) ]; }
has b 16 && has c 16 || fail "the guest does not see 16 MiB: $(sectors b) $(sectors c)"
hf volume grow v.disk1 40M >/dev/null
wait_until 90 "the guest sees 40 MiB" has b 40
hf volume grow v.disk2 48M >/dev/null
wait_until 90 "the guest sees 48 MiB of its qcow2 disk" has c 48
for disk in b c; do
    at=$((39 << 20))
    said=$(inside "printf new | dd of=/dev/vd$disk bs=1 seek=$at 2>/dev/null; sync; echo \$(dd if=/dev/vd$disk bs=1 skip=$at count=3 2>/dev/null)")
    [[ $said == *new* ]] || fail "the guest cannot use the new part of vd$disk: $said"
done
hf vm stop v --force >/dev/null
[ "$(dd if="$dir/volumes/g/2.raw" bs=1M skip=39 count=1 status=none | head -c 3)" = new ] || fail "what the guest wrote is not on the volume"
hf group stop g >/dev/null
hv_stop
