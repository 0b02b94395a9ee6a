#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Guests that boot by their firmware: memtest86+ from a CD-ROM under BIOS with four processors, read off its screen; UEFI, whose variables outlive a
# stop, a save, a crash and hypervisord; a boot order; an empty drive.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"
# shellcheck source=tests/integration/guest-functions.sh
. "$(dirname "$0")/guest-functions.sh"
[ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] || {
    echo "needs the package ovmf"
    exit 77
}

with_systems
hv_start
hf group create g
hf vm create memtest --group g --memory 64 --cpus 4 --bits 32 --os other --cdrom "$dir/systems/memtest/memtest86+ia32.iso" --cdrom empty
hf vm create uefi --group g --memory 128 --firmware uefi --disk 8M --cdrom "$dir/systems/memtest/memtest86+x64.iso" --boot disk
hf vm create dark --group g --memory 16 --vga none
refused 2 '64-bit' hf vm create no --group g --memory 64 --firmware uefi --bits 32
refused 2 'has no SATA' hf vm create no --group g --memory 64 --disk 8M,bus=ide --disk 8M,bus=sata
refused 2 'cannot boot from' hf vm create no --group g --memory 64 --boot tape
refused 2 'none of virtio' hf vm create no --group g --memory 64 --disk 8M,bus=floppy
refused 2 'CD-ROM drives' hf vm create no --group g --memory 64 --cdrom empty --cdrom empty --cdrom empty
hf group start g

# The screen, in text and as a picture.
wait_until 60 "memtest86+ is on its screen" shows memtest 'Memtest86\+ v6.*'
wait_until 60 "it can be told to begin" shows memtest 'Press <F1>'
qmp memtest send-key '{"keys":[{"type":"qcode","data":"ret"}]}' >/dev/null
wait_until 60 "memtest86+ has found four processors and tests" shows memtest 'CPU: 4 Cores 4 Threads +SMP: 4T'
screen_text memtest | head -n 9
hf vm screenshot memtest "$dir/memtest.png"
is_picture "$dir/memtest.png" || fail "the screenshot is no picture"
hf vm screenshot memtest - >"$dir/stdout.png"
is_picture "$dir/stdout.png" || fail "the screenshot on stdout is none"
refused 2 'no VGA' hf vm screenshot dark "$dir/dark.png"
[ "$(stat -c %U:%a "$dir/run/vms")" = root:700 ] || fail "others than root can get to VNC"
[ "$(vm vnc memtest)" = "$dir/run/vms/memtest/vnc.sock" ] || fail "its VNC is said to be at '$(vm vnc memtest)'"
[[ "$(vm machine memtest)" = pc-i440fx-* ]] || fail "its machine is said to be $(vm machine memtest)"
greeting=$(timeout 5 socat -u "UNIX-CONNECT:$dir/run/vms/memtest/vnc.sock" - | head -c 4 || true)
[ "$greeting" = "RFB " ] || fail "VNC says '$greeting'"
for pid in $(qemus memtest); do
    [ -z "$(nsenter -t "$pid" -n ss -Hltn 2>/dev/null)" ] || fail "a QEMU listens on TCP"
done

# UEFI: it writes its variables at its first boot; nothing boots, so it ends in its own menu or shell.
vars() { echo "$dir"/volumes/g/state/*.vars; }
vars_sum() { sha256sum "$(vars)" | cut -d' ' -f1; }
written() { ! cmp -s "$(vars)" /usr/share/OVMF/OVMF_VARS_4M.fd; }
[ "$(stat -c %s "$(vars)")" = "$(stat -c %s /usr/share/OVMF/OVMF_VARS_4M.fd)" ] || fail "no store of variables: $(vars)"
wait_until 60 "the firmware has written variables" written
hf vm screenshot uefi "$dir/uefi.png"
hf vm pause uefi
before=$(vars_sum)
hv_kill # the descriptor is QEMU's own
hv_start
hf vm resume uefi
hf vm save uefi
hf vm start uefi
vm_is running uefi || fail "the UEFI guest is $(vm state uefi)"
[ -n "$before" ] || fail "no sum"
hf vm stop uefi --force
kept=$(vars_sum)
hf vm start uefi
[ "$(vars_sum)" = "$kept" ] || written || fail "the variables were made anew"
kill -9 "$(vm pid uefi)"
uefi_again() { [ "$(vm restarts uefi)" = 1 ] && vm_is running uefi; }
wait_until 60 "it is started again after a crash" uefi_again
written || fail "the variables were lost in a crash"

# Another VM has others; they go with their VM.
hf vm stop uefi --force
hf vm delete uefi
hf vm create other --group g --memory 64 --firmware uefi
hf vm start other
[ "$(vars | wc -w)" = 1 ] || fail "variables were left behind: $(vars)"
hf group stop g
hv_stop
