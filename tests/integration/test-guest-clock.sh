#!/bin/bash
# A guest's clock stands still while the guest does. When it goes on, after a pause, a move or from a saved state, its agent sets the clock: from the
# machine's clock, or to the time it is told where the guest has no program for that.
export APPEND="clock hwclock=2 agent=1000000"
. "$(dirname "$0")/move-functions.sh"

says() { cat "$WORK/$1/run/vms/db/console.log" | tr -d '\r'; }
said() { says "$1" | grep -c "$2" || true; }
more_said() { [ "$(said "$1" "$2")" -gt "$3" ]; }
# How many seconds its clock is behind, by what it says next.
behind() { # NODE
    local before
    before=$(said "$1" '^clock ')
    eventually 60 "the guest on $1 says its time" more_said "$1" '^clock ' "$before"
    echo $(($(date +%s) - $(says "$1" | sed -n 's/^clock \([0-9]*\)$/\1/p' | tail -n 1)))
}
right() { [ "$(behind "$1")" -le 2 ]; }
set_to() { says "$1" | sed -n 's/.*the clock was \([0-9]*\), is \([0-9]*\)$/\1 \2/p' | tail -n 1; }
stand_still() { read -rt 6 <> <(:) || true; } # longer than what is taken for right, whatever the load
was_behind() { # NODE BEFORE: it was set once more, and had been behind
    local was is
    eventually 60 "the agent sets the clock on $1" more_said "$1" 'the clock was' "$2"
    read -r was is <<<"$(set_to "$1")"
    [ $((is - was)) -ge 5 ] || fail "the clock was $was and is $is: that is not what it stood still"
    eventually 60 "the clock is right on $1" right "$1"
}
pause() { ask "$1" '{"vm_pause": {"name": "db"}}' >/dev/null; }
resume() { ask "$1" '{"vm_resume": {"name": "db"}}' >/dev/null; }

begin_on_a1
eventually 60 "the clock is right at first" right a1
[ "$(said a1 'the clock was')" = 0 ] || fail "the clock was set though the guest has just booted"
pause a1
stand_still
resume a1
was_behind a1 0

prepare a1 b1 live >/dev/null
commit a1 b1 >/dev/null || fail "a move failed"
eventually 60 "the agent sets the clock after a move" more_said b1 'the clock was' 0
eventually 60 "the clock is right after a move" right b1

# From a saved state; the guest's program does not work any more.
stop_group b1 >/dev/null
stand_still
start_group a1 >/dev/null
goes_on
was_behind a1 0
was_never_booted restored
report=$("$SOURCE/tests/guest/check-acks" "$WORK/acks") || fail "$report"
