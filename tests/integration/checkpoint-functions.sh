# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by test-checkpoint-*.sh: what a guest that counts must be like after it was set to a checkpoint, and what must not be left behind.
# shellcheck shell=bash
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "${BASH_SOURCE[0]}")/hypervisor-functions.sh"
requires qemu-img
state=$dir/volumes/g/state
volume=$dir/volumes/g/1.raw

checkpoints() { hf --json checkpoint list "${2:-v}" | jq -r "$1"; }
last_event() { hf --json events | jq -r "[.[] | select(.kind == \"$1\")] | last | .$2"; }
last_ack() { awk '/^ACK/ { n = $2 } END { print n + 0 }' "$dir/report"; }
pause_is_short() {
    local ms
    ms=$(last_event checkpoint-taken pause_ms)
    note "the guest stood still for $ms ms"
    awk -v ms="$ms" 'BEGIN { exit !(ms < 1000) }' || fail "the guest stood still for $ms ms"
}
declare -A first last # rows that were acknowledged before and after a checkpoint was taken
take() {
    first[$1]=$(last_ack)
    hf checkpoint take v --name "$1"
    last[$1]=$(last_ack)
    if vm_is running; then pause_is_short; fi
}
# It counts on from where it was when the checkpoint was taken, in its memory and in its database.
counts_on_from() {
    local n
    goes_on
    n=$(awk '/^ACK/ { print $2; exit }' "$dir/report")
    [ "$n" -gt "${first[$1]}" ] && [ "$n" -le $((${last[$1]} + 2)) ] ||
        fail "after checkpoint $1 (rows ${first[$1]} to ${last[$1]}) the guest counts on with row $n"
    [ "$(lines BOOT)" = 0 ] || fail "the guest booted"
    [ "$(lines FAIL)" = 0 ] || fail "the guest says: $(grep ^FAIL "$dir/report")"
}
apply() {
    hf vm show v >/dev/null
    hf vm pause v 2>/dev/null || true # what it writes now is of the present
    : >"$dir/report"
    hf checkpoint apply v "$@"
}
# It shuts down and boots: the database holds what it acknowledged, whole.
database_is_whole() {
    local boot n
    n=$(last_ack)
    hf vm stop v
    qemu-img check -q -f qcow2 "$volume" || fail "the image is not sound"
    : >"$dir/report"
    hf vm start v
    goes_on
    boot=$(grep -m 1 ^BOOT "$dir/report")
    [[ "$boot" == *"integrity=ok"*"gaps=0 bad=0"* ]] || fail "the database after row $n: $boot"
    [ "$(sed -n 's/.* last=\([0-9]*\).*/\1/p' <<<"$boot")" -ge "$n" ] || fail "row $n was acknowledged, and $boot"
}
# Exactly what the list names is there: memory and snapshots.
nothing_leaks() {
    local listed kept snapshots
    listed=$(checkpoints '.[] | select(.memory) | .id' | sort)
    kept=$(find "$state" -name 'v.memory-*' -printf '%f\n' | sed 's/v.memory-//' | sort)
    [ "$listed" = "$kept" ] || fail "memory is kept of ($kept), and listed are ($listed)"
    listed=$(checkpoints '.[].id' | sort)
    snapshots=$(qemu-img snapshot -U -l "$volume" | awk '$2 ~ /^holdfast-/ { sub("holdfast-", "", $2); print $2 }' | sort)
    [ "$listed" = "$snapshots" ] || fail "the disk has snapshots ($snapshots), and listed are ($listed)"
}
