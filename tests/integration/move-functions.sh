# Sourced by the tests of moves that need no lab: two hypervisords on this machine, as nodes a1 and b1, with
# file storage in one shared directory, and a group `web` with the guest that counts. What Pacemaker and clusterd would ask is asked with rpc-call.
# shellcheck shell=bash
set -euo pipefail

SOURCE=${HOLDFAST_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
BUILD=${HOLDFAST_BUILD:-$SOURCE/build}
WORK=$(mktemp -d /tmp/holdfast-move.XXXXXX)
chmod 755 "$WORK"
NET=127.$((RANDOM % 250 + 1)).$((RANDOM % 250)) # the port is always the same: several of these tests may run at once
declare -A DAEMON ADDRESS=([a1]=$NET.1 [b1]=$NET.2)
MEMORY_MIB=${MEMORY_MIB:-128}
DISK_FORMAT=${DISK_FORMAT:-raw}
VOLUME_BYTES=67108864
[ "$DISK_FORMAT" = raw ] || VOLUME_BYTES=103809024 # with room for checkpoints

fail() {
    echo "FAILED: $*" >&2
    tail -n 15 "$WORK"/*/log >&2 || true
    exit 1
}
note() { printf '%s %s\n' "$(date +%T.%3N)" "$*"; }

cleanup() {
    local node record pid
    for node in a1 b1; do
        [ -z "${DAEMON[$node]-}" ] || kill -9 "${DAEMON[$node]}" 2>/dev/null || true
        for record in "$WORK/$node"/run/vms/*/guest.json; do
            [ -e "$record" ] || continue
            pid=$(jq -r .pid "$record")
            [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != qemu-system-x86 ] || kill -9 "$pid"
        done
    done
    rm -rf "$WORK"
}
trap cleanup EXIT

eventually() { # eventually SECONDS WHAT COMMAND...
    local seconds=$1 what=$2 end
    shift 2
    end=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || fail "waited $seconds s in vain for: $what"
        read -rt 0.05 <> <(:) || true
    done
}

ask() { # ask NODE REQUEST-AS-JSON
    "$BUILD/tests/tools/rpc-call" "$WORK/$1/run/hypervisord.sock" 60000 "$2"
}
answers() { ask "$1" '{"ping": {}}'; }

start_daemon() { # start_daemon NODE [ENV=VALUE...]
    local node=$1
    shift
    env "$@" "$BUILD/hypervisord" --config "$WORK/$node/holdfast.conf" --run-dir "$WORK/$node/run" --state-dir "$WORK/$node/state" \
        --pki "$WORK/pki/$node" --log "$WORK/$node/log" </dev/null >>"$WORK/$node/out" 2>&1 &
    DAEMON[$node]=$!
    eventually 60 "hypervisord of $node answers" answers "$node"
}
kill_daemon() {
    kill -9 "${DAEMON[$1]}"
    wait "${DAEMON[$1]}" 2>/dev/null || true
}

spec() { # changed by SPEC_CHANGE, a jq program
    jq -c "${SPEC_CHANGE:-.}" <<JSON
{"group": {"name": "web", "storage": "file", "preferred": ["a1", "b1"], "possible": ["a1", "b1"], "directory": "$WORK/volumes",
  "volumes": [{"index": 0, "minor": 0, "name": "state", "size_bytes": 268435456}, {"index": 1, "minor": 1, "name": "db.disk0", "size_bytes": $VOLUME_BYTES}]},
 "vms": [{"name": "db", "group": "web", "cpus": 1, "memory_mib": $MEMORY_MIB, "kernel": "$BUILD/guest/vmlinuz", "initrd": "$BUILD/guest/initrd.gz",
  "append": "console=ttyS0 quiet panic=-1 rate=20${APPEND:+ $APPEND}", "disks": [{"name": "disk0", "volume": 1, "size_bytes": 67108864, "format": "$DISK_FORMAT"}],
  "serials": [{"path": "$WORK/acks"}], "target": "running", "restart_limit": 16, "restart_period_s": 900,
  "uuid": "6f2d2c0e-5a2f-4f0c-9d57-2a6d2a1c0b11"}], "epoch": 1}
JSON
}

set_up() {
    local node
    mkdir -p "$WORK/volumes"
    "$BUILD/tests/tools/make-pki" "$WORK/pki" a1 b1
    for node in a1 b1; do
        mkdir -p "$WORK/$node"
        printf '[node]\nname=%s\naddress=%s\n[hypervisor]\naccel=tcg\nuid-base=%d\nserial-directory=%s\n[storage]\ndirectory=%s\nimage-directory=%s\n' \
            $node "${ADDRESS[$node]}" $((2000000 + (RANDOM % 1000) * 100)) "$WORK" "$WORK/volumes" "$WORK" >"$WORK/$node/holdfast.conf"
        [ -z "${COMPRESSION-}" ] || printf '[migration]\ncompression=%s\n' "$COMPRESSION" >>"$WORK/$node/holdfast.conf"
        start_daemon $node
    done
    for node in a1 b1; do
        ask $node "{\"replica_apply\": {\"spec\": $(spec), \"node\": \"$node\"}}" >/dev/null
    done
}
begin_on_a1() { # two hypervisords, the guest counting on a1; boots: how often it has booted
    set_up
    start_group a1 >/dev/null
    goes_on
    boots=$(reports | jq '.boots | length')
}
was_never_booted() { [ "$(reports | jq '.boots | length')" = "$boots" ] || fail "the guest was booted instead of $1"; }

generation() { date +%s%3N; }
start_group() { ask "$1" "{\"host_group_start\": {\"spec\": $(spec), \"generation\": $(generation), \"timeout_ms\": 60000, \"node\": \"$1\"}}"; }
stop_group() { ask "$1" "{\"host_group_stop\": {\"name\": \"web\", \"generation\": $(generation), \"timeout_ms\": 60000}}"; }
prepare() { # prepare FROM TO [quick|live [MORE-FIELDS]]
    ask "$1" "{\"move_prepare\": {\"spec\": $(spec), \"target\": \"$2\", \"address\": \"${ADDRESS[$2]}\", \"timeout_ms\": 30000, \"kind\": \"${3:-quick}\"${4:+, $4}}}"
}
cancel() { ask "$1" '{"move_cancel": {"name": "web"}}'; }
commit() { ask "$1" "{\"move_commit\": {\"spec\": $(spec), \"group\": \"web\", \"target\": \"$2\", \"address\": \"${ADDRESS[$2]}\", \"timeout_ms\": 30000}}"; }
open_on() { # open_on NODE PATH: by the guest's QEMU there
    local fd
    for fd in /proc/"$(jq -r .pid "$WORK/$1/run/vms/db/guest.json" 2>/dev/null || true)"/fd/*; do
        if [ "$(readlink "$fd")" = "$2" ]; then
            return 0
        fi
    done
    return 1
}
move_to() { # move_to FROM TO KIND: prepared and carried out; then the guest runs there, and only there
    prepare "$1" "$2" "$3" >"$WORK/answer" || fail "a $3 move cannot be prepared: $(cat "$WORK/answer")"
    commit "$1" "$2" >"$WORK/answer" || fail "a $3 move failed: $(cat "$WORK/answer")"
    runs_on "$2" >/dev/null || fail "the guest does not run on $2"
    ! runs_on "$1" >/dev/null 2>&1 || fail "the guest still runs on $1"
}
runs_on() { ask "$1" '{"vm_show": {"name": "db"}}' | jq -e '.vm.state == "running"'; }
move_state() { ask "$1" '{"move_state": {"name": "web"}}' | jq -r .move_state.state; }
no_move() { [ "$(move_state "$1")" = none ]; }

# shellcheck source=tests/integration/acks.sh
. "$(dirname "${BASH_SOURCE[0]}")/acks.sh"
reports() { "$SOURCE/tests/guest/check-acks" "$WORK/acks" 2>/dev/null || true; }
acked() { highest_ack "$WORK/acks"; }
acked_over() { [ "$(acked)" -gt "$1" ]; }
goes_on() {
    local now
    now=$(acked)
    eventually "${1:-180}" "rows after $now" acked_over $((now + 5))
}
# QEMUs of ours whose vcpus run: more than one would be the end of the data.
running_twice() { runs_on a1 >/dev/null 2>&1 && runs_on b1 >/dev/null 2>&1; }
