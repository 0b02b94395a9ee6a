#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What is typed reaches the daemon as the request that it means. TAP.
# shellcheck source=tests/ctl/ctl-lib.sh
. "$(dirname "$0")/ctl-lib.sh"

sends() { # sends JQ-CONDITION ARGS...: the last request fulfils the condition
    local condition=$1
    shift
    run "$@"
    request | jq -e "$condition" >/dev/null
    ok $? "holdfast $* sends: $condition"
}

start_answers
sends '.cluster_init == {name: "plant", node: "a1", site: "a", address: "10.0.1.11", witness: "10.0.3.1:5403", token_ms: 1500}' \
    cluster init plant --node a1 --site a --address 10.0.1.11 --witness 10.0.3.1:5403 --token-timeout 1500
sends '.cluster_join_via == {address: "10.0.1.11", token: "dG9rZW4=", node: "b1", site: "b", own_address: "10.0.1.21"}' \
    cluster join 10.0.1.11 --node b1 --site b --address 10.0.1.21 --token dG9rZW4=
echo dG9rZW4= | hf cluster join 10.0.1.11 --node b1 --site b --address 10.0.1.21 --token - >"$dir/out" 2>"$dir/err"
[ "$(request | jq -r .cluster_join_via.token)" = dG9rZW4= ]
ok $? "the token is read from stdin"
sends '.cluster_set == {cpu_model: "baseline"}' cluster set --cpu-model baseline
sends '.node_confirm_down.name == "b1"' node confirm-down b1
sends '.node_fence.name == "b1"' node fence b1
sends '.fence_add | .node == "a1" and .agent == "fence_ipmilan" and .options == ["ip=10.0.2.11", "password=a=b c"]' \
    fence add a1 fence_ipmilan ip=10.0.2.11 "password=a=b c"
sends '.group_create | .state_bytes == 536870912 and (.group | .name == "web" and .storage == "drbd" and .preferred == ["a1", "b1"]
    and .possible == ["a1", "b1", "a2"] and ([.replicas[].node] == ["a1", "b1"]))' \
    group create web --preferred a1,b1 --possible a1,b1,a2 --replicas a1,b1 --state-size 512M
sends '.group_create.group | .storage == "file" and .directory == "/srv/vms" and .replicas == []' \
    group create web --storage file --directory /srv/vms --possible a1
sends '.group_move == {name: "web", to: "b1", kind: "quick", no_wait: true, max_pause_ms: 0, bandwidth: 0}' group move web --to b1 --quick --no-wait
sends '.group_move | .kind == "live" and .max_pause_ms == 200 and .bandwidth == 10485760' group move web --live --max-pause 200 --bandwidth 10M
sends '.group_move | .to == "" and .no_wait == false' group move web
sends '.group_start == {name: "web", force_old_data: true, no_wait: false}' group start web --force-old-data --yes
sends '.group_old_data.name == "web"' group start web --force-old-data
sends '.group_delete == {name: "web", force: true}' group delete web --force
sends '.vm_create.vm | .name == "db" and .group == "web" and .cpus == 2 and .memory_mib == 2048 and .kernel == "/k" and .initrd == "/i"
    and .append == "console=ttyS0 quiet" and ([.disks[] | [.name, .size_bytes]] == [["disk0", 67108864], ["disk1", 1073741824]])
    and [.nics[].network] == ["user"] and [.serials[].path] == ["/dev/ttyS0", "/tmp/x"] and .offline_action == "turn-off"
    and .restart_limit == 5 and .restart_period_s == 120 and .target == "running"' \
    vm create db --group web --cpus 2 --memory 2G --kernel /k --initrd /i --append "console=ttyS0 quiet" --disk 64M --disk 1G --nic user \
    --serial /dev/ttyS0 --serial /tmp/x --offline-action turn-off --restart-limit 5 --restart-period 2m
sends '.vm_create.vm | .cpus == 1 and .disks == [] and .offline_action == "save" and .restart_limit == 3 and .restart_period_s == 900' \
    vm create db --group web --memory 64
