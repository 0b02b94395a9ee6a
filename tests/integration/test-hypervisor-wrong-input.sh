#!/bin/bash
# Wrong input to a stand-alone hypervisord: one clear line, nothing changed.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"

with_small_vm
before=$(hf --json group list)
refused 3 'no group nope' hf group start nope
refused 3 'no group nope' hf vm create x --group nope --memory 16
refused 3 'no VM nope' hf vm start nope
refused 1 'already' hf group create g
refused 1 'already' hf vm create v --group g --memory 16
refused 2 'memory must be' hf vm create x --group g --memory 100000000
refused 1 'MiB of memory.*give it less' hf vm create x --group g --memory 4000000
refused 1 'MiB free' hf vm create x --group g --memory 16 --disk 900T
refused 1 'group g is not online' hf vm start v
refused 2 'Bad_Name' hf group create Bad_Name
[ "$(hf --json group list)" = "$before" ] || fail "something changed: $(hf --json group list)"

# A VM that can be defined and not started leaves nothing behind, and its group can be started without it.
echo none >"$dir/vmlinuz"
hf vm create k --group g --memory 16 --kernel "$dir/vmlinuz"
refused 1 'could not load kernel|/vmlinuz|invalid kernel' hf group start g
group_is offline || fail "a start that failed left the group $(hf --json group show g | jq -r .state)"
[ -z "$(qemus)$(qemus k)" ] || fail "a start that failed left a QEMU"
hf vm delete k
hf vm create s --group g --memory 16 --serial /etc/passwd-of-nobody
refused 1 'serial-directory' hf group start g
hf vm delete s
hf vm create s --group g --memory 16 --serial "$dir/../../etc/x"
refused 1 'serial-directory' hf group start g
hf vm delete s
hf group start g
refused 1 'group g is online' hf group delete g

# Whatever comes in on the socket, it goes on answering.
head -c 100000 /dev/urandom | timeout 5 socat -u - "UNIX-CONNECT:$dir/run/hypervisord.sock" || true
printf '\xff\xff\xff\xff' | timeout 5 socat - "UNIX-CONNECT:$dir/run/hypervisord.sock" >/dev/null || true
printf 'GET / HTTP/1.0\r\n\r\n' | timeout 5 socat - "UNIX-CONNECT:$dir/run/hypervisord.sock" >/dev/null || true
vm_is running || fail "it does not answer any more"

# A guest that took over its QEMU says what it likes on QMP; a second client of hypervisord's socket hurts nobody.
printf 'garbage\n' | timeout 2 socat - "UNIX-CONNECT:$dir/run/vms/v/qmp.sock" >/dev/null || true
hf vm pause v
hf vm resume v

# A second one on the same directories, and configurations that make no sense.
refused 1 'another hypervisord is at work' hypervisord --standalone --config "$dir/conf" --run-dir "$dir/run" --state-dir "$dir/state" --log "$dir/log2"
printf '[hypervisor]\naccel=fast\n' >"$dir/bad"
refused 1 'accel must be' hypervisord --standalone --config "$dir/bad" --run-dir "$dir/run2" --state-dir "$dir/state2" --log "$dir/log2"
printf '[hypervisor]\nqemu=/nonexistent/qemu\n' >"$dir/bad"
refused 1 'QEMU cannot be run at /nonexistent/qemu' hypervisord --standalone --config "$dir/bad" --run-dir "$dir/run2" \
    --state-dir "$dir/state2" --log "$dir/log2"
vm_is running || fail "the guest did not survive"
[ "$(qemus)" = "$(vm pid)" ] || fail "another QEMU runs"
hf group stop g
hf group delete g --force
hv_stop
