#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The VMs of a group are started several at once: booted, restored, again after a kill -9 in the middle; one whose
# kernel is missing stays off and says why; if there is no memory for all of them, none is left running.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"

all_are() { [ "$(hf --json vm list | jq -r '[.[].state] | unique | join(" ")')" = "$1" ]; }
running_qemus() {
    local n=0 vm
    for vm in v1 v2 v3 v4; do n=$((n + $(qemus $vm | wc -w))); done
    echo $n
}
# The state changes of the last start, in their order: starting and running.
changes() { tail -c "+$((from + 1))" "$dir/log" | sed -n 's/.* vm=\(v[1-4]\) group=g [a-z]* -> \(starting\|running\) .*/\2/p' | tr '\n' ' '; }
overlaps() { # the second one was begun before the first one ran
    [[ "$(changes)" == "starting starting "* ]] || fail "$1: one after the other: $(changes)"
}

hv_start
hf group create g --state-size 256M
for i in 1 2 3 4; do
    hf vm create v$i --group g --memory 32 --disk 8M
done
from=$(stat -c %s "$dir/log")
hf group start g
all_are running || fail "after the start: $(hf vm list)"
overlaps "boot"
steps=$(hf --json events | jq -c '[.[] | select(.kind == "group-started")][-1] | [.duration_ms, ([.steps[].ms] | add)]')
jq -e '.[1] <= .[0] + 1 and .[1] > .[0] / 2' <<<"$steps" >/dev/null || fail "a start of $(jq '.[0]' <<<"$steps") ms has steps of $(jq '.[1]' <<<"$steps") ms"

# Saved and restored.
hf group stop g
all_are saved || fail "after the stop: $(hf vm list)"
from=$(stat -c %s "$dir/log")
hf group start g
all_are running || fail "after the restore: $(hf vm list)"
overlaps "restore"
[ "$(running_qemus)" = 4 ] || fail "there are $(running_qemus) QEMUs"

# One whose kernel is missing.
for i in 1 2 3 4; do hf vm set v$i --offline-action turn-off; done
touch "$dir/kernel"
hf vm set v3 --kernel "$dir/kernel"
rm "$dir/kernel"
hf group stop g
all_off() { [ "$(running_qemus)" = 0 ]; }
wait_until 60 "no QEMU is left" all_off
hf group start g
[ "$(running_qemus)" = 3 ] || fail "there are $(running_qemus) QEMUs: $(hf vm list)"
vm_is off v3 || fail "VM v3 is $(vm state v3)"
[[ $(vm reason v3) == *"$dir/kernel cannot be read"*"put it there"* ]] || fail "VM v3 does not say why: $(vm reason v3)"
refused 3 "$dir/kernel cannot be read" hf vm start v3
hf vm set v3 --kernel ""
hf vm start v3
all_are running || fail "without the kernel: $(hf vm list)"

# No memory for all of them, though for each: the figures, and none runs.
hf group stop g
third=$(($(awk '/^MemTotal/ { print $2 }' /proc/meminfo) / 3072))
for i in 1 2 3 4; do hf vm set v$i --memory $third; done
refused 1 "needs $third MiB of memory and node solo has" hf group start g
all_off || fail "there are $(running_qemus) QEMUs and no memory for them"
for i in 1 2 3 4; do hf vm set v$i --memory 32; done

# Killed in the middle of it: the next one brings all of them up, each once.
hv_stop
export HOLDFAST_FAULT=spawn:process
hv_start
unset HOLDFAST_FAULT
hf group start g 2>/dev/null || true
wait_until 60 "hypervisord has died at its fault point" hv_gone
hv_start
hf group start g
all_are running || fail "after a kill: $(hf vm list)"
[ "$(running_qemus)" = 4 ] || fail "there are $(running_qemus) QEMUs"
hf group stop g
hf group delete g --force
all_off || fail "there are $(running_qemus) QEMUs"
hv_stop
