#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A program that is run in QEMU's place, as a guest's QEMU that was taken over would be, gets nothing that is not its own: none of the tries of
# tests/tools/probe succeeds. Without namespaces (isolation=basic) some do, so that the probe is seen to find holes. QEMU itself runs in there.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"
requires ss
cleanup_fn rm -f /tmp/probe /var/tmp/probe /dev/shm/probe
probe=$BUILD/tests/tools/probe
[ -x "$probe" ] || fail "tests/tools/probe is not built"

diagnose() {
    cat "$dir"/report-* 2>/dev/null | grep DONE || true
    tail -n 20 "$dir/log"
}
configure() { # KEY=VALUE in [hypervisor], in place of what was there
    sed -i "/^${1%%=*}=/d; s|^\[hypervisor\]\$|[hypervisor]\n$1|" "$dir/conf"
}

# Something to be found: a guest beside it, listeners, a secret of root's, an open directory and a variable that the daemon was started with.
chmod 755 "$dir"
with_small_vm
hf vm create other --group g --memory 16 --disk 8M
hf group start g
other=$(vm pid other)
[ "$other" != 0 ] || fail "the other guest does not run"
echo secret >"$dir/secret"
chmod 600 "$dir/secret"
echo kernel >"$dir/kernel"
port=$((20000 + $$ % 20000))
listeners=()
for address in "TCP4-LISTEN:$port,bind=127.0.0.1,fork" "TCP6-LISTEN:$port,bind=[::1],ipv6only=1,fork" "ABSTRACT-LISTEN:hf-probe-$$,fork"; do
    socat "$address" SYSTEM:true 2>/dev/null &
    listeners+=($!)
done
cleanup_fn kill "${listeners[@]}"
listening() { ss -ltnH "sport = :$port" | grep -q . && ss -lxH | grep -q "@hf-probe-$$"; }
wait_until 60 "somebody listens" listening

hv_stop
configure qemu="$probe"
export PROBE_SECRET=found
exec 7<"$dir" 8</etc/passwd
hv_start
words="daemon=$hv_pid other=$other other-uid=$(stat -c %u "/proc/$other") run=$dir/run state=$dir/state"
words+=" volume=$dir/volumes/g.other.disk0 own-volume=$dir/volumes/g.probe.disk0 secret=$dir/secret abstract=hf-probe-$$ port=$port"
probed() { # NAME: the report of a VM that is the probe
    hf vm create "$1" --group g --memory 16 --disk 8M --kernel "$dir/kernel" --append "$words" --serial "$dir/report-$1" ||
        fail "the VM of the probe is refused"
    refused 1 'probe: [0-9]+ tried' hf vm start "$1"
    wait_until 60 "the probe has come to its end" grep -q '^probe:' "$dir/report-$1"
    hf vm stop "$1" --force >/dev/null 2>&1 || true
    tail -n 1 "$dir/report-$1"
}
probed probe
tried=$(sed -n 's/^probe: \([0-9]*\) tried.*/\1/p' "$dir/report-probe" | head -n 1)
[ "$tried" -ge 100 ] || fail "only $tried tries"
! grep '^DONE' "$dir/report-probe" || fail "a guest can do what it must not"

# The same program, the same tries, with less around it: what it finds then is there to be found.
hv_stop
configure isolation=basic
hv_start
words="daemon=$hv_pid ${words#* }"
probed loose
! grep -E '^DONE (write /(etc|usr|proc/sys)|remove|signal|trace|become|mount|connect (RUN|/run))' "$dir/report-loose" || fail "users of their own do not keep guests apart"
for try in 'read /etc/passwd' 'run /usr/bin/env' 'connect by TCP to 127.0.0.1' 'connect to the abstract socket' 'create /tmp/probe'; do
    grep -q "^DONE $try" "$dir/report-loose" || fail "the probe does not find that it may $try where it may"
done
note "without namespaces it may: $(grep -c '^DONE' "$dir/report-loose") of $tried"
hv_stop
exec 7<&- 8<&-

# What a real QEMU has around it.
configure isolation=full
configure qemu=/usr/bin/qemu-system-x86_64
hv_start
hf vm delete loose
hf vm delete probe
hf group stop g
hf group start g
pid=$(vm pid)
for ns in mnt net ipc uts; do
    [ "$(readlink "/proc/$pid/ns/$ns")" != "$(readlink "/proc/self/ns/$ns")" ] || fail "QEMU shares the $ns namespace of the machine"
    [ "$(readlink "/proc/$pid/ns/$ns")" != "$(readlink "/proc/$(vm pid other)/ns/$ns")" ] || fail "two guests share a $ns namespace"
done
grep -q '^NoNewPrivs:.*1$' "/proc/$pid/status" || fail "no_new_privs is not set"
grep -Eq '^CapBnd:.*[1-9a-f]' "/proc/$pid/status" && fail "its bounding set is not empty"
grep -q '^Seccomp:.*2$' "/proc/$pid/status" || fail "no filter of system calls"
grep -q '^Max core file size *1 ' "/proc/$pid/limits" || fail "it may dump its guest's memory"
for name in bin sbin home root run sys tmp var; do
    case $name in
    tmp) [ -z "$(find "/proc/$pid/root/tmp" -type f -not -name kernel -print -quit)" ] || fail "there is something in its /tmp" ;;
    *) [ ! -e "/proc/$pid/root/$name" ] || fail "in its root there is /$name" ;;
    esac
done
programs=("/proc/$pid"/root/usr/bin/*)
[ "${programs[*]##*/}" = qemu-system-x86_64 ] || fail "it has these programs: ${programs[*]##*/}"
# The user-mode network speaks from this machine's network, and only such a VM keeps it.
hf vm create talks --group g --memory 16 --disk 8M --nic user
hf vm start talks
[ "$(readlink "/proc/$(vm pid talks)/ns/net")" = "$(readlink /proc/self/ns/net)" ] || fail "a VM on the user-mode network has no network"
[ "$(readlink "/proc/$(vm pid talks)/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ] || fail "it shares the machine's mounts"

# Nothing of a cage is left behind, neither in this machine's mounts nor below the directory that it was built on.
hf group stop g
[ -z "$(ls -A "$dir/run/root")" ] || fail "left in $dir/run/root: $(ls -A "$dir/run/root")"
! grep -F "$dir" /proc/self/mounts || fail "a mount is left"
hf group delete g --force
hv_stop
