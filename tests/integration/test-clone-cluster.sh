#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A template, a full and a linked clone, an export and an import of a whole VM in the cluster, asked of the node that does not have the group; a linked
# clone that runs moves with its group, and its template's volume with it.
# needs: full
. "$(dirname "$0")/lab-functions.sh"

images=/var/lib/holdfast/images
trap 'lab down >/dev/null 2>&1 || true' EXIT
lab down >/dev/null 2>&1 || true
lab up >"$BUILD/disk-lab-up.log" 2>&1 || fail "lab up: $(tail -n 5 "$BUILD/disk-lab-up.log")"
with_guest
owner=a1 other=b1
hf $other vm create base --group web --memory 16 --disk 8M
on $owner sh -c "mkdir -p $images && rm -rf $images/* && head -c 3000000 /dev/urandom >$images/a.raw && truncate -s 8M $images/a.raw"
hf $other volume import base.disk0 $images/a.raw --format raw
is_it() { # is_it VM: its disk is the one of the image
    on $owner rm -f $images/out.raw
    hf $other volume export "$1.disk0" $images/out.raw --format raw
    on $owner cmp $images/a.raw $images/out.raw || fail "the disk of $1 is not the one of the image"
}
refused_for() { # refused_for PATTERN COMMAND...
    local pattern=$1 status=0
    shift
    "$@" >"$BUILD/clone.out" 2>&1 || status=$?
    [ $status != 0 ] && [[ $(cat "$BUILD/clone.out") =~ $pattern ]] || fail "$*: $status $(cat "$BUILD/clone.out")"
}

note "a template and its clones"
hf $other vm template base
refused_for 'is a template' hf $other vm start base
hf $other vm clone base one --linked
hf $other vm clone base two
is_it one
is_it two
refused_for 'lie over those of template base' hf $other vm delete base
refused_for 'lies over disk disk0' hf $other vm set base --remove-disk disk0 --yes

note "out and in again"
hf $other vm export one $images/one
on $owner sh -c "cd $images/one && sha256sum -c --quiet SHA256SUMS" || fail "the export is not whole"
hf $other vm import $images/one --group web --name three
is_it three
uuid() { hf $other --json vm show "$1" | jq -r .uuid; }
refused_for 'exists|already' hf $other vm import $images/one --group web
refused_for 'image-directory' hf $other vm import /etc --group web

note "a linked clone moves"
hf $other vm start one
minor=$(hf $owner --json volume list | jq -r '[.[] | select(.name == "base.disk0")][0].minor')
# A template never runs: who has its device open is the linked clone.
parent_open() { on "$1" sh -c 'for pid in $(pidof qemu-system-x86_64); do ls -l /proc/$pid/fd; done' | grep -cE "/dev/drbd$minor\$"; }
eventually 60 "the clone on $owner has its template open" parent_open $owner
hf $other group move web --to $other --quick
goes_on
[ "$(hf $owner --json vm show one | jq -r .state)" = running ] || fail "the linked clone does not run on $other"
eventually 60 "the clone on $other has its template open" parent_open $other
hf $owner group move web --to $owner --quick
goes_on
hf $owner vm stop one --force
for vm in one two three base; do
    hf $owner vm delete $vm
done
on $owner rm -rf $images
[ "$(hf $other --json volume list | jq -r '[.[].name] | unique | sort | join(" ")')" = "db.disk0 state" ] || fail "volumes are left: $(hf $other volume list)"
eventually 60 "both replicas are up to date" in_sync $owner
