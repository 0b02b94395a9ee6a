#!/bin/bash
# A guest that dies is started again at once, within its limit; beyond it the VM has failed and says so; a start begins anew. A guest that
# switches itself off stays off.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"

with_small_vm
hf group start g

other_pid() { [ "$(vm pid)" != 0 ] && [ "$(vm pid)" != "$1" ] && vm_is running; }
for round in 1 2 3; do
    pid=$(vm pid)
    kill -9 "$pid"
    wait_until 60 "restart $round" other_pid "$pid"
    [ "$(vm restarts)" = "$round" ] || fail "$(vm restarts) restarts are counted, not $round"
    [ "$(qemus | wc -l)" = 1 ] || fail "$(qemus | wc -l) QEMUs"
done
ms=$(hf --json events | jq '[.[] | select(.kind == "vm-restarted").duration_ms] | max')
note "the slowest restart took $ms ms"
[ "$(jq -n "$ms < 3000")" = true ] || fail "a restart took $ms ms"

# The count is kept when hypervisord is restarted.
hv_kill
hv_start
[ "$(vm restarts)" = 3 ] || fail "a restart of hypervisord forgot the restarts: $(vm restarts)"
kill -9 "$(vm pid)"
wait_until 60 "the VM has failed" vm_is failed
group_is failed || fail "the group of a VM that failed is $(hf --json group show g | jq -r .state)"
hf --json group show g | jq -e '.problems[] | select(test("VM v"))' >/dev/null || fail "the group does not say why"
hv_kill
hv_start
vm_is failed || fail "a restart of hypervisord forgot the failure"
hf vm start v
vm_is running || fail "a start does not begin anew"
group_is online || fail "the group is not well again"
[ "$(vm restarts)" = 0 ] || fail "the restarts were not forgotten: $(vm restarts)"

# The guest's own power button: nobody asked hypervisord for it.
pid=$(vm pid)
printf '%s\n' '{"execute":"qmp_capabilities"}' '{"execute":"quit"}' | socat -t 2 - "UNIX-CONNECT:$dir/run/vms/v/agent.sock" >/dev/null
wait_until 60 "a QEMU that ended without a shutdown of the guest is restarted" other_pid "$pid"

# What the agent does when hypervisord hangs: it writes that the group is wanted stopped and ends the guests. Nobody starts them again.
generation=$(cut -d' ' -f2 "$dir/run/groups/g/wanted")
printf 'stopped %s\n' $((generation + 1)) >"$dir/run/groups/g/wanted"
kill -9 "$(vm pid)"
wait_until 60 "the guest is gone" vm_is off
read -rt 2 <> <(:) || true
vm_is off || fail "a guest was started that is wanted stopped"
[ -z "$(qemus)" ] || fail "a QEMU runs that is wanted stopped"
hv_kill
hv_start
vm_is off || fail "a guest that is wanted stopped was started by a new hypervisord"
[ -z "$(qemus)" ] || fail "a QEMU runs that is wanted stopped"

# An order that is older than the last one is refused: it was overtaken.
hf group start g
vm_is running || fail "not started"
refused 4 'older than the last' "$BUILD/tests/tools/rpc-call" "$dir/run/hypervisord.sock" 10000 \
    '{"host_group_stop": {"name": "g", "generation": 1, "timeout_ms": 5000}}'
vm_is running || fail "an old order stopped the guest"
hf group stop g
hf group delete g --force
hv_stop
