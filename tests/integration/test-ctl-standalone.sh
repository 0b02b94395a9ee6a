#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The holdfast command against a real hypervisord on one machine without a cluster: a guest's whole life, the exit statuses and lines of
# what goes wrong, and its console. Real QEMU. Needs root, because each QEMU runs as a user of its own.
set -uo pipefail
BUILD=${HOLDFAST_BUILD:-$(cd "$(dirname "$0")/../.." && pwd)/build}
guest=$BUILD/guest
skip() {
    echo "$*"
    exit 77
}
[ "$(id -u)" = 0 ] || skip "needs root"
command -v hypervisord >/dev/null || skip "hypervisord is not built"
command -v holdfast >/dev/null || skip "holdfast is not on PATH"
[ -e "$guest/vmlinuz" ] || skip "the guest is not built: make guest"

dir=$(mktemp -d)
chmod 755 "$dir"
group=ctl-$$
vm=ctl-$$-db
daemon=
hf() { holdfast --socket "$dir/hypervisord.sock" "$@"; }
cleanup() {
    if [ -n "$daemon" ]; then
        hf group stop "$group" && hf group delete "$group" --force
        kill "$daemon" && wait "$daemon"
    fi >/dev/null 2>&1
    rm -rf "$dir"
}
trap cleanup EXIT
fail() {
    echo "FAILED: $*"
    tail -n 20 "$dir/log"
    exit 1
}
eventually() { # eventually SECONDS WHAT COMMAND...
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ $SECONDS -lt $end ] || fail "waited in vain for: $what"
        read -rt 0.1 <> <(:) || true
    done
    echo "ok: $what"
}
done_with() { # done_with ARGS...: it succeeds and says so
    hf "$@" >"$dir/out" 2>"$dir/err" || fail "holdfast $*: $(cat "$dir/err")"
    echo "ok: holdfast $*: $(head -n 1 "$dir/out")"
}
refused() { # refused STATUS PATTERN ARGS...
    local want=$1 pattern=$2 status=0
    shift 2
    hf "$@" >"$dir/out" 2>"$dir/err" || status=$?
    [ $status = "$want" ] || fail "holdfast $*: exit status $status instead of $want: $(cat "$dir/err")"
    [ "$(wc -l <"$dir/err")" = 1 ] && grep -qE "^holdfast: .*($pattern)" "$dir/err" || fail "holdfast $*: not one line with '$pattern': $(cat "$dir/err")"
    echo "ok: holdfast $*: exit $status: $(cat "$dir/err")"
}
state() { # state WANTED: of the VM
    local now
    now=$(hf --json vm show "$vm" | jq -r .state) && [ "$now" = "$1" ]
}
is() { state "$1" || fail "the VM is not $1: $(hf vm list)"; }
seen() { grep -aq "$1" "$2"; }

cat >"$dir/conf" <<CONF
[node]
name=solo
[hypervisor]
accel=tcg
serial-directory=$dir/serial
[storage]
directory=$dir/volumes
CONF
mkdir -m 755 "$dir/serial"
hypervisord --standalone --config "$dir/conf" --run-dir "$dir/run" --state-dir "$dir/state" --socket "$dir/hypervisord.sock" --log "$dir/log" &
daemon=$!
eventually 60 "hypervisord listens" test -S "$dir/hypervisord.sock"

# Wrong input, before there is anything.
refused 3 "no group $group" group show "$group"
refused 3 'no VM nobody' vm show nobody
refused 3 'no group nowhere' vm create lost --group nowhere --memory 64
refused 1 'cluster needs clusterd' cluster status
refused 2 'replicas' group create "$group" --replicas solo,other
done_with group create "$group" --storage file
refused 1 'already' group create "$group"
refused 2 'memory must be' vm create "$vm" --group "$group" --memory 1

# A guest's life.
done_with vm create "$vm" --group "$group" --memory 128 --disk 64M --kernel "$guest/vmlinuz" --initrd "$guest/initrd.gz" \
    --append "console=ttyS0 panic=-1" --serial "$dir/serial/report"
is off
refused 1 'no console' vm console "$vm"
done_with group start "$group"
is running
hf --json group show "$group" | jq -se 'length == 1 and .[0].state == "online" and .[0].owner == "solo"' >/dev/null || fail "the group is not online on solo"
eventually 90 "the guest acknowledges rows" seen '^ACK' "$dir/serial/report"
done_with vm pause "$vm"
is paused
done_with vm resume "$vm"
is running

# Its console: a reset guest boots again, in the view of a client whose stdin has ended.
holdfast --socket "$dir/hypervisord.sock" vm console "$vm" </dev/null >"$dir/console" 2>"$dir/console.err" &
console=$!
done_with vm reset "$vm"
eventually 60 "the kernel's messages are on the console" seen 'Linux version' "$dir/console"
refused 1 'in use' vm console "$vm"
kill "$console"
wait "$console"
[ $? = 1 ] || fail "an interrupted console did not end with 1"
console_is_free() { printf '\035' | hf vm console "$vm" >/dev/null 2>&1; }
eventually 60 "the console is free again" console_is_free

rows() { grep -ac '^ACK' "$dir/serial/report"; }
goes_on() {
    local before
    before=$(rows)
    more() { [ "$(rows)" -gt $((before + 5)) ]; }
    eventually 90 "rows after $before" more
}
goes_on
done_with vm save "$vm"
is saved
done_with vm start "$vm"
is running
goes_on
done_with vm stop "$vm" --force
is off
done_with vm start "$vm"
goes_on

# kill -9 of the daemon: the guest runs on, and the command says who is missing.
pid=$(hf --json vm show "$vm" | jq -r .pid)
kill -9 "$daemon"
wait "$daemon" 2>/dev/null
refused 1 'cannot reach hypervisord at .*: is holdfast-hypervisord running\? systemctl start' vm list
kill -0 "$pid" || fail "the guest died with the daemon"
hypervisord --standalone --config "$dir/conf" --run-dir "$dir/run" --state-dir "$dir/state" --socket "$dir/hypervisord.sock" --log "$dir/log" &
daemon=$!
eventually 60 "the guest is known again" state running
[ "$(hf --json vm show "$vm" | jq -r .pid)" = "$pid" ] || fail "it is another QEMU"
goes_on

done_with group stop "$group"
refused 1 'delete them first|--force' group delete "$group"
done_with vm delete "$vm"
done_with group delete "$group"
refused 3 "no group $group" group show "$group"
[ ! -e "$dir/volumes/$group" ] || fail "the volumes are still there"
echo "all well"
