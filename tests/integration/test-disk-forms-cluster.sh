#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A guest on a differencing disk and on a qcow2 disk, both replicated: a node that lacks the parent is named by every status, refused by a move and
# passed over by a start; the qcow2 disk grows under the guest; a checkpoint takes a disk out that was added since; a new QEMU comes under
# the guest; and a failover finds it all.
# needs: full
. "$(dirname "$0")/lab-functions.sh"
. "$(dirname "$0")/box-functions.sh"

images=/var/lib/holdfast/images
problems() { hf "$1" --json group show back | jq -r '.problems[]'; }
told() { [[ $(problems "$1") == *"$2"* ]]; }
not_told() { ! told "$@"; }
refused_for() { # refused_for PATTERN COMMAND...
    local pattern=$1 status=0
    shift
    "$@" >"$BUILD/forms.out" 2>&1 || status=$?
    [ $status != 0 ] && [[ $(cat "$BUILD/forms.out") =~ $pattern ]] || fail "$*: $status $(cat "$BUILD/forms.out")"
    note "refused: $(cat "$BUILD/forms.out")"
}
sizes() { hf "$1" --json volume list | jq -r "[.[] | select(.name == \"$2\") | .size_bytes / 1048576] | unique | join(\" \")"; }
volumes() { hf "$1" --json volume list | jq -r '[.[] | select(.group == "back") | .name] | unique | sort | join(" ")'; }
box() { hf "$1" --json vm show box | jq -r "$2"; }
all_in_sync() { hf "$1" --json volume list | jq -e 'length > 0 and all(.[]; .disk == "UpToDate" and .peer_disk == "UpToDate")'; }

trap 'lab down >/dev/null 2>&1 || true' EXIT
lab down >/dev/null 2>&1 || true
lab up >"$BUILD/forms-lab-up.log" 2>&1 || fail "lab up: $(tail -n 5 "$BUILD/forms-lab-up.log")"
for node in a1 b1; do
    on $node sh -c "mkdir -p $images && rm -rf $images/*"
done
on a1 truncate -s 64M $images/base.raw
create() {
    hf b1 vm create box --group back --memory 96 --disk "64M,parent=$images/base.raw,parent-format=raw" --disk 16M,format=qcow2 \
        --kernel "$BUILD/guest/vmlinuz" --initrd "$BUILD/guest/initrd.gz" --append "console=ttyS0 quiet panic=-1" --serial /dev/ttyS1
}
hf a1 group create back --preferred a1,b1 --state-size 64M
refused_for "VM box: its parent: $images/base.raw cannot be opened: .* on node b1: put it there" create
on b1 truncate -s 64M $images/base.raw
refused_for 'image-directory' hf a1 vm create no --group back --memory 16 --disk 1M,parent=/etc/hostname,parent-format=raw
create
hf a1 group start back
back_on b1 a1 || fail "group back is not on a1"
counts a1 120
[ "$(problems a1)" = "$(problems b1)" ] && not_told a1 base.raw || fail "there are problems: $(problems a1)"

note "a node that lacks the parent"
on b1 mv $images/base.raw $images/away.raw
for node in a1 b1; do
    told $node "group back would not start on node b1, because of VM box: its parent: $images/base.raw" || fail "$node tells of $(problems $node)"
done
[[ $(hf a1 cluster status) == *"would not start on node b1"* ]] || fail "the cluster's status does not tell of it"
refused_for 'base.raw cannot be opened' hf a1 group move back --to b1 --live
refused_for 'base.raw cannot be opened' hf a1 group move back --to b1 --quick
back_on a1 a1 || fail "group back is not on a1 after moves that were refused"
counts a1 60
on b1 mv $images/away.raw $images/base.raw
not_told a1 base.raw || fail "a1 tells of $(problems a1)"

