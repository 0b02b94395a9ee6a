#!/bin/bash
# A guest on a differencing disk moves there and back, live too: the parent is open, and only to be read, on the side where the guest runs, and the
# guest keeps what it wrote over it.
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
stop_group $from >/dev/null # saved
start_group $from >/dev/null
goes_on
stop_group $from >/dev/null
[ "$(sha256sum <"$parent")" = "$sum" ] || fail "the parent was written"
[ "$(reports | jq '.lost | length')" = 0 ] || fail "rows are lost: $(reports)"
