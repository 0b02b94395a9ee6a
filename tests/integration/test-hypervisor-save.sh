#!/bin/bash
# A guest that writes is saved and restored: it goes on where it was, under the same boot, paused if it was, and has lost nothing. A saved state that
# is damaged, cut or too old is refused and the guest boots from its disks. A full state volume leaves the guest running.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"
requires python3

volumes=$dir/small
mkdir "$volumes"
mount -t tmpfs -o size=400m none "$volumes"
cleanup_fn umount -l "$volumes"
with_guest_vm --storage file --directory "$volumes"
saved=$volumes/g/state/v.saved
hf group start g
goes_on

same_boot() { [ "$(lines BOOT)" = "$1" ] || fail "the guest booted: it was not restored"; }
boots=$(lines BOOT)
for round in 1 2 3; do
    hf vm save v
    vm_is saved || fail "the VM is $(vm state)"
    [ -z "$(qemus)" ] || fail "a QEMU is left"
    [ -s "$saved" ] || fail "no saved state"
    if [ "$round" = 2 ]; then # the group goes and comes: a VM that was saved by hand stays saved
        hf group stop g
        hf group start g
        vm_is saved || fail "a VM that was saved by hand is $(vm state)"
    fi
    hf vm start v
    [ ! -e "$saved" ] || fail "the saved state is still there beside the running guest"
    goes_on
    same_boot "$boots"
done
hf group stop g
vm_is saved || fail "not saved with its group"
hf group start g
goes_on
same_boot "$boots"

# A guest that was paused stays so: nobody but who paused it lets it run.
hf vm pause v
hf vm save v
hf vm start v
vm_is paused || fail "a guest that was saved paused is $(vm state)"
hv_kill
hv_start
vm_is paused || fail "a guest that was restored paused is $(vm state) after hypervisord was killed"
hf vm save v
hf group stop g
hf group start g
hf vm start v
vm_is paused || fail "a guest that was saved paused again is $(vm state)"
hf vm resume v
goes_on
same_boot "$boots"

# An old state beside disks that have gone on is never used.
hf vm save v
cp "$saved" "$dir/old"
hf vm start v
goes_on
hf vm stop v --force
cp "$dir/old" "$saved"
hf vm start v
goes_on
[ "$(lines BOOT)" = $((boots + 1)) ] || fail "an old saved state was restored"
hf --json events | jq -e '.[] | select(.kind == "vm-state-refused")' >/dev/null || fail "nobody was told of the old state"
rm -f "$volumes/g/state/v.refused" "$dir/old"
judge

damage() {
    case $1 in
    content) printf 'XXXX' | dd of="$saved" bs=1 seek=1000000 conv=notrunc status=none ;;
    head) printf 'XXXX' | dd of="$saved" bs=1 seek=100 conv=notrunc status=none ;;
    end) truncate -s -1 "$saved" ;;
    esac
}
for how in content head end; do
    boots=$(lines BOOT)
    hf vm save v
    damage "$how"
    hf vm start v
    vm_is running || fail "the VM is $(vm state)"
    goes_on
    [ "$(lines BOOT)" = $((boots + 1)) ] || fail "a state with a damaged $how was restored"
    [ -e "$volumes/g/state/v.refused" ] || fail "the refused state was not kept"
    rm "$volumes/g/state/v.refused"
done
judge

# No room: the guest runs on and the message has the figures.
boots=$(lines BOOT)
room=$(df --output=avail -k "$volumes" | tail -n 1)
fallocate -l $((room - 4096))K "$volumes/ballast"
refused 1 'could not be saved and runs on.*MiB are missing' hf vm save v
vm_is running || fail "the VM is $(vm state) after a save that failed"
goes_on
same_boot "$boots"
[ ! -e "$saved" ] && [ ! -e "$volumes/g/state/v.saving" ] || fail "half a saved state is left"
rm "$volumes/ballast"
hf vm save v
hf vm start v
goes_on
same_boot "$boots"

# The power button.
hf vm stop v
vm_is off || fail "the VM is $(vm state)"
[ "$(lines STOP)" -ge 1 ] || fail "the guest was not asked to shut down"
hf vm start v
goes_on
judge

# The guest's own way out: nobody asked hypervisord, so it stays off and the group is well.
printf '%s\n' '{"execute":"qmp_capabilities"}' '{"execute":"system_powerdown"}' |
    socat -t 2 - "UNIX-CONNECT:$dir/run/vms/v/agent.sock" >/dev/null
wait_until 60 "a guest that shuts itself down is off" vm_is off
[[ "$(vm reason)" == *"shut itself down"* ]] || fail "the reason is: $(vm reason)"
group_is online || fail "the group is not online"
hv_kill
hv_start
vm_is off || fail "a guest that shut itself down was started again"
hf group stop g
hf group start g
goes_on
judge
hf group stop g
hf group delete g --force
hv_stop
