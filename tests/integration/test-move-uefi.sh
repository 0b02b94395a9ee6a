#!/bin/bash
# A guest with UEFI, and with a device of every kind, moves there and back, live too: its variables are open on the side where it runs only, and
# what the flash held goes with its memory: it is written again where it has come to.
. "$(dirname "$0")/move-functions.sh"
[ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] || {
    echo "needs the package ovmf"
    exit 77
}

export SPEC_CHANGE='.vms[0] |= (. + {firmware: "uefi", memory_mib: 192, machine: "pc-q35-7.2", cdroms: [{}],
    nics: [{network: "user", mac: "52:54:00:00:00:01"}, {network: "user", mac: "52:54:00:00:00:02", model: "e1000"}]})'
vars="$WORK/volumes/web/state/6f2d2c0e-5a2f-4f0c-9d57-2a6d2a1c0b11.vars"
sum() { sha256sum "$vars" | cut -d' ' -f1; }

begin_on_a1
written=$(sum)
[ "$written" != "$(sha256sum </usr/share/OVMF/OVMF_VARS_4M.fd | cut -d' ' -f1)" ] || fail "the firmware has written no variables"

from=a1 to=b1
for kind in live quick; do
    open_on $from "$vars" || fail "the variables are not open on $from"
    # What is on the volume is lost, say: the flash's content is the guest's, and comes with it.
    cp /usr/share/OVMF/OVMF_VARS_4M.fd "$vars"
    move_to $from $to $kind
    eventually 60 "the move has ended" no_move $from
    open_on $to "$vars" || fail "the variables are not open on $to"
    ! open_on $from "$vars" || fail "the variables are still open on $from"
    same() { [ "$(sum)" = "$written" ]; }
    eventually 60 "the variables are on the volume again" same
    goes_on
    note "a $kind move from $from to $to"
    read -r from to <<<"$to $from"
done

# A move that is broken off after its preparation leaves them where they are.
prepare $from $to quick >/dev/null || fail "no move can be prepared"
cancel $from >/dev/null
open_on $from "$vars" || fail "a cancelled move closed the variables"
goes_on
stop_group $from >/dev/null	# saved
! open_on $from "$vars" || fail "a saved guest has its variables open"
start_group $to >/dev/null
goes_on
same || fail "the variables changed in a save"
was_never_booted moved
report=$("$SOURCE/tests/guest/check-acks" "$WORK/acks") || fail "$report"
note "$(jq -c '{acks, lost: (.lost | length)}' <<<"$report")"
