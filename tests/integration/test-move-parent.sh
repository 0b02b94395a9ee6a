#!/bin/bash
# A guest on a differencing disk moves there and back, live too: the parent is open, and only to be read, on the side where the guest runs, and the
# guest keeps what it wrote over it.
export DISK_FORMAT=qcow2
. "$(dirname "$0")/move-functions.sh"

parent=$WORK/parent.raw
truncate -s 64M "$parent"
sum=$(sha256sum <"$parent")
eval "plain_$(declare -f spec)"
spec() {
    plain_spec | jq -c --arg parent "$parent" '.vms[0].disks[0] += {parent: $parent, parent_format: "raw"} | .group.volumes[1].thin = true'
}
pid_on() { jq -r .pid "$WORK/$1/run/vms/db/guest.json" 2>/dev/null || true; }
parent_open_on() { # by its QEMU there
    local fd
    for fd in /proc/"$(pid_on "$1")"/fd/*; do
        if [ "$(readlink "$fd")" = "$parent" ]; then
            return 0
        fi
    done
    return 1
}

set_up
start_group a1 >/dev/null
goes_on 150
from=a1 to=b1
for kind in live quick; do
    parent_open_on $from || fail "the parent is not open on $from"
    answer=$(prepare $from $to $kind) || fail "a $kind move cannot be prepared: $answer"
    commit $from $to >/dev/null || fail "a $kind move failed"
    runs_on $to >/dev/null || fail "the guest does not run on $to"
    eventually 30 "the moves have ended" no_move $from
    parent_open_on $to || fail "the parent is not open on $to"
    ! parent_open_on $from || fail "the parent is still open on $from"
    goes_on 90
    note "a $kind move from $from to $to"
    read -r from to <<<"$to $from"
done
stop_group $from >/dev/null # saved
start_group $from >/dev/null
goes_on 90
stop_group $from >/dev/null
[ "$(sha256sum <"$parent")" = "$sum" ] || fail "the parent was written"
[ "$(reports | jq '.lost | length')" = 0 ] || fail "rows are lost: $(reports)"
