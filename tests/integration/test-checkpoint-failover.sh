#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Checkpoints on replicated volumes: taken on one site, listed and applied on the other after the first one's node was lost, and back again after a
# quick move. The guest's memory fits its database each time, and its configuration is the one of the checkpoint, in the cluster too.
# needs: full
. "$(dirname "$0")/lab-functions.sh"
. "$(dirname "$0")/box-functions.sh"

last_row() { grep -ah '^ACK' "$(log "$1")" | tail -n 1 | cut -d ' ' -f 2; }
box_is() { [ "$(hf "$1" --json vm show box | jq -r .state)" = "$2" ]; }
names() { hf "$1" --json checkpoint list box | jq -r '[.[] | .name] | join(" ")'; }
# The first row after line NUMBER of what NODE's serial port has said, the lines of a present that is gone apart.
first_row_after() { grep -a '^ACK' "$(log "$1")" | sed -n "$(($2 + 1))p" | cut -d ' ' -f 2; }
# set_to NODE CHECKPOINT LEAST MOST: it counts on from a row between the two
set_to() {
    local node=$1 before row
    hf "$node" vm pause box
    before=$(lines_of "$node")
    hf "$node" checkpoint apply box "$2"
    box_is "$node" running || fail "box is not running after apply"
    counts "$node" 60
    row=$(first_row_after "$node" "$before")
    [ "$row" -gt "$3" ] && [ "$row" -le "$4" ] || fail "set to $2 (rows $3 to $4), box counts on with row $row"
    note "set to $2 on $node: on with row $row"
}

# What the definition says, asked of the other node than the one that has the guest: weight of its processors, NICs; and what its QEMU has.
configured() { # configured NODE OTHER WEIGHT NICS
    local there
    there=$(hf "$2" --json vm show box | jq -c '[.definition.control.cpu_weight // 0, (.definition.nics | length)]')
    [ "$there" = "[$3,$4]" ] || fail "after $1 is set the cluster has $there, not [$3,$4]"
    [ "$(hf "$1" --json vm show box | jq -c .pending)" = '[]' ] || fail "pending on $1: $(hf "$1" --json vm show box | jq -c .pending)"
    [ "$(on "$1" cat /run/holdfast/vms/box/running.json | jq '[.nics[] | select(.network != "")] | length')" = "$4" ] ||
        fail "on $1 its QEMU has other NICs than $4"
}

state_mib() { hf "$1" --json volume list | jq '[.[] | select(.group == "back" and .name == "state") | .size_bytes][0] / 1048576'; }

# A lab of its own: its nodes have no memory for a second guest beside the one of the other tests.
trap 'lab down' EXIT
lab down
lab up
hf a1 group create back --preferred a1,b1 --state-size 64M
hf a1 vm create box --group back --memory 96 --disk 64M --checkpoints --kernel "$BUILD/guest/vmlinuz" \
    --initrd "$BUILD/guest/initrd.gz" --append "console=ttyS0 quiet panic=-1" --serial /dev/ttyS1
# Room for its saved state and for a checkpoint was made with it.
[ "$(state_mib a1) $(state_mib b1)" = "224 224" ] || fail "the state volume has $(state_mib a1) MiB on a1, $(state_mib b1) on b1"
hf a1 group start back
back_on a1 a1 || fail "group back is not on a1"
counts a1 120
early=$(last_row a1)
hf a1 checkpoint take box --name early
early_end=$(($(last_row a1) + 2))
counts a1 60
# A second one does not fit: the figures, and the guest runs on. Where more memory is wanted there is more room, while the group runs.
status=0
refusal=$(hf a1 checkpoint take box --name late 2>&1) || status=$?
[ $status = 1 ] && [[ "$refusal" == *"MiB free; the memory of VM box needs up to "* ]] || fail "a checkpoint without room: $status, $refusal"
note "$refusal"
counts a1 60
hf a1 vm set box --memory 160
[ "$(state_mib a1) $(state_mib b1)" = "352 352" ] || fail "the state volume has $(state_mib a1) MiB on a1, $(state_mib b1) on b1"
hf a1 vm set box --memory 96
hf a1 volume grow back.state 400M
[ "$(state_mib a1) $(state_mib b1)" = "400 400" ] || fail "the state volume has $(state_mib a1) MiB on a1, $(state_mib b1) on b1"
hf a1 vm set box --cpu-weight 300 --add-nic user
configured a1 b1 300 1
late=$(last_row a1)
hf a1 checkpoint take box --name late
late_end=$(($(last_row a1) + 2))
counts a1 60
pauses=$(hf a1 --json events | jq -c '[.[] | select(.kind == "checkpoint-taken" and .vm == "box") | .pause_ms | round]')
note "box stood still for $pauses ms"
jq -e 'length == 2 and all(.[]; . < 1000)' <<<"$pauses" >/dev/null || fail "it stood still for $pauses ms"

lab kill a1
eventually 90 "group back is online on b1" back_on b1 b1
[ "$(names b1)" = "early late" ] || fail "on b1 there are: $(names b1)"
counts b1 120
set_to b1 early "$early" "$early_end"
configured b1 b1 0 0

lab boot a1
eventually 90 "a1 is online" node_is b1 a1 online
eventually 120 "both replicas are up to date" in_sync b1
hf b1 group move back --to a1 --quick
back_on a1 a1 || fail "group back is not on a1"
counts a1 60
set_to a1 late "$late" "$late_end"
configured a1 b1 300 1
hf a1 checkpoint delete box early --subtree
[ "$(names a1)" = "" ] || fail "left is: $(names a1)"
counts a1 60
hf a1 group stop back
hf a1 group delete back --force
