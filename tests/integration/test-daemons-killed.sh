#!/bin/bash
# kill -9 of each daemon on the owner: hypervisord and clusterd leave the guest alone and know it again; pacemakerd and corosync may cost the node,
# but the guest never runs twice and loses nothing.
# needs: lab
. "$(dirname "$0")/lab-functions.sh"

guest_pid() { hf b1 --json vm show db | jq -r .pid; }
same_guest() { [ "$(guest_pid)" = "$1" ]; }
runs_once() { [ $(($(qemus a1) + $(qemus b1))) -le 1 ]; }
healthy() { node_is b1 a1 online && node_is a1 b1 online && in_sync b1 && [ "$(hf b1 --json group show web | jq -r .state)" = online ]; }

with_guest
pid=$(guest_pid)
on a1 sh -c 'kill -9 $(pidof hypervisord)'
goes_on
eventually 90 "hypervisord knows the same guest again" same_guest "$pid"

on a1 sh -c 'kill -9 $(pidof clusterd)'
goes_on
eventually 90 "clusterd answers for the same guest again" same_guest "$pid"

for daemon in pacemakerd corosync; do
    on a1 sh -c "kill -9 \$(pidof $daemon)"
    for _ in 1 2 3 4 5; do
        runs_once || fail "the guest runs twice after the death of $daemon"
        goes_on
    done
    eventually 180 "the cluster is whole again after the death of $daemon" healthy
    runs_once || fail "the guest runs twice after the death of $daemon"
done
judge b1
