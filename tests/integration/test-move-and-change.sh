#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A VM's definition is not changed while its group is prepared for a move, or moving: it is refused and says why. A move waits for a change that has begun;
# Pacemaker's own move, which cannot wait, goes on.
. "$(dirname "$0")/move-functions.sh"

change() { # change NODE PHASE [RESTART-LIMIT]
    ask "$1" "{\"host_vm_change\": {\"phase\": \"$2\", \"vm\": $(spec | jq -c ".vms[0] | .restart_limit = ${3:-16}")}}"
}
refused() { # refused PATTERN COMMAND...
    local pattern=$1 answer
    shift
    ! answer=$("$@" 2>&1) || fail "$* was not refused"
    [[ "$answer" == *"$pattern"* ]] || fail "$* says: $answer"
    note "refused: $answer"
}

give_up() {
    cancel a1 >/dev/null
    eventually 60 "nothing is left of the move on a1" no_move a1
    eventually 60 "nothing is left of the move on b1" no_move b1
}

set_up
start_group a1 >/dev/null
goes_on

# Prepared, and copying while the guest runs.
for kind in quick live; do
    prepare a1 b1 $kind '"may_wait": true' >"$WORK/prepared" 2>&1 || fail "no $kind move: $(cat "$WORK/prepared")"
    for phase in check remove; do
        refused "is being moved to node b1" change a1 $phase 5
    done
    give_up
done

# A move waits for a change, and takes its result along.
change a1 check 5 >/dev/null || fail "the change is refused"
prepare a1 b1 quick '"may_wait": true' >"$WORK/prepared" 2>&1 &
waiting=$!
change a1 remove 5 >/dev/null || fail "the change is refused half way"
kill -0 $waiting 2>/dev/null || fail "the move did not wait: $(cat "$WORK/prepared")"
no_move a1 || fail "the move was prepared during a change"
change a1 apply 5 >/dev/null || fail "the change is refused at its end"
wait $waiting || fail "the move that waited failed: $(cat "$WORK/prepared")"
give_up

# One that is given up lets the next move go at once; one that nobody ends does not hold up Pacemaker's.
change a1 check >/dev/null || fail "the change is refused"
change a1 abandon >/dev/null || fail "the change cannot be given up"
prepare a1 b1 quick '"may_wait": true' >/dev/null || fail "no move after a change that was given up"
give_up
change a1 check >/dev/null || fail "the change is refused"
commit a1 b1 >/dev/null || fail "a move of Pacemaker's was held up by a change"
runs_on b1 >/dev/null || fail "the guest does not run on b1"
goes_on
! running_twice || fail "the guest runs twice"
report=$("$SOURCE/tests/guest/check-acks" "$WORK/acks") || fail "$report"
note "$(jq -c '{acks, lost: (.lost | length)}' <<<"$report")"
