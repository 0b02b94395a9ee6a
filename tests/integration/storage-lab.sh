# Sourced by the tests of storage on real DRBD and LVM: two bare nodes, a group `web` with a state volume and a disk, and storage-tool,
# which calls one verb of storage/storage.h as hypervisord would.
# shellcheck shell=bash
# shellcheck source=tests/integration/own-lab.sh
. "$(dirname "${BASH_SOURCE[0]}")/own-lab.sh"

TOOL=$BUILD/tests/lab/storage-tool
[ -x "$TOOL" ] || { echo "storage-tool is not built"; exit 77; }
DISK=/dev/drbd11

# definition FILE [JQ-FILTER]: the group's definition, changed, as a file that both nodes read
definition() {
    jq -nc '{name: "web", storage: "drbd", preferred: [], possible: ["a1", "b1"], port: 7789, directory: "",
        created: "2026-01-01T00:00:00Z", secret: "s3cret",
        replicas: [{node: "a1", address: "10.0.1.11"}, {node: "b1", address: "10.0.1.21"}],
        volumes: [{index: 0, minor: 10, name: "state", size_bytes: 33554432},
                  {index: 1, minor: 11, name: "db.disk0", size_bytes: 67108864}]}' | jq -c "${2-.}" >"$LAB_DIR/$1.json"
    local node
    for node in a1 b1; do
        lab exec $node "cat > /var/lib/holdfast/$1.json; sync" <"$LAB_DIR/$1.json"
    done
}
# tool NODE VERB [ARGUMENT]; DEFINITION names another definition than web
tool() {
    local node=$1
    shift
    lab exec "$node" "$TOOL" "/var/lib/holdfast/${DEFINITION:-web}.json" "$node" "$@"
}
# refused STATUS TEXT NODE VERB...: the verb must fail so, with TEXT in its one line
refused() {
    local status=0 output expected=$1 text=$2
    shift 2
    output=$(tool "$@" 2>&1) || status=$?
    [ "$status" = "$expected" ] || fail "$*: expected exit status $expected, got $status: $output"
    case $output in
    *"$text"*) ;;
    *) fail "$*: no \"$text\" in: $output" ;;
    esac
}
# The kernel's handlers of DRBD, as they answer in this test: the fence-peer handler confirms the peer's end, and all say that they were called.
handlers() {
    local node
    for node in "$@"; do
        lab exec "$node" 'mkdir -p /usr/lib/holdfast; cd /usr/lib/holdfast
            for kind in fence-peer before-resync-target after-resync-target; do
                printf "#!/bin/sh\necho %s >>/var/log/handlers\nexit %s\n" $kind "$([ $kind = fence-peer ] && echo 7 || echo 0)" >drbd-$kind.new
                chmod 755 drbd-$kind.new; mv drbd-$kind.new drbd-$kind
            done'
    done
}
roles() { lab exec "$1" "grep -o 'ro:[A-Za-z]*' /proc/drbd | sort -u | cut -d: -f2 | paste -sd,"; }
status() { tool "$1" status | jq -r "select(.index == 1) | $2"; }
status_is() { [ "$(status "$1" "$2")" = "$3" ]; }
in_sync() { tool "$1" status | jq -es 'length > 0 and all(.[]; .disk == "UpToDate" and .peer_disk == "UpToDate")'; }
left() { lab exec "$1" "find /var/lib/holdfast/replicas /run/holdfast/storage /etc/drbd.d -type f ! -name global_common.conf"; }
volumes_of() { lab exec "$1" "lvs --noheadings -o lv_name holdfast | xargs"; }
fill() { lab exec "$1" "dd if=/dev/urandom of=$DISK bs=64k count=${2:-16} seek=${3:-0} oflag=direct 2>&1"; }
sum() { lab exec "$1" "dd if=$DISK bs=1M iflag=direct 2>/dev/null | sha256sum"; }

lab up --bare --witness none --disk-size 512
lab exec a1 'modprobe drbd' || { echo "this kernel has no DRBD"; exit 77; }
handlers a1 b1
definition web

# Both replicas made, connected, declared in sync.
make_group() {
    tool a1 apply
    tool b1 apply
    tool a1 declare 0
    tool a1 declare 1
    in_sync a1 >/dev/null || fail "a1 is not in sync: $(tool a1 status)"
    eventually 60 "b1 is in sync too" in_sync b1
}
