#!/bin/bash
# Each hypervisord dies at each state of a move of KIND (before and after its journal entry), and both one after the other where one death leads to the other's state. After its restart the
# guest runs on exactly one side, goes on counting, has lost nothing, and can be moved again. The guest's QEMU dies on either side too.
. "$(dirname "$0")/move-functions.sh"
KIND=${KIND:-quick}

cases=(
    source:prepared source:before-quiesce source:quiesce source:before-released source:released source:before-done source:done source:before-end
    target:preparing target:prepared target:before-taking target:taking target:before-committed target:committed target:before-running target:running
    "target:taking source:back" "target:taking source:before-end" "target:committed source:before-done" "target:running source:done"
)

if [ "$KIND" = live ]; then
    cases+=(source:before-precopy source:precopy target:before-precopy target:precopy "target:precopy source:precopy")
fi

# All of them in ./check --full; else half, by a seed.
if [ "${HOLDFAST_CHECK-}" != full ]; then
    : "${HOLDFAST_SEED:=$$}"
    note "HOLDFAST_SEED=$HOLDFAST_SEED"
    mapfile -t cases < <(printf '%s\n' "${cases[@]}" |
        sort -R --random-source=<(openssl enc -aes-256-ctr -pass "pass:$HOLDFAST_SEED" -nosalt </dev/zero 2>/dev/null) | head -n $((${#cases[@]} / 2)))
fi

runs_once() {
    local count=0
    ! runs_on a1 >/dev/null 2>&1 || count=$((count + 1))
    ! runs_on b1 >/dev/null 2>&1 || count=$((count + 1))
    [ $count = 1 ]
}
settled() { runs_once && [[ $(move_state a1) =~ none|running ]] && [[ $(move_state b1) =~ none|running ]]; }
owner() { if runs_on a1 >/dev/null 2>&1; then echo a1; else echo b1; fi; }
alive() { kill -0 "${DAEMON[$1]}" 2>/dev/null; }
restart_with() { # restart_with NODE [FAULT]
    kill_daemon "$1" 2>/dev/null
    start_daemon "$1" ${2:+"HOLDFAST_FAULT=move:$2"}
}
begin_on_a1
from=a1 to=b1
for faults in "${cases[@]}"; do
    for fault in $faults; do
        case $fault in
        source:*) restart_with $from "$fault" ;;
        target:*) restart_with $to "$fault" ;;
        esac
    done
    before=$(acked)
    { prepare $from $to "$KIND" && commit $from $to; } >"$WORK/answer" 2>&1 &
    move=$!
    for fault in $faults; do
        case $fault in
        source:*) node=$from ;;
        target:*) node=$to ;;
        esac
        eventually 90 "$node has died at $fault" eval "! alive $node"
        start_daemon "$node"
    done
    wait $move || true
    eventually 60 "after $faults the guest runs on one side" settled
    ! running_twice || fail "after $faults the guest runs twice"
    eventually 60 "after $faults the guest goes on" acked_over $((before + 5))
    note "$faults: $from -> $to, now on $(owner): $(tail -n 1 "$WORK/answer" | cut -c1-120)"
    from=$(owner)
    to=$([ "$from" = a1 ] && echo b1 || echo a1)
done

for side in from to; do
    prepare $from $to "$KIND" >/dev/null
    pid=$(jq -r .pid "$WORK/${!side}/run/vms/db/guest.json")
    kill -9 "$pid"
    commit $from $to >"$WORK/answer" 2>&1 || true
    eventually 60 "after the death of the QEMU on $side the guest runs on one side" settled
    goes_on
    note "QEMU on ${!side} killed: $(tail -n 1 "$WORK/answer" | cut -c1-120)"
    from=$(owner)
    to=$([ "$from" = a1 ] && echo b1 || echo a1)
done
prepare $from $to "$KIND" >/dev/null && commit $from $to >/dev/null || fail "the group cannot be moved any more"
goes_on
stop_group $to >/dev/null
start_group $to >/dev/null
goes_on
report=$("$SOURCE/tests/guest/check-acks" "$WORK/acks") || fail "$report"
note "$(jq -c '{acks, lost: (.lost | length), boots: (.boots | length)}' <<<"$report")"
