#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Weight, limit and reserve of processors hold between busy guests, measured by what their virtual processors got; all changed while they run, and
# found again by a hypervisord that was killed. In a node of the lab, because its kernel has cgroup v2 to itself.
# needs: own-lab
# shellcheck source=tests/integration/control-functions.sh
. "$(dirname "$0")/control-functions.sh"
# shellcheck source=tests/integration/boot-sectors.sh
. "$(dirname "$0")/boot-sectors.sh"

on sh -c 'mkdir -p /state/t && cat >/state/t/conf' <<'END'
[node]
name=solo
[storage]
directory=/state/t/volumes
[hypervisor]
memory-reserve-mib=64
END
# One visit for several things: each costs a fraction of a second.
on sh -c 'cat >/state/t/lib' <<'END'
start_hv() {
    setsid "$BUILD/hypervisord" --standalone --config /state/t/conf --run-dir /run/hv --state-dir /state/t/state >>/state/t/log 2>&1 </dev/null &
    echo $! >/state/t/pid
    tries=0
    until "$BUILD/holdfast" --socket /run/hv/hypervisord.sock vm list >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || { cat /state/t/log; exit 1; }
        read -rt 0.1 <> <(:) || true
    done
}
pid_of() {
    local text
    text=$(</run/hv/vms/"$1"/guest.json)
    text=${text#*\"pid\":}
    echo "${text%%,*}"
}
# The virtual processors' stat files, once for all: what is read in the window must not fork, which is dear here.
threads() { # threads VM: into files_VM
    local task comm
    declare -ga "files_$1=()"
    for task in /proc/"$(pid_of "$1")"/task/*; do
        read -r comm <"$task/comm"
        case $comm in
        CPU*) declare -ga "files_$1+=($task/stat)" ;;
        esac
    done
}
used() { # used VM: into sum, hundredths of a second
    local -n files=files_$1
    local file text words
    sum=0
    for file in "${files[@]}"; do
        read -r text <"$file"
        read -ra words <<<"${text##*) }"
        sum=$((sum + words[11] + words[12]))
    done
}
measure() { # measure SECONDS VM...: percent of one processor each, with one digit, as JSON
    local window=$1 vm out='' begin passed n
    local -A before after
    shift
    for vm; do threads "$vm"; done
    begin=${EPOCHREALTIME/./}
    for vm; do used "$vm" && before[$vm]=$sum; done
    read -rt "$window" <> <(:)
    passed=$(((${EPOCHREALTIME/./} - begin) / 1000))
    for vm; do used "$vm" && after[$vm]=$sum; done
    for vm; do
        n=$(((after[$vm] - before[$vm]) * 10000 / passed))
        out+="${out:+,}\"$vm\":$((n / 10)).$((n % 10))"
    done
    echo "{$out}"
}
END
node() { on env BUILD="$BUILD" bash -c ". /state/t/lib; $1"; }
measure() { node "measure $*"; }
# holds WHAT CONDITION SECONDS VM...: a jq condition on the percents; more looks before it is said to fail, since the host is not ours alone
holds() {
    local what=$1 condition=$2 got
    shift 2
    for _ in 1 2 3 4; do
        got=$(measure "$@")
        note "$what: $got"
        ! jq -e "$condition" <<<"$got" >/dev/null || return 0
    done
    fail "$what: $got, which is not $condition"
}
change() { # change VM JQ: its definition, while it runs
    local definition
    definition=$(node "cat /state/t/state/groups/g.json" | jq -c "{host_vm_update: (.vms[] | select(.name == \"$1\") | $2)}")
    on "$BUILD/tests/tools/rpc-call" /run/hv/hypervisord.sock 20000 "$definition" >/dev/null
}

node start_hv
hf group create g
for vm in a b; do
    hf vm create $vm --group g --memory 16 --disk 1M
done
sector_spin "$LAB_DIR/spin"
on sh -c 'cat >/state/t/spin; for n in 1 2; do dd if=/state/t/spin of=/state/t/volumes/g/$n.raw conv=notrunc status=none; done' <"$LAB_DIR/spin"
hf group start g
change a '.control = {cpu_weight: 100}'
change b '.control = {cpu_weight: 300}'
holds "weights 1:3" '.b / .a > 2.7 and .b / .a < 3.3 and .a + .b > 60' 6 a b

change a '.control = {cpu_limit: 25}'
hf vm pause b
holds "a limit of 25 %, nobody else busy" '.a > 22.5 and .a < 27.5' 6 a
hf vm resume b
holds "a limit of 25 % beside a busy neighbour" '.a > 20 and .a < 27.5 and .b > 50' 4 a b

# b weighs ten thousand times as much, and somebody else is busy too.
change a '.control = {cpu_reserve: 60, cpu_weight: 1}'
change b '.control = {cpu_weight: 10000}'
busy=$(on sh -c 'setsid sh -c "while :; do :; done" >/dev/null 2>&1 </dev/null & echo $!')
holds "a reserve of 60 % beside two busy neighbours" '.a > 58 and .b > 15' 6 a b
on kill "$busy"
hf vm pause a
holds "what is reserved and not used is lent" '.a < 1 and .b > 80' 3 a b
hf vm resume a

# A reserve that the node cannot give.
hf vm create c --group g --memory 16 --disk 1M --cpu-reserve 50
status=0
words=$(hf vm start c 2>&1) || status=$?
[ $status = 1 ] && grep -q 'reserves 0.50 CPUs (50 % of 1) and node solo has 0.40 of its 1 left' <<<"$words" || fail "vm start c: $status: $words"
note "refused: $words"
! words=$(change b '.control = {cpu_reserve: 41}' 2>&1) || fail "a reserve of 41 % beside one of 60 %"
grep -q 'has 0.40 of its 1 left' <<<"$words" || fail "a reserve of 41 %: $words"
[ "$(hf --json vm show b | jq .control.cpu_reserve)" = 0 ] || fail "what was refused was kept"

# The keeper is killed, somebody takes the limit off, the next one puts it on again.
change a '.control = {cpu_limit: 25}'
change b '.control = null'
node 'kill -9 "$(cat /state/t/pid)"; echo max >/sys/fs/cgroup/holdfast.slice/vm-a.scope/cpu.max; mkdir /sys/fs/cgroup/holdfast.slice/vm-gone.scope
    cat /proc/"$(pid_of a)"/cgroup >/sys/fs/cgroup/cgroup.procs 2>/dev/null || echo "$(pid_of a)" >/sys/fs/cgroup/cgroup.procs; start_hv'
holds "the limit after hypervisord's death" '.a > 20 and .a < 27.5 and .b > 50' 4 a b
on sh -c 'tail -n 8 /state/t/log'
hf vm show a
hf --json vm show a | jq -e '.control.cpu_limit == 25 and .notices == [] and .cpu_seconds > 1 and .memory_used_mib > 20' >/dev/null || fail "vm show a"

hf group stop g
left=$(on sh -c 'ls -d /sys/fs/cgroup/holdfast.slice/*.scope 2>/dev/null' || true)
same "scopes after the stop" "" "$left"
note "all well"
