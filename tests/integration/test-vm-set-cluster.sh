#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# vm set of a running, replicated VM: processors, memory, a new disk on DRBD and a NIC, as the guest sees them; after the loss of its node it comes back
# on the other one with all of it and with its data; the disk goes again on both nodes. It is refused while the group is being moved. group set changes who
# owns it first.
# needs: full
# shellcheck source=tests/integration/lab-functions.sh
. "$(dirname "$0")/lab-functions.sh"
# shellcheck source=tests/integration/move-parties.sh
. "$(dirname "$0")/move-parties.sh"

marks=0
# What COMMAND prints in the guest that runs on NODE.
inside() { # inside NODE COMMAND
    local node=$1 log=/run/holdfast/vms/db/console.log from
    marks=$((marks + 1))
    from=$(on "$node" stat -c %s "$log")
    said() { on "$node" tail -c "+$((from + 1))" "$log" | tr -d '\r'; }
    marked() { said | grep -x "END-$marks"; }
    {
        printf '%s; echo E""ND-%s\n' "$2" "$marks"
        eventually 60 "the guest has done: $2" marked >&2
    } | on "$node" socat - UNIX-CONNECT:/run/holdfast/vms/db/console.sock >/dev/null
    said | grep -v 'E""ND-' | sed "/^END-$marks\$/,\$d" | sed 's/^# //'
}
show() { hf "$1" --json vm show db | jq -c "$2"; }
nothing_pending() { [ "$(show "$1" .pending)" = '[]' ] || fail "pending on $1: $(show "$1" .pending)"; }
sees_disks() { [ "$(inside "$1" 'ls /sys/class/block' | grep -o 'vd[a-z]' | tr '\n' ' ')" = "$2" ]; }
total_mib() { inside "$1" 'cat /proc/meminfo' | awk '/MemTotal/ { print int($2 / 1024) }'; }
has_memory() { # MIB more than at first, but for the book-keeping
    local now
    now=$(total_mib "$1")
    [ "$now" -gt $((first_mib + $2 - 8)) ] && [ "$now" -le $((first_mib + $2 + 4)) ]
}
volumes() { hf "$1" --json volume list | jq -r '[.[] | select(.group == "web") | .name] | unique | join(" ")'; }
is_as_set() { # is_as_set NODE: what vm show says
    [ "$(show "$1" '[.cpus, .memory_mib, (.disks | length), (.nics | length), .state]')" = '[2,160,2,1,"running"]' ] ||
        fail "on $1 vm show says $(show "$1" '[.cpus, .memory_mib, (.disks | length), (.nics | length), .state]')"
    nothing_pending "$1"
}
refused_while_moved() {
    local said
    ! said=$(hf a1 vm set db --restart-limit 6 2>&1) || fail "vm set was not refused while the group is being moved"
    [[ "$said" == *"is being moved"* ]] || fail "vm set during a move says: $said"
    [ "$(show a1 .definition.restart_limit)" = "$first_limit" ] || fail "a change that was refused is in the definition"
    note "refused: $said"
}
says_moving() { [ "$(hf a1 --json group show web | jq -r .state)" = moving ]; }

trap 'lab down' EXIT
lab down
lab up
hf a1 group create web --preferred a1,b1
hf a1 vm create db --group web --memory 128 --memory-max 256 --cpus 1 --cpus-max 2 --disk 64M --kernel "$BUILD/guest/vmlinuz" \
    --initrd "$BUILD/guest/initrd.gz" --append "console=ttyS0 quiet panic=-1 memhp_default_state=online rate=20 swiotlb=noforce shell" --serial /dev/ttyS0
hf a1 group start web
online_on a1 a1 || fail "the group is not on a1"
goes_on

