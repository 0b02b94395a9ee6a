# Sourced by the tests that share the running lab ("# needs: lab"): one group `web` with one VM `db` that counts in a database.
# Each test leaves the cluster as it found it: all nodes online, the group online, all replicas up to date.
# shellcheck shell=bash
set -euo pipefail

SOURCE=${HOLDFAST_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
BUILD=${HOLDFAST_BUILD:-$SOURCE/build}
: "${LAB_DIR:=$BUILD/check-lab}"
export LAB_DIR HOLDFAST_BUILD=$BUILD HOLDFAST_STAGE=${HOLDFAST_STAGE:-$BUILD/stage}

fail() {
    echo "FAILED: $*" >&2
    diagnose >&2 || true
    exit 1
}
note() { printf '%s %s\n' "$(date +%T.%3N)" "$*"; }
lab() { "$SOURCE/deploy/lab/lab" "$@"; }
on() { # on NODE COMMAND...
    local node=$1
    shift
    lab exec "$node" "$@"
}
hf() { # hf NODE ARGS...: the holdfast command on a node
    local node=$1
    shift
    lab exec "$node" holdfast "$@"
}

# eventually SECONDS WHAT COMMAND...: asks until COMMAND succeeds; the test fails when the time is up.
eventually() {
    local seconds=$1 what=$2 end
    shift 2
    end=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || fail "waited $seconds s in vain for: $what"
        read -rt 0.3 <> <(:) || true
    done
    note "$what: yes"
}
# never SECONDS WHAT COMMAND...: COMMAND must not succeed once within the time.
never() {
    local seconds=$1 what=$2 end
    shift 2
    end=$((SECONDS + seconds))
    while [ $SECONDS -lt $end ]; do
        ! "$@" >/dev/null 2>&1 || fail "this must not happen: $what"
        read -rt 0.5 <> <(:) || true
    done
    note "$what: not in $seconds s"
}

diagnose() {
    local node
    for node in a1 b1; do
        echo "--- $node"
        timeout 20 "$SOURCE/deploy/lab/lab" exec "$node" sh -c 'holdfast cluster status; cat /proc/drbd; crm_mon -1rf 2>&1 | tail -n 30' || true
        timeout 20 "$SOURCE/deploy/lab/lab" log "$node" corosync | tail -n 15 || true
    done
}

# shellcheck source=tests/integration/acks.sh
. "$(dirname "${BASH_SOURCE[0]}")/acks.sh"
reports() { "$SOURCE/tests/guest/check-acks" "$LAB_DIR"/nodes/*/serial0.log 2>/dev/null || true; }
acked() { highest_ack "$LAB_DIR"/nodes/*/serial0.log; }
acked_over() { [ "$(acked)" -gt "$1" ]; }
owner() { hf "$1" --json group show web | jq -r .owner; }
owner_is() { [ "$(owner "$1")" = "$2" ]; }
online_on() { [ "$(hf "$1" --json group show web | jq -r '"\(.state) \(.owner)"')" = "online $2" ]; }
node_state() { hf "$1" --json node list | jq -r ".[] | select(.name == \"$2\").state"; }
node_is() { [ "$(node_state "$1" "$2")" = "$3" ]; }
in_sync() { hf "$1" --json volume list | jq -e 'length > 0 and all(.[]; .disk == "UpToDate" and .peer_disk == "UpToDate")'; }
qemus() { on "$1" sh -c 'pidof qemu-system-x86_64 | wc -w' || true; }	# processes that could be guests
role() { on "$1" sh -c "grep -o 'ro:[A-Za-z]*' /proc/drbd | sort -u | tr '\n' ' '"; }
all_secondary() { [ "$(role "$1")" = 'ro:Secondary ' ]; }

# The guest goes on: more rows are acknowledged than now.
goes_on() {
    local now
    now=$(acked)
    eventually "${1:-180}" "rows after $now are acknowledged" acked_over $((now + 10))
}

# The group exists, runs on a1, and counts.
with_guest() {
    lab heal
    eventually 90 "a1 answers" hf a1 cluster status
    eventually 90 "b1 answers" hf b1 cluster status
    if ! hf a1 --json group show web >/dev/null 2>&1; then
        hf a1 group create web --preferred a1,b1
        hf a1 vm create db --group web --memory 96 --cpus 1 --disk 64M --kernel "$BUILD/guest/vmlinuz" --initrd "$BUILD/guest/initrd.gz" \
            --append "console=ttyS0 quiet panic=-1 rate=12" --serial /dev/ttyS0
        hf a1 group start web
    fi
    # what a test that failed may have left
    [[ $(node_state b1 a1) != @(maintenance|draining) ]] || hf b1 node resume a1
    [[ $(node_state a1 b1) != @(maintenance|draining) ]] || hf a1 node resume b1
    eventually 60 "a1 is online" node_is b1 a1 online
    eventually 60 "b1 is online" node_is a1 b1 online
    eventually 60 "both replicas are up to date" in_sync a1
    hf a1 group start web
    owner_is a1 a1 || hf a1 group move web --to a1 --quick
    case $(hf a1 --json vm show db | jq -r .state) in
    paused) hf a1 vm resume db ;;
    off) hf a1 vm start db ;;
    esac
    goes_on
}

# The guest is turned off hard and started again, so that it reads back everything it ever acknowledged.
judge() {
    local node=${1:-a1} report
    hf "$node" vm stop db --force
    hf "$node" vm start db
    goes_on
    if ! report=$("$SOURCE/tests/guest/check-acks" "$LAB_DIR"/nodes/*/serial0.log); then
        fail "the guest lost rows, ran twice or has a damaged database: $report"
    fi
    note "judged: $(jq -c '{acks, lost: (.lost | length), boots: (.boots | length)}' <<<"$report")"
}
