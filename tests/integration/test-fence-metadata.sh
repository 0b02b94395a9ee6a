#!/bin/bash
# The lab's fence agent describes itself as fence agents do, on the command line and on stdin, with what the cluster needs.
set -euo pipefail

SOURCE=${HOLDFAST_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
BUILD=${HOLDFAST_BUILD:-$SOURCE/build}
agent=$BUILD/fence/fence_holdfast_lab
fail() {
    echo "FAILED: $*" >&2
    exit 1
}

metadata=$("$agent" -o metadata)
[ "$metadata" = "$(echo action=metadata | "$agent")" ] || fail "stdin and the command line give different metadata"
xmllint --noout --relaxng "$SOURCE/tests/integration/fence-agent.rng" - <<<"$metadata" || fail "not the metadata of a fence agent"
for action in on off reboot status monitor metadata validate-all; do
    [ "$(xmllint --xpath "count(//action[@name='$action'])" - <<<"$metadata")" = 1 ] || fail "no action $action"
done
for parameter in action ip key plug port timeout; do
    [ "$(xmllint --xpath "count(//parameter[@name='$parameter'])" - <<<"$metadata")" = 1 ] || fail "no parameter $parameter"
done
"$agent" -o validate-all -a 10.0.2.121 -k 00 || fail "validate-all refuses good options"
for bad in "-o validate-all" "-o validate-all -a b1 -k 00" "-o explode" "--no-such-option"; do
    # shellcheck disable=SC2086
    if message=$("$agent" $bad 2>&1 >/dev/null); then fail "takes '$bad'"; fi
    [ "$(wc -l <<<"$message")" = 1 ] || fail "not one line for '$bad': $message"
done
