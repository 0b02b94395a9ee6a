#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Limits of a disk hold, measured by what a guest that writes as fast as it can gets done; they are changed, taken off, and found again by a
# hypervisord that was killed, while the guest runs. And where the machine cannot keep a setting, it says so.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"
# shellcheck source=tests/integration/boot-sectors.sh
. "$(dirname "$0")/boot-sectors.sh"

# What QEMU has finished for the guest: requests and bytes, by its second monitor.
done_now() {
    printf '%s\n' '{"execute":"qmp_capabilities"}' '{"execute":"query-blockstats"}' |
        socat -t 5 - "UNIX:$dir/run/vms/v/agent.sock" |
        jq -r --unbuffered 'select(.return | type == "array") | .return[] | select(.qdev | tostring | contains("vdisk0")) | .stats
            | "\(.wr_operations) \(.wr_bytes)"' | head -n 1
}
rate() { # rate SECONDS: into ops and bytes, each second in tenths
    local begin ops_before bytes_before passed now
    begin=$(now_ms)
    read -r ops_before bytes_before <<<"$(done_now)"
    while [ "$(now_ms)" -lt $((begin + $1 * 1000)) ]; do moment; done
    now=$(now_ms)
    read -r ops bytes <<<"$(done_now)"
    passed=$((now - begin))
    ops=$(((ops - ops_before) * 10000 / passed))
    bytes=$(((bytes - bytes_before) * 10000 / passed))
}
within() { # within WHAT GOT LIMIT: a tenth around the limit
    note "$1: $(($2 / 10)) each second of $3"
    [ "$2" -ge $(($3 * 9)) ] && [ "$2" -le $(($3 * 11)) ]
}
# holds KIND LIMIT: a second and a third look before it is said to fail: the machine has others to serve
holds() {
    local try
    rate 2 # what a second's burst lets through
    for try in 1 2 3; do
        rate 5
        ! within "$1, look $try" "${!1}" "$2" || return 0
    done
    fail "$1: $((${!1} / 10)) each second, the limit is $2"
}
change() { # change JQ: the definition, while it runs
    local definition
    definition=$(jq -c "{host_vm_update: (.vms[0] | $1)}" "$dir/state/groups/g.json")
    "$BUILD/tests/tools/rpc-call" "$dir/run/hypervisord.sock" 20000 "$definition" >/dev/null
}

# In memory if that takes direct I/O (Linux 6.6): the machine's disk may be anybody's.
volumes=$(mktemp -d /dev/shm/hv.XXXXXX)
cleanup_fn rm -rf "$volumes"
if dd if=/dev/zero of="$volumes/probe" bs=4096 count=1 oflag=direct status=none 2>/dev/null; then
    sed -i "s#^directory=.*#directory=$volumes/volumes#" "$dir/conf"
else
    volumes=$dir
fi
with_small_vm
sector_write "$volumes/volumes/g/1.raw" 8
hf group start g
writes() { rate 1 && [ "$ops" -gt 0 ]; }
wait_until 90 "the guest writes" writes
# Whoever else is busy here must not be what holds it back.
renice -n -20 -g "$(ps -o pgid= -p "$(vm pid)" | tr -d ' ')" >/dev/null 2>&1 || true
rate 4
note "without limits: $((ops / 10)) requests and $((bytes / 10)) bytes each second"
natural=$ops
[ "$natural" -ge 120 ] || { echo "this machine is too slow for a guest that writes 12 times a second"; exit 77; }

# Low, so that the guest could still do more when others have the machine.
limit=$((natural / 30 < 20 ? natural / 30 : 20))
change ".disks[0].limit = {iops: $limit}"
holds ops $limit
hf --json vm show v | jq -e ".disks[0].limit.iops == $limit and .notices == []" >/dev/null || fail "vm show does not tell the limit"
hf vm show v | grep -q "disk share: *disk0, $limit requests/s" || fail "vm show has no line of the limit: $(hf vm show v)"

# A keeper that comes after one that was killed, when somebody has taken the limit off.
hv_kill
printf '%s\n' '{"execute":"qmp_capabilities"}' \
    '{"execute":"block_set_io_throttle","arguments":{"id":"/machine/peripheral/vdisk0/virtio-backend","bps":0,"bps_rd":0,"bps_wr":0,"iops":0,"iops_rd":0,"iops_wr":0}}' |
    socat -t 2 - "UNIX:$dir/run/vms/v/agent.sock" | grep -c '"return"' | grep -qx 2 || fail "the limit could not be taken off behind its back"
more() { rate 1 && [ "$ops" -gt $((limit * 15)) ]; }
wait_until 60 "the limit is off behind its back: more than $limit each second" more
hv_start
holds ops $limit

# Bytes instead: 4096 each request.
bytes_limit=81920
if [ $((natural * 4096 / 10)) -gt $((bytes_limit * 3 / 2)) ]; then
    change ".disks[0].limit = {bytes_per_s: $bytes_limit}"
    holds bytes $bytes_limit
fi
change '.disks[0].limit = null'
wait_until 60 "without limits again: more than $limit each second" more

# A stop is not held up by requests that wait for their turn, nor a start by a limit.
change '.disks[0].limit = {iops: 1}'
before=$(now_ms)
hf vm stop v --force
[ $(($(now_ms) - before)) -lt 8000 ] || fail "a limit held up the stop"
hf vm start v
rate 4
[ "$ops" -lt 40 ] || fail "a limit of one request each second is not there after a start: $ops tenths"
note "a limit of 1 after a start: $ops tenths of requests each second"

# Wrong input.
refused 2 'iops:N, bytes:SIZE' hf vm create w --group g --memory 16 --disk 8M --disk-limit disk0=fast
refused 2 'no disk disk1' hf vm create w --group g --memory 16 --disk 8M --disk-limit disk1=iops:5
refused 2 'too low' hf vm create w --group g --memory 16 --disk 8M --disk-limit disk0=bytes:20
refused 2 'below its floor of 16 MiB' hf vm create w --group g --memory 16 --memory-target 8
refused 2 'more than its limit' hf vm create w --group g --memory 16 --cpu-reserve 50 --cpu-limit 20
cpus=$(nproc)
refused 1 "reserves $((cpus + 1)).00 CPUs \(100 % of $((cpus + 1))\) and node solo has $cpus.00 of its $cpus left" \
    hf vm create w --group g --memory 16 --cpus $((cpus + 1)) --cpu-reserve 100

# Weights that the kernel does not keep are named, with the reason.
change '.disks[0].weight = 300'
if [ ! -e /sys/fs/cgroup/holdfast.slice/vm-v.scope/io.weight ] && [ ! -e /sys/fs/cgroup/holdfast.slice/vm-v.scope/io.bfq.weight ]; then
    [[ $(vm 'notices[]') == *"weights of disks are not in force on node solo: "* ]] || fail "vm show does not tell of weights: $(vm notices)"
    note "$(vm 'notices[]')"
fi

# What the node cannot keep is told, and is no reason not to run.
if ! grep -q cpu /sys/fs/cgroup/cgroup.controllers 2>/dev/null; then
    hf vm create w --group g --memory 16 --cpu-weight 300
    hf vm start w
    hf --json vm show w | jq -e '.notices | length == 1 and (.[0] | test("CPU reserve, limit and weight are not kept on node solo: .*cgroup v2"))' \
        >/dev/null || fail "vm show w does not tell what is not kept: $(vm notices w)"
    grep -q 'not held to all of their settings' "$dir/log" || fail "nothing of it in the log"
    note "$(vm 'notices[0]' w)"
fi
hf group stop g
note "all well"
