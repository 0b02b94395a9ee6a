# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by test-hypervisor-crash-*.sh: kill -9 of hypervisord at every fault point that an operation comes to. The points are found by running the
# operation once, so that none that is added to the code can be forgotten. After its restart state and guest agree, at most one QEMU runs, the next
# operations work, and nothing is left behind: processes, files, mounts, taps, cgroups, descriptors.
# shellcheck shell=bash disable=SC2034,SC2154,SC2206
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "${BASH_SOURCE[0]}")/hypervisor-functions.sh"

at_rest() { vm_is running || vm_is off || vm_is saved || vm_is paused; }
quietly() { "$@" >/dev/null 2>&1; }

# ---- the operations: what each begins with, and what is done

begin_with() { # running | off | saved | paused | offline
    group_is online || quietly hf group start g
    if [ "$1" = offline ]; then
        vm_is running || quietly hf vm start v
        quietly hf group stop g
        return
    fi
    case $1 in
    running) vm_is running || quietly hf vm start v ;;
    off) vm_is off || quietly hf vm stop v --force ;;
    saved) vm_is saved || { quietly hf vm start v; quietly hf vm save v; } ;;
    paused) vm_is paused || { quietly hf vm start v; quietly hf vm pause v; } ;;
    esac
    vm_is "$1" || fail "the VM is $(vm state) and was to be $1"
}
operations=("offline group start g" "off vm start v" "running vm stop v --force" "running vm stop v --timeout 1" "running vm save v" "saved vm start v"
    "running vm pause v" "paused vm resume v" "running vm reset v" "paused vm save v" "running group stop g" "paused group stop g")

# ---- what must be the same before and after

listing() { # a state that was used may stay until the next save or start, if hypervisord died between its use and its removal
    find "$dir/run" "$dir/state" "$dir/volumes" -mindepth 1 \( -name '*.jsonl' -o -name '*.blackbox' -o -name 'generation' -o -name '*.used' \) -prune -o -printf '%P\n' | sort
    grep -F "$dir" /proc/self/mounts || true
    find /sys/fs/cgroup/holdfast.slice -mindepth 1 -maxdepth 1 -type d 2>/dev/null || true
    qemus
    find /sys/class/net -name 'hf*' 2>/dev/null | sort
}
descriptors() { find "/proc/$hv_pid/fd" -mindepth 1 2>/dev/null | wc -l; }
settle() { # the group offline, its VM off and without a saved state
    quietly hf group start g
    vm_is off || hf vm stop v --force >/dev/null || fail "it cannot be stopped while it is $(vm state)"
    hf group stop g >/dev/null || fail "the group cannot be stopped"
}

# What fails in here must be seen: only what goes well is kept quiet.
restart() {
    hv_gone || hv_stop >/dev/null
    hv_start >/dev/null
}
answers_or_gone() { hv_gone || quietly hf vm list; }
restart_with() { # VARIABLE=VALUE, with which it may die before it answers
    hv_gone || hv_stop >/dev/null
    export "${1?}"
    hv_launch
    unset "${1%%=*}"
    wait_until 60 "hypervisord answers or has died of $1" answers_or_gone >/dev/null
}

points_of() { # OPERATION: $dir/points gets the fault points that it comes to, each once
    local words=($1)
    begin_with "${words[0]}"
    restart_with "HOLDFAST_FAULT_TRACE=$dir/trace"
    : >"$dir/trace"
    quietly hf "${words[@]:1}" || true
    sort -u "$dir/trace" >"$dir/points"
    [ -s "$dir/points" ] || fail "no fault point in: $1"
    restart
    settle
}

crash_at() { # POINT OPERATION
    local point=$1 words=($2) pid
    restart
    begin_with "${words[0]}"
    pid=$(vm pid)
    restart_with "HOLDFAST_FAULT=$point"
    hv_gone || quietly hf "${words[@]:1}" || true
    for _ in 1 2 3 4 5 6 7 8; do hv_gone || moment; done
    if ! hv_gone; then # it was on its way here, not now: the trace's run came to it in another way
        note "not reached: $point in ${words[*]:1}"
        unreached=$((unreached + 1))
    fi
    restart
    wait_until 90 "$point in ${words[*]:1} (from ${words[0]}): at rest" at_rest
    [ "$(qemus | wc -l)" -le 1 ] || fail "$(qemus | wc -l) QEMUs run"
    wait_until 60 "$point in ${words[*]:1}: state and QEMU agree" agree
    # What the operation does not end is the same guest as before.
    case ${words[*]:1} in
    "vm pause v" | "vm resume v" | "vm reset v") [ "$(vm pid)" = "$pid" ] || fail "the guest was ended by a ${words[2]}" ;;
    esac
    settle
    count=$((count + 1))
    listing >"$dir/after"
    diff "$dir/before" "$dir/after" || fail "something was left behind or lost"
    [ "$(descriptors)" -le "$((open + 2))" ] || fail "$(descriptors) descriptors are open, $open at first"
}

shuffled() { # by the seed
    sort -R --random-source=<(openssl enc -aes-256-ctr -pass "pass:$seed" -nosalt </dev/zero 2>/dev/null)
}

crash_at_points_of() { # OPERATION, FILTER of its points
    local points point
    points_of "$1"
    mapfile -t points < <("${@:2}" <"$dir/points")
    for point in "${points[@]}"; do
        crash_at "$point" "$1"
    done
}
judge_matrix() { # at least so many places, one in so many of them not reached
    note "$count places, $unreached not reached"
    [ "$count" -ge "$1" ] || fail "only $count places to die at were found"
    [ "$unreached" -le $((count / $2)) ] || fail "$unreached of $count points were not reached"
    hf group delete g --force
    hv_stop
}

prepare_matrix() {
    unreached=0 count=0
    with_small_vm
    hf group start g >/dev/null
    settle
    restart
    settle
    listing >"$dir/before"
    open=$(descriptors)
}
