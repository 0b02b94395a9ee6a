#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The heartbeat of a guest's agent: a guest that answers is left alone, one whose agent falls silent is found within its time and started again; one
# that is paused meanwhile, or that never had an agent, is not.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"

events() { hf --json events | jq -r --arg kind "$1" '[.[] | select(.kind == $kind)] | length'; }
more_events() { [ "$(events "$1")" -gt "$2" ]; }
says() { grep -q "$1" "$dir/run/vms/v/console.log"; }
with_guest_vm
with_agent() { # HOW-OFTEN OPTION...
    hf vm stop v --force >/dev/null 2>&1 || true
    hf vm delete v
    hf vm create v --group g --memory 128 --disk 64M --kernel "$dir/vmlinuz" --initrd "$dir/initrd.gz" --serial "$dir/report" \
        --append "console=ttyS0 quiet panic=-1 agent=$1" --agent --heartbeat 4 "${@:2}"
}

with_agent 10000 --on-hang restart
hf group start g
pid=$(vm pid)
goes_on
read -rt 8 <> <(:) || true
[ "$(vm pid)" = "$pid" ] && [ "$(events vm-hung)" = 0 ] || fail "a guest that answers was touched"
# It cannot answer while it is paused, and gets its whole time after that.
hf vm pause v
read -rt 7 <> <(:) || true
hf vm resume v
read -rt 2 <> <(:) || true
[ "$(vm pid)" = "$pid" ] && [ "$(events vm-hung)" = 0 ] || fail "a guest that was paused was touched"
hf vm stop v --force

with_agent 6 --on-hang keep
hf vm start v
wait_until 90 "its agent hangs" says 'the agent hangs'
wait_until 60 "it is found" more_events vm-hung 0
wait_until 60 "it is kept, stopped" vm_is paused
grep -q 'the agent hangs' "$dir/state/evidence/"*/console.txt || fail "the console's last lines are not kept"
# Resumed it hangs still; this is told once more, and it is kept again.
hf vm stop v --force
with_agent 4 --on-hang restart --restart-limit 3
before=$(events vm-hung)
hf vm start v
wait_until 90 "it hangs" more_events vm-hung "$before"
wait_until 90 "it was started again" more_events vm-restarted 0
hf --json events | jq -e '[.[] | select(.kind == "vm-restarted")][-1].text | test("does not answer")' >/dev/null || fail "the restart does not say why"
hf group stop g
hf group delete g --force
hv_stop
