#!/bin/bash
# Definitions change while the cluster runs: a VM with a disk joins a group that is online and leaves it again, a group comes and goes, a fence device
# is tested, taken away and put back; each node tells the same, and nothing is left behind.
# needs: lab
. "$(dirname "$0")/lab-functions.sh"

vm_state() { hf "$1" --json vm show "$2" | jq -r .state; }
vm_is() { [ "$(vm_state "$1" "$2")" = "$3" ]; }
volumes() { hf "$1" --json volume list | jq -r '[.[].name] | unique | join(" ")'; }
logical_volumes() { on "$1" lvs --noheadings -o lv_name holdfast | tr -d ' ' | sort | tr '\n' ' '; }

with_guest
before_a1=$(logical_volumes a1) before_b1=$(logical_volumes b1)

note "a VM with a disk of its own comes into the group that runs, asked of the node that does not own it"
hf b1 vm create extra --group web --memory 48 --disk 16M --disk 8M --kernel "$BUILD/guest/vmlinuz" --initrd "$BUILD/guest/initrd.gz" --append "console=ttyS0 quiet panic=-1"
vm_is a1 extra off || fail "the new VM is $(vm_state a1 extra) and not off"
[ "$(role a1)" = 'ro:Primary ' ] || fail "the new volume did not follow the others to a1: $(role a1)"
eventually 90 "both replicas are up to date" in_sync b1
hf b1 vm start extra
eventually 60 "the new VM runs" vm_is b1 extra running
goes_on
status=0
hf a1 vm delete extra 2>"$BUILD/definitions.out" || status=$?
[ $status = 4 ] || fail "a VM that runs was deleted, or not refused as unsafe: $status: $(cat "$BUILD/definitions.out")"
hf a1 vm stop extra --force
vm_is b1 extra off || fail "the VM that was stopped is $(vm_state b1 extra)"
hf b1 vm delete extra
[ "$(volumes a1)" = "db.disk0 state" ] || fail "the deleted VM left volumes: $(volumes a1)"
goes_on

note "a group comes and goes"
hf b1 group create spare --preferred b1,a1 --state-size 32M
hf a1 --json group show spare | jq -e '.state == "offline" and .possible == ["b1","a1"]' >/dev/null || fail "the new group is not as it was asked for"
hf a1 group delete spare
status=0
hf b1 group show spare 2>/dev/null || status=$?
[ $status = 3 ] || fail "the deleted group is still known on b1"
[ "$(logical_volumes a1)" = "$before_a1" ] || fail "a1 has other logical volumes than before: $(logical_volumes a1)"
[ "$(logical_volumes b1)" = "$before_b1" ] || fail "b1 has other logical volumes than before: $(logical_volumes b1)"

note "the CPU model of new VMs"
cluster_says() { hf a1 --json cluster status | jq -e "$1"; }
eventually 60 "both nodes have said which CPU models they can run" cluster_says '.cpu_baseline != "" and all(.nodes[]; .cpu_models | length > 0)'
hf b1 cluster set --cpu-model baseline
cluster_says '.cpu_model == .cpu_baseline' >/dev/null || fail "the cluster's model is not the baseline: $(hf a1 cluster status)"
hf b1 vm create modelled --group web --memory 16
[ "$(hf a1 --json vm show modelled | jq -r .definition.cpu_model)" = "$(hf a1 --json cluster status | jq -r .cpu_model)" ] || fail "the new VM has another model"
hf a1 vm delete modelled
status=0
hf a1 cluster set --cpu-model nosuch 2>"$BUILD/definitions.out" || status=$?
[ $status = 1 ] && grep -q 'cannot run the CPU model nosuch' "$BUILD/definitions.out" || fail "a model that nobody knows: $status: $(cat "$BUILD/definitions.out")"
hf a1 cluster set --cpu-model host
cluster_says '.cpu_model == ""' >/dev/null || fail "the cluster's model is still set"

note "fence devices"
hf a1 --json fence list | jq -e '[.[].node] | sort == ["a1","b1"]' >/dev/null || fail "not both nodes have a fence device"
key=$(cat "$LAB_DIR/bmc.key")
! hf a1 --json fence list | grep -F "$key" >/dev/null || fail "the list of fence devices shows the key"
hf b1 fence test a1
hf a1 fence test b1
status=0
hf a1 fence add b1 fence_holdfast_lab ip=10.0.2.250 key=wrong 2>"$BUILD/definitions.out" || status=$?
[ $status = 1 ] || fail "a fence device that does not work was added: $status"
hf a1 fence test b1 || fail "the working device was lost"

note "both nodes tell the same story"
a1_events=$(hf a1 --json events | jq -r '.[].id' | sort) b1_events=$(hf b1 --json events | jq -r '.[].id' | sort)
missing=$(comm -3 <(echo "$a1_events") <(echo "$b1_events") | wc -l)
[ "$missing" -le 2 ] || fail "$missing events are known to one node only"
last=$(hf a1 --json events | jq -r '.[-2].id')
[ "$(hf a1 --json events --since "$last" | jq length)" -ge 1 ] || fail "nothing comes after the last event but one"
judge a1
