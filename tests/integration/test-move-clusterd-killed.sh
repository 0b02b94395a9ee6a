#!/bin/bash
# The clusterd that drives a move dies in its middle, when Pacemaker has heard of the move already: the group ends up on one node, running; nobody has to clear
# anything up, and it can be moved again.
# needs: lab
. "$(dirname "$0")/lab-functions.sh"

placed() { on "$1" sh -c 'cibadmin --query --xpath "//rsc_location[starts-with(@id,\"holdfast-move-\")]" >/dev/null 2>&1'; }
free() { ! placed "$1"; }
settled() { [ "$(hf a1 --json group show web | jq -r .state)" = online ] && in_sync a1; }

with_guest
for round in 1 2; do
    from=$(owner a1)
    to=$([ "$from" = a1 ] && echo b1 || echo a1)
    hf "$from" group move web --to "$to" --quick >"$BUILD/move-killed.out" 2>&1 &
    move=$!
    on "$from" sh -c 'i=0; until cibadmin --query --xpath "//rsc_location[starts-with(@id,\"holdfast-move-\")]" >/dev/null 2>&1; do i=$((i + 1)); [ $i -lt 400 ] || exit 1; done; kill -9 $(pidof clusterd)' \
        || fail "no move was seen in the CIB"
    status=0
    wait $move || status=$?
    [ $status != 0 ] || fail "the command does not know that its clusterd has died"
    note "round $round: the clusterd of $from died; the command said: $(tail -n 1 "$BUILD/move-killed.out")"
    goes_on
    eventually 60 "the move's constraint is gone" free a1
    eventually 60 "the group is online" settled
    note "it is on $(owner a1)"
done
hf a1 group move web --to "$([ "$(owner a1)" = a1 ] && echo b1 || echo a1)" --quick || fail "the group cannot be moved any more"
goes_on
judge a1
