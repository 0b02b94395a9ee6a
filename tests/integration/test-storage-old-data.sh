#!/bin/bash
# Old data is not started: a replica whose peer vanished is promoted only if it was seen connected and UpToDate at that moment, or if the
# record names it and its own metadata agrees; a node that boots alone waits. What comes back is resynced, and that is told.
# needs: own-lab
# shellcheck source=tests/integration/storage-lab.sh
. "$(dirname "$0")/storage-lab.sh"

make_group
tool a1 promote
lab exec b1 "mkfifo /run/input; (tail -f /dev/null >/run/input &) </dev/null >/dev/null 2>&1
    setsid $TOOL /var/lib/holdfast/web.json b1 watch </run/input >/run/events 2>&1 &"
events() { lab exec b1 cat /run/events; }
told() { events | grep -qF "$1"; }
eventually 60 "b1 watches" lab exec b1 'ls /run/holdfast/storage/web.json'

# The owner is lost (and fenced, says the handler): b1 saw it happen.
fill a1
lab kill a1
tool b1 promote
same "the handler was asked" fence-peer "$(lab exec b1 'sort -u /var/log/handlers')"
told "the replica on b1 lost its peer a1; it is UpToDate" || fail "the loss is no event: $(events)"
case $(tool b1 problems) in
*"is not connected to a1 since 20"*) ;;
*) fail "the loss is no problem: $(tool b1 problems)" ;;
esac
fill b1 32
newest=$(sum b1)

# a1 comes back: Secondary, resynced from b1.
boot() {
    lab boot "$1"
    handlers "$1"
    tool "$1" bring-up
}
boot a1
eventually 90 "a1 is in sync again" in_sync a1
same "a1 came back as" Secondary "$(roles a1)"
eventually 60 "the handlers around the resync were called" lab exec a1 'grep -q before-resync-target /var/log/handlers && grep -q after-resync-target /var/log/handlers'
eventually 60 "b1 says that it is connected" told "the replica on b1 is connected to a1 and UpToDate"

# b1 alone writes on; then b1 is lost and a1, which has the older data, boots first.
lab kill a1
eventually 60 "b1 sees the loss" status_is b1 .connection Connecting
eventually 60 "b1 may write" status_is b1 .suspended false
fill b1 32 100
newest=$(sum b1)
lab kill b1
boot a1
same "what a1's DRBD thinks" Consistent "$(status a1 .disk)"
refused 4 "it waits for b1, away since 20" a1 promote
refused 4 "it waits for b1" a1 may-promote
refused 4 "only b1 has current data" a1 may-promote b1
# The record in its old CIB names a1, but its metadata knows nothing of it.
refused 4 "the record may be an old one" a1 may-promote a1
same "nothing was promoted" Secondary "$(roles a1)"
tool a1 may-promote force

# b1, alone after a reboot, needs the record, and then its metadata agrees. Without it it waits too.
lab kill a1
boot b1
refused 4 "it waits for a1" b1 may-promote
tool b1 promote b1
same "the newest data" "$newest" "$(sum b1)"
boot a1
eventually 90 "a1 is in sync again" in_sync a1
tool b1 demote
tool a1 promote
same "the newest data on a1" "$newest" "$(sum a1)"

# A cut link: the owner's writes wait for the handler; b1, still UpToDate, is not promoted while the handler says no.
lab exec b1 "sed -i 's/exit 7/exit 1/' /usr/lib/holdfast/drbd-fence-peer"
lab exec a1 "sed -i 's/exit 7/exit 1/' /usr/lib/holdfast/drbd-fence-peer"
lab cut a b
eventually 60 "a1 sees the cut" status_is a1 .connection Connecting
eventually 60 "b1 sees the cut" status_is b1 .connection Connecting
refused 4 "neither connected nor proved to be gone" b1 promote
same "b1" Secondary "$(roles b1)"
lab heal
eventually 90 "all is well after the cut" in_sync a1
eventually 60 "writes go on" status_is a1 .suspended false
