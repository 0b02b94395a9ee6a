#!/bin/bash
# A quick move there and back: the owner changes, the disks are Primary on one side only, the guest goes on where it was (no boot), and
# nothing it acknowledged is lost. The answer and the event have the pause by step.
# needs: lab
. "$(dirname "$0")/lab-functions.sh"

with_guest
boots=$(reports | jq '.boots | length')
for target in b1 a1 b1 a1; do
    result=$(hf b1 --json group move web --to $target --quick)
    note "moved: $result"
    [ "$(jq -r .to <<<"$result")" = $target ] || fail "the answer names another target: $result"
    jq -e '.pause_ms > 0 and .duration_ms >= .pause_ms and (.steps | length) >= 5' <<<"$result" >/dev/null || fail "no pause by step in $result"
    owner_is a1 $target || fail "the owner is not $target"
    other=$([ $target = a1 ] && echo b1 || echo a1)
    all_secondary $other || fail "$other still has a Primary: $(role $other)"
    [ "$(qemus $other)" = 0 ] || fail "a QEMU stayed on $other"
    goes_on
done
[ "$(reports | jq '.boots | length')" = "$boots" ] || fail "the guest was booted instead of moved"
hf a1 --json events | jq -e '[.[] | select(.kind == "move" and .group == "web" and .pause_ms > 0)] | length >= 4' >/dev/null || fail "the events miss a move"
! on a1 cibadmin --query --scope constraints | grep holdfast-move >/dev/null || fail "a move left its constraint behind"
judge
