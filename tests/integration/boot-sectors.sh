# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by the tests of control: guests of one sector, which the BIOS boots from a disk. They do one thing for ever and need no system.
# shellcheck shell=bash

hex() { # hex BYTES...: as bytes
    local byte
    for byte in "$@"; do
        printf '%b' "\\x$byte"
    done
}
sign() { # sign FILE: makes its first sector one to boot from
    hex 55 aa | dd of="$1" bs=1 seek=510 conv=notrunc status=none
}

# Spins: jmp $
sector_spin() {
    hex eb fe | dd of="$1" conv=notrunc status=none
    sign "$1"
}

# Triple-faults: cli; lidt of an empty table; int3. The BIOS boots it again.
sector_triple_fault() {
    {
        hex fa 0f 01 1e 10 7c cc f4 90 90 90 90 90 90 90 90
        hex 00 00 00 00 00 00
    } | dd of="$1" conv=notrunc status=none
    sign "$1"
}

# Writes COUNT sectors from memory to sector 64 of its disk, one request at a time: mov si,packet; mov ax,4300h; mov dl,80h; int 13h; jmp
# again; and the packet: 16 bytes long, COUNT sectors, from 0000:8000, to sector 64.
sector_write() { # sector_write FILE COUNT (below 65: 32 KiB)
    {
        hex be 10 7c b8 00 43 b2 80 cd 13 eb f4 90 90 90 90
        hex 10 00 "$(printf %02x "$2")" 00 00 80 00 00 40 00 00 00 00 00 00 00
    } | dd of="$1" conv=notrunc status=none
    sign "$1"
}