sends '[.vm_create.vm.disks[] | [.size_bytes, .format]] == [[67108864, "qcow2"], [1048576, "raw"]]' \
    vm create db --group web --memory 64 --disk 64M,format=qcow2 --disk 1M,format=raw
sends '[.vm_create.vm.disks[].format] == ["qcow2", "qcow2"]' vm create db --group web --memory 64 --disk 64M --disk 1M --checkpoints
sends '.vm_create.vm | .control == null and ([.disks[] | [.limit, .weight]] == [[null, 0]])' vm create db --group web --memory 64 --disk 1G
sends '.vm_create.vm | .control == {cpu_reserve: 20, cpu_limit: 50, cpu_weight: 300, memory_max_mib: 4096, memory_floor_mib: 512,
    memory_target_mib: 1024, cpus_max: 0} and .disks[0].limit == {iops: 500, bytes_per_s: 20971520} and .disks[0].weight == 0
    and .disks[1].limit == {iops: 0, bytes_per_s: 0} and .disks[1].weight == 300 and .nics[0].limit_bytes_per_s == 1048576' \
    vm create db --group web --memory 2G --disk 1G --disk 1G --nic user --cpu-reserve 20 --cpu-limit 50 --cpu-weight 300 --memory-max 4G \
    --memory-floor 512 --memory-target 1G --disk-limit disk0=iops:500,bytes:20M --disk-limit disk1=none --disk-weight disk1=300 \
    --nic-limit nic0=1M
sends '.group_create.group | [.live_policy, .max_pause_ms] == ["give-up", 0]' group create web --live-policy give-up
sends '.group_set | .set_live_policy and .live_policy == "quick" and .set_max_pause and .max_pause_ms == 300 and (.set_preferred or .set_possible | not)' \
    group set web --live-policy quick --max-pause 300
sends '.vm_stop == {name: "db", force: false, timeout_s: 120}' vm stop db --timeout 2m
sends '.vm_stop == {name: "db", force: true, timeout_s: 0}' vm stop db --force
for verb in start save pause resume reset delete; do
    sends ".vm_$verb.name == \"db\"" vm $verb db
done
sends '.vm_clone == {name: "db", clone: "two", linked: true}' vm clone db two --linked
sends '.vm_template == {name: "db", template: true}' vm template db
sends '.vm_export | [.name, .directory] == ["db", "/srv/x"]' vm export db /srv/x
sends '.vm_import == {directory: "/srv/x", group: "web", name: "db2", keep_identity: true}' vm import /srv/x --group web --name db2 --keep-identity
sends '.vm_create.vm.disks[0] | [.thin, .format] == [true, "raw"]' vm create db --group web --memory 64 --disk 1G,thin
sends '.vm_create.vm.disks[0] | [.parent, .parent_format, .format] == ["/b", "raw", "qcow2"]' vm create db --group web --memory 64 --disk 1G,parent=/b,parent-format=raw
sends '.volume_grow | [.volume, .size_bytes] == ["db.disk0", 42949672960]' volume grow db.disk0 40G
sends '.volume_import | [.volume, .path, .format, .spec] == ["db.disk0", "/a.vhdx", "vhdx", null]' volume import db.disk0 /a.vhdx --format vhdx
sends '.volume_export | [.volume, .path, .format, .spec] == ["db.disk0", "/a.vmdk", "vmdk", null]' volume export db.disk0 /a.vmdk --format vmdk
sends '.checkpoint_take == {vm: "db", name: "x"}' checkpoint take db --name x
sends '.checkpoint_list.name == "db"' checkpoint list db
sends '.checkpoint_apply == {vm: "db", checkpoint: "c3", take_first: true}' checkpoint apply db c3 --take-first
sends '.checkpoint_apply == {vm: "db", checkpoint: "", take_first: false}' checkpoint revert db
sends '.checkpoint_delete == {vm: "db", checkpoint: "x", subtree: true}' checkpoint delete db x --subtree
sends '.volume_show.name == "db.disk0"' volume show db.disk0
sends '.events == {since: "2025-11-23T03:00:00.000Z", follow: false, limit: 7}' events --since 2025-11-23T04:00:00+01:00 --limit 7
sends '.events == {since: "a1-17", follow: true, limit: 0}' events --follow --since a1-17
finish
