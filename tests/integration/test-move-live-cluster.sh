#!/bin/bash
# Live moves there and back on DRBD, through clusterd and Pacemaker: the guest goes on where it was, with the pause by step; Ctrl-C while its memory is copied
# cancels and costs nothing; nothing acknowledged is lost.
# needs: lab
# shellcheck source=tests/integration/lab-functions.sh
. "$(dirname "$0")/lab-functions.sh"
# shellcheck source=tests/integration/move-parties.sh
. "$(dirname "$0")/move-parties.sh"

with_guest
boots=$(reports | jq '.boots | length')
for to in b1 a1; do
    from=$(owner a1)
    [ "$from" != "$to" ] || continue
    result=$(hf b1 --json group move web --to "$to" --live)
    note "moved: $(jq -c '{pause_ms, duration_ms, steps: (.steps | map({(.name): (.ms * 10 | floor / 10)}) | add)}' <<<"$result")"
    jq -e --arg to "$to" '.to == $to and .pause_ms > 0 and .duration_ms >= .pause_ms and ([.steps[].name] | index("demote") and index("promote"))' \
        <<<"$result" >/dev/null || fail "no pause by step in $result"
    owner_is a1 "$to" || fail "the owner is not $to"
    all_secondary "$from" || fail "$from still has a Primary: $(role "$from")"
    [ "$(qemus "$from")" = 0 ] || fail "a QEMU stayed on $from"
    goes_on
done
from=$(owner a1)
to=$([ "$from" = a1 ] && echo b1 || echo a1)
interrupted_move "$from" "$to"
[ "$(reports | jq '.boots | length')" = "$boots" ] || fail "the guest was booted instead of moved"
! on a1 cibadmin --query --scope constraints | grep holdfast-move >/dev/null || fail "a move left its constraint behind"
judge
