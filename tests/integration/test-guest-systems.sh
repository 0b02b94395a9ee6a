#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Four different systems at once on one node, one of them with four processors: Debian for 64-bit and for 32-bit processors, the Debian installer and
# GNU Mach. What they say themselves is the evidence.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"
# shellcheck source=tests/integration/guest-functions.sh
. "$(dirname "$0")/guest-functions.sh"

with_systems
[ -e "$guest/vmlinuz" ] || "$SOURCE/tests/guest/build-guest" "$guest"
install -m 644 "$guest/vmlinuz" "$guest/initrd.gz" "$dir"
hv_start
hf group create g
hf vm create big --group g --memory 192 --cpus 4 --disk 64M --kernel "$dir/vmlinuz" --initrd "$dir/initrd.gz" \
    --append "console=ttyS0 panic=-1" --serial "$dir/report"
hf vm create small --group g --memory 128 --bits 32 --disk 16M,bus=scsi --disk 16M,bus=sata --nic user,model=e1000 \
    --kernel "$dir/systems/i686/vmlinuz" --initrd "$dir/systems/i686/initrd.gz" --append "console=ttyS0 panic=-1"
hf vm create installer --group g --memory 256 --bits 32 --vga none --kernel "$dir/systems/installer/linux" \
    --initrd "$dir/systems/installer/initrd.gz" --append "console=ttyS0 rdinit=/bin/sh quiet panic=-1"
hf vm create mach --group g --memory 64 --os other --disk 16M --nic user --kernel "$dir/systems/mach/gnumach" --append "console=com0"
hf group start g
for v in big small installer mach; do
    vm_is running "$v" || fail "VM $v is $(vm state "$v")"
done
[ "$(hf --json vm list | jq '[.[] | select(.state == "running")] | length')" = 4 ] || fail "not four at once"

wait_until 90 "GNU Mach says what it is" says mach 'GNU Mach 1\.8'
note "$(grep -a 'GNU Mach' "$dir/run/vms/mach/console.log" | head -n 1)"
wait_until 120 "four processors are up" says big 'Brought up 1 node, 4 CPUs'
wait_until 120 "the 32-bit system has its userland" says small 'SYSTEM i686 processors 1 lm 0'
wait_until 60 "it sees the e1000" says small 'PCI 0x8086:0x100e'
wait_until 60 "it sees the SCSI controller" says small 'PCI 0x1af4:0x1004'
wait_until 150 "the installer's own shell is there" says installer 'BusyBox v'
wait_until 60 "the 64-bit guest works on its disk" more_lines ACK 3

# The installer's first question takes minutes under emulation; what image it is, it says at once.
type_to() { printf '%s\r' "$2" | timeout 5 "$BUILD/holdfast" --socket "$dir/run/hypervisord.sock" vm console "$1" >/dev/null 2>&1 || true; }
type_to installer 'cat /etc/lsb-release; uname -m'
wait_until 90 "it is the Debian installer" says installer 'X_INSTALLATION_MEDIUM=|DISTRIB_ID=Debian'
wait_until 90 "on a 32-bit processor" says installer '^i686'

# Input reaches a guest, and its output the administrator.
type_to small hello
wait_until 60 "the guest answers on its console" says small 'ECHO hello'
hf vm console small --tail 3 | grep -q 'ECHO hello' || fail "the tail of the console is: $(hf vm console small --tail 3)"

# The machine is what was asked for, and is recorded.
spec() { jq -r ".vms[] | select(.name == \"$1\").$2" "$dir/state/groups/g.json"; }
[[ "$(spec mach machine)" = pc-i440fx-* && "$(spec small machine)" = pc-q35-* ]] || fail "machines: $(spec mach machine), $(spec small machine)"
[[ "$(spec small 'nics[0].mac')" =~ ^52:54:00:[0-9a-f:]{8}$ ]] || fail "MAC: $(spec small 'nics[0].mac')"
hf group stop g
hv_stop
