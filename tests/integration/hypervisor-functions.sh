# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by test-hypervisor-*.sh: a stand-alone hypervisord with directories of its own ($dir), and the guests it leaves behind are ended.
# shellcheck shell=bash
# shellcheck source=tests/functions.sh
. "$(dirname "${BASH_SOURCE[0]}")/../functions.sh"
export PATH=$BUILD:$PATH
requires_root
requires qemu-system-x86_64 jq socat holdfast hypervisord

# Short: the path of a socket has 107 bytes at most. Not below a directory that QEMU's user may not enter.
dir=$(mktemp -d /tmp/hv.XXXXXX)
cleanup_fn rm -rf "$dir"
hv_pid=

printf '[node]\nname=solo\n[storage]\ndirectory=%s/volumes\nimage-directory=%s\n[hypervisor]\nmemory-reserve-mib=64\nserial-directory=%s\n' "$dir" "$dir" "$dir" \
    >"$dir/conf"

hf() { holdfast --socket "$dir/run/hypervisord.sock" "$@"; }
vm() { hf --json vm show "${2:-v}" | jq -r ".$1"; }
vm_is() { [ "$(vm state "${2:-v}")" = "$1" ]; }
# One QEMU, the one that is known, or none. A VM that is found dead is off for an instant before it is started again.
agree() { if vm_is running || vm_is paused; then [ "$(qemus)" = "$(vm pid)" ]; else [ -z "$(qemus)" ]; fi; }
group_is() { [ "$(hf --json group show "${2:-g}" | jq -r .state)" = "$1" ]; }

hv_launch() {
    hypervisord --standalone --config "$dir/conf" --run-dir "$dir/run" --state-dir "$dir/state" --debug "$@" >>"$dir/log" 2>&1 &
    hv_pid=$!
    disown "$hv_pid"
}
hv_start() { # until it answers
    hv_launch "$@"
    wait_until 60 "hypervisord answers" hf vm list
}
hv_gone() { ! kill -0 "$hv_pid" 2>/dev/null; }
hv_kill() {
    kill -9 "$hv_pid"
    wait_until 60 "hypervisord is dead" hv_gone
}
hv_stop() {
    kill "$hv_pid"
    wait_until 60 "hypervisord has ended" hv_gone
    ! grep -A 30 -E 'Sanitizer|runtime error' "$dir/log" || fail "the sanitizers found something"
}

# The QEMUs that were started here, by the arguments that no others have.
qemus() {
    local pid
    for pid in $(pidof qemu-system-x86_64); do
        if [ "$(readlink "/proc/$pid/fd/2")" = "$dir/run/vms/${1:-v}/qemu.log" ]; then
            echo "$pid"
        fi
    done
}
end_all() {
    local pid
    [ -z "$hv_pid" ] || kill -9 "$hv_pid" 2>/dev/null || true
    for pid in $(jq -r .pid "$dir"/run/vms/*/guest.json 2>/dev/null) $(qemus); do
        if [ "$pid" -gt 1 ] && grep -qs qemu "/proc/$pid/comm"; then
            kill -9 "$pid" 2>/dev/null || true
        fi
    done
}
cleanup_fn end_all

diagnose() {
    grep -v ' debug: ' "$dir/log" | tail -n 40
    hf vm list
    hf events
}

# A VM of 16 MiB that sits in its firmware: enough for everything that is done to a VM from outside.
with_small_vm() {
    hv_start "$@"
    hf group create g
    hf vm create v --group g --memory 16 --disk 8M
}

# The test guest, which counts in a database on its disk and reports each row on a serial port.
guest=$BUILD/guest
disk=64M
with_guest_vm() { # with $disk
    [ -e "$guest/vmlinuz" ] || "$SOURCE/tests/guest/build-guest" "$guest"
    cp "$guest/vmlinuz" "$guest/initrd.gz" "$dir" # where QEMU's user may read them
    chmod 755 "$dir"
    chmod 644 "$dir/vmlinuz" "$dir/initrd.gz"
    hv_start
    hf group create g "$@"
    hf vm create v --group g --memory 128 --disk "$disk" --kernel "$dir/vmlinuz" --initrd "$dir/initrd.gz" \
        --append "console=ttyS0 quiet panic=-1 rate=20" --serial "$dir/report"
}
lines() { grep -c "^$1" "$dir/report" 2>/dev/null || true; }
more_lines() { [ "$(lines "$1")" -gt "$2" ]; }
goes_on() {
    local acks
    acks=$(lines ACK)
    wait_until "${1:-180}" "the guest acknowledges more than $acks rows" more_lines ACK "$acks"
}
judge() {
    local report
    report=$("$SOURCE/tests/guest/check-acks" "$dir/report") || fail "the guest lost something: $report"
    note "judged: $(jq -c '{acks, lost: (.lost | length), boots: (.boots | length)}' <<<"$report")"
}
