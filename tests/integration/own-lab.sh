# Sourced by the tests that make labs of their own ("# needs: own-lab"): bare nodes, no cluster. What they made is gone when they end.
# shellcheck shell=bash
set -euo pipefail

SOURCE=${HOLDFAST_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
BUILD=${HOLDFAST_BUILD:-$SOURCE/build}
LAB_DIR=$(mktemp -d "$BUILD/own-lab.XXXXXX")
export LAB_DIR HOLDFAST_BUILD=$BUILD HOLDFAST_STAGE=${HOLDFAST_STAGE:-$BUILD/stage}

lab() { "$SOURCE/deploy/lab/lab" "$@"; }
fail() {
    echo "FAILED: $*" >&2
    [ ! -e "$LAB_DIR/labd.log" ] || tail -n 20 "$LAB_DIR/labd.log" >&2
    exit 1
}
# same WHAT EXPECTED GOT
same() { [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"; }
# gives STATUS COMMAND...: COMMAND must end with STATUS.
gives() {
    local expected=$1 status=0
    shift
    "$@" || status=$?
    [ "$status" = "$expected" ] || fail "$*: expected exit status $expected, got $status"
}
# eventually SECONDS WHAT COMMAND...
eventually() {
    local seconds=$1 what=$2 end
    shift 2
    end=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || fail "waited $seconds s in vain for: $what"
        read -rt 0.2 <> <(:) || true
    done
}
state() { lab status --json | jq -r ".nodes[] | select(.name == \"$1\").state"; }
state_is() { [ "$(state "$1")" = "$2" ]; }
processes() { pgrep -cf -- "$LAB_DIR/" || true; }	# of this lab's kernels and labd
trap 'lab down >/dev/null 2>&1 || true; rm -rf "$LAB_DIR"' EXIT

command -v linux.uml >/dev/null || { echo "linux.uml is not installed"; exit 77; }
[ -x "$BUILD/deploy/lab/bin/labd" ] || { echo "the lab is not built"; exit 77; }
