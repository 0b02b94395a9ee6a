#!/bin/bash
# A party of a move dies in its middle, ten times over: the source's hypervisord, the target's, the target's QEMU. Each time the guest goes on, on one
# side, or is started again from its disks; it is never left stopped, never runs twice, and the group can be moved again afterwards.
# needs: lab
. "$(dirname "$0")/lab-functions.sh"

state() { hf "$1" --json group show web | jq -r .state; }
settled() { [ "$(state a1)" = online ] && in_sync a1; }

runs_once() { [ $(($(qemus a1) + $(qemus b1))) -le 2 ] && [ "$(role a1) $(role b1)" != 'ro:Primary  ro:Primary ' ]; }

with_guest
for victim in target-daemon source-daemon target-guest target-daemon source-daemon; do
    from=$(owner a1)
    to=$([ "$from" = a1 ] && echo b1 || echo a1)
    hf a1 group move web --to "$to" --quick >"$BUILD/move-fails.out" 2>&1 &
    move=$!
    case $victim in
    source-daemon) on "$from" sh -c 'i=0; while [ ! -e /var/lib/holdfast/moves/web.source.json ] && [ $i -lt 300000 ]; do i=$((i + 1)); done; kill -9 $(pidof hypervisord)' || true ;;
    target-daemon) on "$to" sh -c 'i=0; while [ ! -e /var/lib/holdfast/moves/web.target.json ] && [ $i -lt 300000 ]; do i=$((i + 1)); done; kill -9 $(pidof hypervisord)' || true ;;
    target-guest) on "$to" sh -c 'i=0; while [ -z "$(pidof qemu-system-x86_64)" ] && [ $i -lt 300 ]; do i=$((i + 1)); done; kill -9 $(pidof qemu-system-x86_64)' || true ;;
    esac
    status=0
    wait $move || status=$?
    note "$victim of $from -> $to killed; the move ended with $status: $(tail -n 1 "$BUILD/move-fails.out")"
    runs_once || fail "both sides have the group after the death of the $victim"
    goes_on 120
    eventually 120 "the group is online" settled
    runs_once || fail "both sides have the group after the death of the $victim"
done
hf a1 group move web --to "$([ "$(owner a1)" = a1 ] && echo b1 || echo a1)" --quick || fail "the group cannot be moved any more"
goes_on 60
judge a1