# While it is being moved: while its memory is copied, which is given up then; and while Pacemaker moves it.
first_limit=$(show a1 .definition.restart_limit)
[ "$first_limit" = 3 ] || fail "the restart limit is $first_limit"
interrupted_move a1 b1 refused_while_moved
arm b1 stop target:taking
lab exec a1 holdfast group move web --to b1 --quick >"$BUILD/vm-set-move.out" 2>&1 &
mover=$!
eventually 120 "the move has come to its last phase" was_hit b1
eventually 60 "group show says that it is being moved" says_moving
refused_while_moved
# shellcheck disable=SC2016
on b1 sh -c 'kill -CONT $(pidof hypervisord)'
wait $mover || note "its target stood still for too long: $(tail -n 1 "$BUILD/vm-set-move.out")"
eventually 120 "the group has come to rest" settled
[ "$now_on" = a1 ] || hf a1 group move web --to a1 --quick
goes_on
hf a1 vm set db --restart-limit 6
[ "$(show a1 .definition.restart_limit)" = 6 ] || fail "vm set did nothing after the moves"

# While it runs.
first_mib=$(total_mib a1)
hf a1 vm set db --cpus 2 --memory 160 --add-disk 16M --add-nic user
is_as_set a1
eventually 90 "the guest sees the new disk" sees_disks a1 "vda vdb "
eventually 90 "the guest has 32 MiB more" has_memory a1 32
inside a1 'echo 1 >/sys/devices/system/cpu/cpu1/online' >/dev/null
[ "$(inside a1 nproc)" = 2 ] || fail "the guest sees $(inside a1 nproc) processors"
[ "$(inside a1 'ls /sys/class/net' | grep -c eth)" = 1 ] || fail "the guest sees no NIC"
inside a1 'dd if=/dev/urandom of=/dev/vdb bs=64k count=32 conv=fsync' >/dev/null
sum=$(inside a1 'sha256sum /dev/vdb')
[ "${#sum}" -gt 64 ] || fail "the new disk cannot be read: $sum"
[ "$(volumes b1)" = "db.disk0 db.disk1 state" ] || fail "on b1 there are volumes $(volumes b1)"
in_sync a1 || fail "the new disk is not in sync"
goes_on

# Its node is lost.
lab kill a1
eventually 90 "the group is online on b1" online_on b1 b1
goes_on
is_as_set b1
[ "$(inside b1 nproc)" = 2 ] || fail "on b1 the guest sees $(inside b1 nproc) processors"
sees_disks b1 "vda vdb " || fail "on b1 the guest does not see two disks"
[ "$(inside b1 'sha256sum /dev/vdb')" = "$sum" ] || fail "the new disk has other data on b1"
# What needs no node beside this one goes on without the other; a volume does not.
hf b1 vm set db --restart-limit 5
! hf b1 vm set db --add-disk 16M || fail "a disk was added without its replica"
nothing_pending b1

# Out again, on both nodes, and a move after it.
lab boot a1
eventually 90 "a1 is online" node_is b1 a1 online
eventually 90 "both replicas are up to date" in_sync b1
hf b1 vm set db --remove-disk disk1 --yes
eventually 90 "the guest has one disk" sees_disks b1 "vda "
for node in a1 b1; do
    [ "$(volumes $node)" = "db.disk0 state" ] || fail "on $node there are volumes $(volumes $node)"
    [ "$(on $node lvs --noheadings -o lv_name holdfast | wc -w)" = 2 ] || fail "on $node the volume of the disk is left"
done
hf b1 vm set db --memory 192
hf b1 group move web --to a1 --quick
online_on a1 a1 || fail "the group is not on a1"
goes_on
[ "$(show a1 '[.cpus, .memory_mib, (.disks | length)]')" = '[2,192,1]' ] || fail "after the move: $(show a1 .)"
nothing_pending a1

# Who owns it.
hf a1 group set web --preferred b1,a1
[ "$(hf b1 --json group show web | jq -c .preferred)" = '["b1","a1"]' ] || fail "group set did not change the preferred owners"
owner_is a1 a1 || fail "group set moved the group"
status=0
hf a1 group set web --preferred b1 --possible b1 || status=$?
[ $status = 4 ] || fail "the owner could be taken out of the possible owners"
judge a1
hf a1 group stop web
hf a1 group delete web --force
