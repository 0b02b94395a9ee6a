# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced after hypervisor-functions.sh: the test guest with a shell on its console, and what that shell says.
# shellcheck shell=bash

marks=0
# What COMMAND prints in the guest.
inside() {
    local log=$dir/run/vms/v/console.log from
    marks=$((marks + 1))
    from=$(wc -c <"$log")
    marked() { tail -c "+$((from + 1))" "$log" | tr -d '\r' | grep -qx "END-$marks"; }
    {
        printf '%s; echo E""ND-%s\n' "$*" "$marks"
        wait_until 60 "the guest has done: $*" marked >&2
    } | socat - "UNIX-CONNECT:$dir/run/vms/v/console.sock" >/dev/null
    tail -c "+$((from + 1))" "$log" | tr -d '\r' | grep -v 'E""ND-' | sed "/^END-$marks\$/,\$d" | sed 's/^# //'
}

with_shell_vm() { # OPTIONS of vm create
    [ -e "$guest/vmlinuz" ] || "$SOURCE/tests/guest/build-guest" "$guest"
    cp "$guest/vmlinuz" "$guest/initrd.gz" "$dir"
    chmod 755 "$dir"
    chmod 644 "$dir/vmlinuz" "$dir/initrd.gz"
    hv_start
    hf group create g --state-size 1G
    hf vm create v --group g "$@" --kernel "$dir/vmlinuz" --initrd "$dir/initrd.gz" \
        --append "console=ttyS0 quiet panic=-1 memhp_default_state=online shell" --serial "$dir/report"
}
