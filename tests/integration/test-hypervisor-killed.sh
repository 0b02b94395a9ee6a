#!/bin/bash
# kill -9 of hypervisord at any instant: a guest that ran runs on and is known again; nothing runs twice; the next start works.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"

with_small_vm
hf group start g
pid=$(vm pid)
uptime=$(vm uptime_s)
for signal in kill stop; do
    "hv_$signal"
    kill -0 "$pid" || fail "the guest ended with hypervisord"
    hv_start
    [ "$(vm pid)" = "$pid" ] || fail "the guest is not known again: pid $(vm pid), not $pid"
    vm_is running || fail "the guest is $(vm state)"
    group_is online || fail "the group is not online"
    [ "$(vm uptime_s)" -ge "$uptime" ] || fail "its uptime went back"
done
hf vm pause v
hv_kill
hv_start
vm_is paused || fail "a paused guest is $(vm state) after a restart of hypervisord"
hf vm resume v
vm_is running || fail "it cannot be resumed"

# One that died while nobody looked is started again.
hv_kill
kill -9 "$pid"
hv_start
wait_until 60 "a guest that died meanwhile runs again" vm_is running
[ "$(vm pid)" != "$pid" ] || fail "a dead guest is shown running"

# In the middle of everything: whatever was going on, one QEMU at most, and a start brings it up.
at_rest() { vm_is running || vm_is off || vm_is saved; }
RANDOM=${HOLDFAST_SEED:=$$} # the same times again with the same seed
note "HOLDFAST_SEED=$HOLDFAST_SEED"
for round in $(seq 40); do
    case $((round % 4)) in
    0) what=(vm save v) ;;
    1) what=(vm start v) ;;
    2) what=(group stop g) ;;
    3) what=(group start g) ;;
    esac
    hf "${what[@]}" >/dev/null 2>&1 &
    order=$!
    read -rt "0.$(printf '%03d' $((RANDOM % 120)))" <> <(:) || true
    kill -9 "$hv_pid"
    wait "$order" || true
    hv_start >/dev/null
    wait_until 90 "round $round, killed in ${what[*]}: at rest" at_rest
    [ "$(qemus | wc -l)" -le 1 ] || fail "$(qemus | wc -l) QEMUs run"
    wait_until 60 "round $round: state and QEMU agree" agree
done
hf group start g
vm_is running || hf vm start v
vm_is running || fail "it does not run in the end"
hf group stop g
hf group delete g --force
hv_stop
