#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A guest that triple-faults as soon as it boots resets for ever, which no other sign tells: after more resets of its own than its restart limit it is
# handled as one that panicked: evidence, then restart until the limit, kept, or left alone. Resets by an administrator do not count.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"
# shellcheck source=tests/integration/boot-sectors.sh
. "$(dirname "$0")/boot-sectors.sh"

events() { hf --json events | jq -r --arg kind "$1" '[.[] | select(.kind == $kind)] | length'; }
more_events() { [ "$(events "$1")" -gt "$2" ]; }
make() { # make OPTIONS...: a VM of its own for each policy, which faults
    hf vm stop v --force >/dev/null 2>&1 || true
    hf vm delete v >/dev/null 2>&1 || true
    hf vm create v --group g --memory 16 --disk 8M --restart-limit 1 "$@"
    sector_triple_fault "$dir/volumes/g/$(hf --json volume show v.disk0 | jq -r '.[0].index').raw"
}

hv_start
hf group create g
make
hf group start g
wait_until 60 "a reset loop is found" more_events vm-resetting 0
first() { hf --json events | jq -r "[.[] | select(.kind == \"vm-resetting\")][0].$1"; }
[[ $(first text) == *"resets itself again and again"*"is started again"* ]] || fail "it is told as: $(first text)"
grep -q 'resets itself' "$dir/state/evidence/$(first evidence)/reason.txt" || fail "no evidence of it: $(first evidence)"
failed() { group_is failed; }
wait_until 120 "its restarts are used up" failed
[ "$(events vm-resetting)" = 2 ] || fail "$(events vm-resetting) reset loops were told, not 2"
hf group stop g

make --on-panic keep
hf group start g
before=$(events vm-resetting)
hf vm start v >/dev/null 2>&1 || true
wait_until 60 "a reset loop is found" more_events vm-resetting "$before"
paused() { vm_is paused; }
wait_until 90 "it is kept" paused
[[ $(vm reason) == *"resets itself again and again"* ]] || fail "it does not say why it stands still: $(vm reason)"

# Left alone, and told; and resets that somebody asked for.
make --on-panic ignore
before=$(events vm-resetting)
hf vm start v >/dev/null 2>&1 || true
wait_until 60 "a reset loop is told" more_events vm-resetting "$before"
vm_is running || fail "a VM whose resets are to be ignored is $(vm state)"
hf vm stop v --force
hf vm delete v
hf vm create v --group g --memory 16 --disk 8M --restart-limit 1
before=$(events vm-resetting)
hf vm start v >/dev/null 2>&1 || true
for _ in 1 2 3 4; do hf vm reset v; done
vm_is running && [ "$(events vm-resetting)" = "$before" ] || fail "resets by an administrator were taken for a loop"
hf group stop g
hv_stop
