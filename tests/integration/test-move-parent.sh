#!/bin/bash
# A guest on a differencing disk moves there and back, live too: the parent is open, and only to be read, on the side where the guest runs, and the
# guest keeps what it wrote over it. Where the parent is missing a move is refused before anything has begun, and the group is not started.
export DISK_FORMAT=qcow2
. "$(dirname "$0")/move-functions.sh"

parent=$WORK/parent.raw
truncate -s 64M "$parent"
sum=$(sha256sum <"$parent")
export SPEC_CHANGE='.vms[0].disks[0] += {parent: "'$parent'", parent_format: "raw"} | .group.volumes[1].thin = true'

begin_on_a1
from=a1 to=b1
for kind in live quick; do
    open_on $from "$parent" || fail "the parent is not open on $from"
    move_to $from $to $kind
    eventually 60 "the move has ended" no_move $from
    open_on $to "$parent" || fail "the parent is not open on $to"
    ! open_on $from "$parent" || fail "the parent is still open on $from"
    goes_on
    note "a $kind move from $from to $to"
    read -r from to <<<"$to $from"
done
mv "$parent" "$parent.away"
for kind in live quick; do
    ! answer=$(prepare $from $to $kind 2>&1) || fail "a $kind move to a node without the parent is prepared"
    [[ $answer == *"VM db: its parent: $parent cannot be opened: No such file or directory on node $to: put it there"* ]] ||
        fail "the refusal of a $kind move is: $answer"
    eventually 90 "nothing is left of a $kind move" no_move $from
    eventually 90 "nothing is left of a $kind move on $to" no_move $to
done
runs_on $from >/dev/null || fail "the guest does not run on $from"
goes_on 60
stop_group $from >/dev/null # saved
! answer=$(start_group $from 2>&1) || fail "the group is started without the parent"
[[ $answer == *"group web could not be started on node $from: VM db: its parent: $parent cannot be opened"*"on node $from: put it there"* ]] ||
    fail "the refusal of a start is: $answer"
mv "$parent.away" "$parent"
start_group $from >/dev/null
goes_on
stop_group $from >/dev/null
[ "$(sha256sum <"$parent")" = "$sum" ] || fail "the parent was written"
[ "$(reports | jq '.lost | length')" = 0 ] || fail "rows are lost: $(reports)"