note "a qcow2 disk grows on both replicas, under the guest"
before=$(sizes a1 box.disk1)
hf b1 volume grow box.disk1 48M
after=$(sizes a1 box.disk1)
[[ $after != *' '* ]] && [ "$after" -gt "$before" ] || fail "the volume had $before MiB, and has $after"
[ "$(box b1 '.definition.disks[1].size_bytes')" = $((48 << 20)) ] || fail "the definition has another size: $(box b1 '.definition.disks[1]')"
counts a1 60

note "a state volume that is full: the command that the refusal names makes the room"
taken=0
while hf b1 checkpoint take box >"$BUILD/forms.out" 2>&1; do
    taken=$((taken + 1))
    [ $taken -lt 8 ] || fail "eight checkpoints of 96 MiB are in a state volume of $(sizes a1 state) MiB"
done
[[ $(cat "$BUILD/forms.out") =~ \'(holdfast volume grow back.state [0-9]+M)\' ]] || fail "the refusal names no command: $(cat "$BUILD/forms.out")"
note "${BASH_REMATCH[1]}"
read -ra command <<<"${BASH_REMATCH[1]}"
on b1 "${command[@]}"
hf b1 checkpoint take box
counts a1 60
hf b1 checkpoint delete box c1 --subtree

note "a checkpoint takes out a disk that was added since"
hf b1 checkpoint take box --name one
hf b1 vm set box --add-disk 16M,format=qcow2
[ "$(volumes a1)" = "box.disk0 box.disk1 box.disk2 state" ] || fail "there are volumes $(volumes a1)"
refused_for 'is a disk of VM box' hf b1 volume delete box.disk2
[ "$(hf b1 --json checkpoint apply box one | jq -c .detached)" = '["box.disk2"]' ] || fail "the answer does not name the disk"
[ "$(box b1 '[.definition.disks[].name] | join(" ")')" = "disk0 disk1" ] || fail "box has $(box b1 .definition.disks)"
[ "$(volumes b1)" = "box.disk0 box.disk1 box.disk2 state" ] || fail "there are volumes $(volumes b1)"
counts a1 60
hf b1 volume delete box.disk2
[ "$(volumes b1)" = "box.disk0 box.disk1 state" ] || fail "there are volumes $(volumes b1)"
hf b1 checkpoint delete box one

note "a new QEMU on replicated disks"
pid=$(box a1 .pid)
hf b1 vm refresh box
[ "$(box a1 .pid)" != "$pid" ] || fail "box has the same process"
counts a1 60
eventually 60 "all replicas are up to date" all_in_sync a1

note "failover"
boots=$(grep -ac '^BOOT' "$(log a1)" || true)
[ "$boots" = 1 ] || fail "box booted $boots times on a1"
lab kill a1
eventually 120 "the group is online on b1" back_on b1 b1
counts b1 180
on b1 sh -c 'for pid in $(pidof qemu-system-x86_64); do ls -l /proc/$pid/fd; done' | grep -c "$images/base.raw" >/dev/null || fail "the parent is not open on b1"
last=$(grep -a '^ACK' "$(log a1)" | tail -n 1 | cut -d ' ' -f 2)
boot=$(grep -a -m 1 '^BOOT' "$(log b1)")
[[ $boot == *integrity=ok*"gaps=0 bad=0"* ]] && [ "$(sed -n 's/.* last=\([0-9]*\).*/\1/p' <<<"$boot")" -ge "$last" ] ||
    fail "row $last was acknowledged, and $boot"
[ "$(box b1 '.definition.disks[1].size_bytes')" = $((48 << 20)) ] || fail "the disk that grew has another size after the failover"
lab boot a1
eventually 120 "all replicas are up to date" all_in_sync b1

note "a start passes over the node that lacks the parent"
hf b1 group stop back
on b1 mv $images/base.raw $images/away.raw
hf a1 group start back || true
eventually 120 "the group is online on a1" back_on a1 a1
counts a1 180
told a1 "$images/base.raw cannot be opened" || fail "a1 tells of $(problems a1)"
on b1 mv $images/away.raw $images/base.raw
hf a1 group stop back
