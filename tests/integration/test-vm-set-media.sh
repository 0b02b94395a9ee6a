#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# vm set on a running guest that reads its CD-ROM for ever: another medium, none, and one again, also after a kill -9 of hypervisord in the middle, while
# it is paused, and over a save. What is no medium changes nothing. Health settings hold at once, a watchdog and the firmware from the next start on.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"
# shellcheck source=tests/integration/boot-sectors.sh
. "$(dirname "$0")/boot-sectors.sh"

zeros() { head -c "$1" /dev/zero; }
# A CD-ROM that boots (El Torito) and writes the first letter of its sector 20 to the serial port, again and again, as long as it can be read: xor ax,ax;
# mov ds,ax; sti; again: mov si,packet; mov ah,42h; push dx; int 13h; pop dx; jc wait; push dx; mov dx,3f8h; mov al,[8000h]; out dx,al; pop dx;
# wait: hlt; hlt; jmp again; and the packet at 7c40h: 1 sector to 0000:8000 from 20.
make_disc() { # make_disc FILE LETTER
    zeros 65536 >"$1"
    put() { dd of="$disc" bs=2048 seek="$1" conv=notrunc status=none; }
    disc=$1
    { hex 01 && printf CD001 && hex 01; } | put 16
    { hex 00 && printf CD001 && hex 01 && printf 'EL TORITO SPECIFICATION' && zeros 41 && hex 12 00 00 00; } | put 17
    { hex 01 && zeros 27 && hex aa 55 55 aa 88 00 00 00 00 00 04 00 13 00 00 00; } | put 18
    {
        hex 31 c0 8e d8 fb be 40 7c b4 42 52 cd 13 5a 72 09 52 ba f8 03 a0 00 80 ee 5a f4 f4 eb e8
        zeros 35
        hex 10 00 01 00 00 80 00 00 14 00 00 00 00 00 00 00
    } | put 19
    printf '%s' "$2" | put 20
}
console=$dir/run/vms/v/console.log
letters() { tail -c 3 "$console" | tr -d '\r\n\0'; }
reads() { [ "$(letters)" = "$1$1$1" ]; }
pending() { hf --json vm show v | jq -r '.pending[]'; }
nothing_pending() { [ -z "$(pending)" ] || fail "pending: $(pending)"; }
# What it reads when it has booted again: its BIOS asks no drive whether the medium is another one.
is_read() { # is_read LETTER
    hf vm reset v
    : >"$console"
    wait_until 180 "the guest reads disc $1" reads "$1"
    nothing_pending
}
medium() { hf --json vm show v | jq -r '.definition.cdroms[0].path // ""'; }
# What QEMU says of the drive: empty or full.
drive() {
    (printf '{"execute":"qmp_capabilities"}\n{"execute":"query-block","id":"q"}\n' && read -rt 1 <> <(:) || true) |
        socat - "UNIX-CONNECT:$dir/run/vms/v/agent.sock" |
        jq -r 'select(.id == "q").return[] | select(.qdev == "cd0" or (.qdev | endswith("/cd0"))) | if .inserted then "full" else "empty" end'
}
is_empty() { [ "$(drive)" = empty ]; }

chmod 755 "$dir"
for letter in A B C; do make_disc "$dir/$letter.iso" $letter; done
hv_start
hf group create g --state-size 64M
hf vm create v --group g --memory 16 --cdrom "$dir/A.iso" --agent
hf group start g
# No reset before: one in the middle of the BIOS's first steps leaves QEMU's q35 with an empty BIOS area, and the guest hangs for ever.
wait_until 180 "the guest reads disc A" reads A
hf vm set v --cdrom "$dir/B.iso"
is_read B
refused 3 'cannot be read here' hf vm set v --cdrom "$dir/none.iso"
refused 2 'no absolute path' hf vm set v --cdrom B.iso
(umask 077 && : >"$dir/private.iso")
refused 1 'may not be read by everybody' hf vm set v --cdrom "$dir/private.iso"
is_read B
[ "$(medium)" = "$dir/B.iso" ] || fail "a refused medium was kept: $(medium)"
hf vm set v --cdrom none
is_empty || fail "the drive is not empty"
[ "$(medium)" = "" ] || fail "the definition still has $(medium)"
nothing_pending
hf vm set v --cdrom "$dir/A.iso"
is_read A

# It is in the state that is saved.
hf vm set v --cdrom "$dir/C.iso"
hf vm save v
hf vm start v
is_read C

# While it is paused, several times.
hf vm pause v
for letter in A B A B; do hf vm set v --cdrom "$dir/$letter.iso"; done
hf vm resume v
is_read B

# Killed when the old one is out: the next one puts the new one in.
hv_stop
export HOLDFAST_FAULT=cdrom:out
hv_start
unset HOLDFAST_FAULT
hf vm set v --cdrom "$dir/C.iso" 2>/dev/null || true
wait_until 60 "hypervisord has died at its fault point" hv_gone
is_empty || fail "hypervisord did not die with an empty drive"
hv_start
is_read C
[ "$(medium)" = "$dir/C.iso" ] || fail "the definition has $(medium)"

# A second drive, health and firmware.
hf vm set v --cdrom "$dir/C.iso" --cdrom "$dir/A.iso"
pending | grep -q '^CD-ROMs: .* at the next start' || fail "a new drive is not pending: $(pending)"
hf vm set v --heartbeat 0 --on-hang keep --on-panic ignore --watchdog yes --firmware uefi
pending | grep -q '^watchdog: no now, yes at the next start' || fail "a watchdog is not pending: $(pending)"
pending | grep -q '^firmware: bios now, uefi at the next start' || fail "a firmware is not pending: $(pending)"
[ "$(hf --json vm show v | jq -c '.definition.health | [.on_hang, .on_panic]')" = '["keep","ignore"]' ] ||
    fail "health: $(hf --json vm show v | jq -c .definition.health)"
! pending | grep 'on ' >/dev/null || fail "pending, though it holds at once: $(pending)"
refused 3 'has 2 CD-ROM drives: there is nothing to empty' hf vm set v --cdrom none --cdrom none --cdrom none
hf vm set v --firmware bios --watchdog no --on-panic restart
hf vm stop v --force
hf vm start v
nothing_pending
is_read C
hf group stop g
hf group delete g --force
hv_stop
