#!/bin/bash
# Any node takes any request: all that is done to a guest is asked of the node that does not own it: pause, resume, save, reset, stop and start of its
# group, its console; events are followed on the other node; a node is fenced by request, and is not confirmed down while it is up.
# needs: lab
. "$(dirname "$0")/lab-functions.sh"

vm_is() { [ "$(hf b1 --json vm show db | jq -r .state)" = "$1" ]; }
stands_still() { local now; now=$(acked); never 4 "the guest writes" acked_over $((now + 2)); }

with_guest
note "events are followed on b1"
lab exec b1 holdfast --json events --follow >"$BUILD/passed-on.events" &
follower=$!
trap 'kill $follower 2>/dev/null || true' EXIT

hf b1 vm pause db
eventually 60 "the guest is paused" vm_is paused
stands_still
hf b1 vm resume db
goes_on

hf b1 vm save db
eventually 60 "the guest is saved" vm_is saved
stands_still
hf b1 vm start db
goes_on

hf b1 group stop web
group_is() { [ "$(hf a1 --json group show web | jq -r .state)" = "$1" ]; }
eventually 60 "the group is offline" group_is offline
eventually 60 "a1 has let the group's volumes go" all_secondary a1
hf b1 group start web
goes_on
owner_is b1 a1 || hf b1 group move web --to a1 --quick

hf b1 vm reset db
goes_on

note "the console, through b1"
(read -rt 3 <> <(:) || true; printf '\r\n') | timeout 15 "$SOURCE/deploy/lab/lab" exec b1 holdfast vm console db >"$BUILD/passed-on.console" 2>&1 || true
grep -qi 'not found\|cannot\|no such' "$BUILD/passed-on.console" && fail "the console: $(head -n 1 "$BUILD/passed-on.console")"

note "fencing by request"
status=0
hf a1 node confirm-down b1 2>"$BUILD/passed-on.out" || status=$?
[ $status = 4 ] || fail "a node that is up was confirmed down: $status"
hf a1 node fence b1
eventually 60 "b1 is back" node_is a1 b1 online
eventually 90 "both replicas are up to date" in_sync a1
goes_on
kill $follower 2>/dev/null || true
hf b1 --json events | jq -e '[.[] | select(.kind == "node-fenced" and .node == "b1")] | length > 0' >/dev/null || fail "b1 does not know that it was fenced"
grep -q '"admin"' "$BUILD/passed-on.events" || fail "nothing was seen by following the events: $(head -n 3 "$BUILD/passed-on.events")"
judge a1
