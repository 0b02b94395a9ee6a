#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A guest with UEFI on replicated volumes: its variables are a file of the group's state volume, open where it runs only. It moves quickly and live with
# what its flash holds, gets a new QEMU, and is started from its variables where it fails over to.
# needs: full
. "$(dirname "$0")/lab-functions.sh"
. "$(dirname "$0")/box-functions.sh"
[ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] || {
    echo "needs the package ovmf"
    exit 77
}

# The flash as QEMU on NODE has it open: its sum; nothing if none has.
vars_on() {
    on "$1" sh -c 'for pid in $(pidof qemu-system-x86_64); do
        for fd in /proc/$pid/fd/*; do case $(readlink "$fd") in *.vars) sha256sum <"$fd" ;; esac; done
    done' | cut -d ' ' -f 1 | sort -u
}
same_vars() { [ "$(vars_on "$1")" = "$2" ]; }
all_in_sync() { hf "$1" --json volume list | jq -e 'length > 0 and all(.[]; .disk == "UpToDate" and .peer_disk == "UpToDate")'; }

trap 'lab down >/dev/null 2>&1 || true' EXIT
lab down >/dev/null 2>&1 || true
lab up >"$BUILD/uefi-lab-up.log" 2>&1 || fail "lab up: $(tail -n 5 "$BUILD/uefi-lab-up.log")"
hf a1 group create back --preferred a1,b1 --state-size 64M
hf a1 vm create box --group back --memory 192 --disk 64M --firmware uefi --kernel "$BUILD/guest/vmlinuz" --initrd "$BUILD/guest/initrd.gz" \
    --append "console=ttyS0 quiet panic=-1" --serial /dev/ttyS1
hf a1 group start back
counts a1 300
blank=$(sha256sum </usr/share/OVMF/OVMF_VARS_4M.fd | cut -d ' ' -f 1)
written=$(vars_on a1)
[ -n "$written" ] && [ "$written" != "$blank" ] || fail "the firmware has written no variables: $written"

from=a1 to=b1
for kind in quick live; do
    hf $from group move back --to $to --$kind
    back_on $to $to || fail "after a $kind move the group is not on $to"
    counts $to 120
    eventually 90 "the variables are open on $to, as they were" same_vars $to "$written"
    [ -z "$(vars_on $from)" ] || fail "the variables are still open on $from"
    read -r from to <<<"$to $from"
done
hf b1 vm refresh box
counts a1 60
eventually 90 "the variables are open in the new QEMU" same_vars a1 "$written"
eventually 60 "all replicas are up to date" all_in_sync a1

lab kill a1
eventually 120 "the group is online on b1" back_on b1 b1
counts b1 300
now=$(vars_on b1)
[ -n "$now" ] && [ "$now" != "$blank" ] || fail "the firmware began with no variables after the failover: $now"
last=$(grep -a '^ACK' "$(log a1)" | tail -n 1 | cut -d ' ' -f 2)
boot=$(grep -a '^BOOT' "$(log b1)" | tail -n 1)
[[ $boot == *integrity=ok*"gaps=0 bad=0"* ]] && [ "$(sed -n 's/.* last=\([0-9]*\).*/\1/p' <<<"$boot")" -ge "$last" ] ||
    fail "row $last was acknowledged, and $boot"
lab boot a1
eventually 120 "all replicas are up to date" all_in_sync b1
hf b1 group stop back
hf b1 group delete back --force
