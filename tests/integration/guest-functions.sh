# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced after hypervisor-functions.sh by tests that look at what guests show: their consoles, and the text on their screens.
# shellcheck shell=bash disable=SC2154

systems=${HOLDFAST_SYSTEMS:-$BUILD/systems}
with_systems() {
    local file
    chmod 755 "$dir"
    mkdir -p "$dir/systems"
    "$SOURCE/tests/guest/fetch-systems" "$systems" || {
        echo "the systems cannot be fetched"
        exit 77
    }
    for file in "$systems"/*/*; do # where QEMU's user may read them
        case $file in
        */apt/*) ;;
        *) install -D -m 644 "$file" "$dir/systems/${file#"$systems"/}" ;;
        esac
    done
}

qmp() { # qmp VM COMMAND [ARGUMENTS]: the answer, as JSON
    printf '%s\n' '{"execute":"qmp_capabilities"}' "{\"execute\":\"$2\",\"arguments\":${3:-{\}}}" |
        socat -t 5 - "UNIX-CONNECT:$dir/run/vms/$1/agent.sock" | grep '"return"\|"error"' | tail -n 1
}

# What is on a screen in text mode, line by line, from the memory of the card.
screen_text() { # screen_text VM
    qmp "$1" human-monitor-command '{"command-line":"xp /4000xb 0xb8000"}' | jq -r .return | tr -d '\r' |
        sed 's/^[^:]*://' | tr -s ' ' '\n' | grep -v '^$' |
        awk 'NR % 2 == 1 { code = strtonum($1); line = line sprintf("%c", code < 32 || code > 126 ? 32 : code) }
            NR % 160 == 159 { print line; line = "" }'
}

says() { grep -aqE "$2" "$dir/run/vms/$1/console.log"; } # says VM PATTERN
shows() { screen_text "$1" | grep -qE "$2"; }            # shows VM PATTERN

is_picture() { # is_picture FILE: a PNG that is not of one colour
    python3 - "$1" <<'PYTHON'
import struct, sys, zlib
data = open(sys.argv[1], "rb").read()
assert data[:8] == b"\x89PNG\r\n\x1a\n", "no PNG"
at, pixels, end = 8, b"", False
while at < len(data):
    size, kind = struct.unpack(">I4s", data[at : at + 8])
    body = data[at + 8 : at + 8 + size]
    assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0], "damaged"
    if kind == b"IDAT":
        pixels += body
    end = end or kind == b"IEND"
    at += 12 + size
assert end and len(set(zlib.decompress(pixels))) > 2, "blank or cut short"
PYTHON
}
