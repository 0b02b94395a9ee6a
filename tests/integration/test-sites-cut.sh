#!/bin/bash
# The two sites lose each other under load: exactly one side goes on, the other reboots itself and comes back as Secondary.
# needs: lab
. "$(dirname "$0")/lab-functions.sh"

one_owner() {
    local a b
    a=$(qemus a1)
    b=$(qemus b1)
    [ $((${a:-0} + ${b:-0})) -le 1 ]
}
boot_id() { on "$1" cat /proc/sys/kernel/random/boot_id 2>/dev/null || true; }
one_rebooted() { [ -n "$(boot_id a1)" ] && [ -n "$(boot_id b1)" ] && { [ "$(boot_id a1)" != "$a_boot" ] || [ "$(boot_id b1)" != "$b_boot" ]; }; }

with_guest
a_boot=$(boot_id a1) b_boot=$(boot_id b1)
lab cut a b
goes_on
one_owner || fail "the guest runs on both sides"
eventually 120 "one side has rebooted" one_rebooted
one_owner || fail "the guest runs on both sides"
[ "$(boot_id a1)" = "$a_boot" ] || [ "$(boot_id b1)" = "$b_boot" ] || fail "both sides rebooted"
lab heal
winner=a1 loser=b1
[ "$(boot_id a1)" = "$a_boot" ] || winner=b1 loser=a1
note "$winner went on, $loser rebooted"
eventually 120 "$loser is back" node_is $winner $loser online
eventually 120 "both replicas are up to date" in_sync $winner
online_on $winner $winner || fail "the group is not online on $winner"
all_secondary $loser || fail "$loser came back as $(role $loser)"
judge $winner
