#!/bin/bash
# A party of a move dies in its middle, five times over: the source's hypervisord, the target's, the target's QEMU. Each time the guest goes on, on one
# side, or is started again from its disks; it is never left stopped, never runs twice, and the group can be moved again afterwards.
# needs: lab
. "$(dirname "$0")/lab-functions.sh"

state() { hf "$1" --json group show web | jq -r .state; }
settled() { [ "$(state a1)" = online ] && in_sync a1; }

forgotten() { [ "$(on a1 crm_mon -1f 2>/dev/null | grep -cE 'fail-count|migrate_to|blocked|unmanaged')" = 0 ]; }

runs_once() { [ $(($(qemus a1) + $(qemus b1))) -le 2 ] && [ "$(role a1) $(role b1)" != 'ro:Primary  ro:Primary ' ]; }

# stops_since TIME: how often the group was stopped since then.
stops_since() { hf a1 --json events --since "$1" | jq '[.[] | select(.kind == "group-stopped" and .group == "web")] | length'; }
# kill_when NODE CONDITION PROGRAM: waits on the node for the shell's CONDITION, up to 60 s, and kills the program.
kill_when() {
    # shellcheck disable=SC2016
    on "$1" sh -c 'end=$(($(date +%s) + 60)); until '"$2"'; do [ $(date +%s) -lt $end ] || exit 1; done; kill -9 $(pidof '"$3"')'
}

with_guest
for victim in target-daemon source-daemon target-guest target-daemon source-daemon; do
    from=$(owner a1)
    to=$([ "$from" = a1 ] && echo b1 || echo a1)
    begin=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)
    hf a1 group move web --to "$to" --quick >"$BUILD/move-fails.out" 2>&1 &
    move=$!
    case $victim in
    source-daemon) kill_when "$from" '[ -e /var/lib/holdfast/moves/web.source.json ]' hypervisord ;;
    target-daemon) kill_when "$to" '[ -e /var/lib/holdfast/moves/web.target.json ]' hypervisord ;;
    target-guest) kill_when "$to" '[ -n "$(pidof qemu-system-x86_64)" ]' qemu-system-x86_64 ;;
    esac || note "the $victim was not there to be killed"
    status=0
    wait $move || status=$?
    note "$victim of $from -> $to killed; the move ended with $status: $(tail -n 1 "$BUILD/move-fails.out")"
    runs_once || fail "both sides have the group after the death of the $victim"
    goes_on 120
    eventually 120 "the group is online" settled
    runs_once || fail "both sides have the group after the death of the $victim"
    # The policy forgets the failure a while after it; that must not disturb the guest either.
    eventually 60 "nothing of the failure is left" forgotten
    [ "$(stops_since "$begin")" = 0 ] || fail "the group was stopped because of a failed move"
done
hf a1 group move web --to "$([ "$(owner a1)" = a1 ] && echo b1 || echo a1)" --quick || fail "the group cannot be moved any more"
goes_on 60
judge a1
