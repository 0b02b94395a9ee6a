#!/bin/bash
# A node takes no more groups at a time than its configuration says: another move that can wait is refused before anything was done, and its guest never
# notices; one of Pacemaker's own, which cannot wait, is taken all the same; and there is room again when a move has ended.
. "$(dirname "$0")/move-functions.sh"

# The second group, with the same guest.
shop() {
    spec | sed -e 's/"web"/"shop"/g' -e 's/"db"/"till"/g' -e 's/db\.disk0/till.disk0/' -e 's/"minor": 0/"minor": 2/' -e 's/"minor": 1/"minor": 3/' \
        -e "s#$WORK/acks#$WORK/acks-shop#" -e 's/6f2d2c0e/7f2d2c0e/'
}
prepare_shop() { # prepare_shop [MORE-FIELDS]
    ask a1 "{\"move_prepare\": {\"spec\": $(shop), \"target\": \"b1\", \"address\": \"${ADDRESS[b1]}\", \"timeout_ms\": 30000, \"kind\": \"quick\"${1:+, $1}}}"
}
shop_runs() { ask a1 '{"vm_show": {"name": "till"}}' | jq -e '.vm.state == "running"'; }

mkdir -p "$WORK/b1"
set_up
kill_daemon b1
printf '[cluster]\nmoves-at-once=1\n' >>"$WORK/b1/holdfast.conf"
start_daemon b1
for node in a1 b1; do
    ask $node "{\"replica_apply\": {\"spec\": $(shop), \"node\": \"$node\"}}" >/dev/null
done
start_group a1 >/dev/null
ask a1 "{\"host_group_start\": {\"spec\": $(shop), \"generation\": $(generation), \"timeout_ms\": 60000, \"node\": \"a1\"}}" >/dev/null
goes_on
prepare a1 b1 quick '"may_wait": true' >/dev/null || fail "the first move cannot be prepared"
! out=$(prepare_shop '"may_wait": true' 2>&1) || fail "b1 takes two groups at a time: $out"
grep -q "takes 1 other group" <<<"$out" || fail "a refusal for want of room says: $out"
shop_runs >/dev/null || fail "the guest of the refused move does not run"
prepare_shop >/dev/null || fail "a move that cannot wait was refused"
ask a1 '{"move_cancel": {"name": "shop"}}' >/dev/null
commit a1 b1 >/dev/null || fail "the first move failed"
runs_on b1 >/dev/null || fail "the first group does not run on b1"
prepare_has_room() { prepare_shop '"may_wait": true'; }
eventually 60 "there is room again" prepare_has_room
ask a1 "{\"move_commit\": {\"spec\": $(shop), \"group\": \"shop\", \"target\": \"b1\", \"address\": \"${ADDRESS[b1]}\", \"timeout_ms\": 30000}}" >/dev/null ||
    fail "the second move failed"
goes_on
for acks in "$WORK/acks" "$WORK/acks-shop"; do
    report=$("$SOURCE/tests/guest/check-acks" "$acks") || fail "$report"
    note "$(jq -c '{acks, lost: (.lost | length)}' <<<"$report")"
done
