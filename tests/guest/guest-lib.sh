#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What the tests of the guest share: sourced, it builds the guest and offers a scratch directory $dir, TAP, and one
# QEMU at a time ($qemu, empty when none runs; never left behind). It knows nothing of the cluster.
# GUEST_DIR: where the guest is or is to be built (default: guest/ in the build directory).
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
guest=${GUEST_DIR:-${HOLDFAST_BUILD:-$PWD}/guest}
count=0
failed=0
qemu=

if ! command -v qemu-system-x86_64 >/dev/null || ! command -v socat >/dev/null; then
	echo "1..0 # SKIP needs qemu-system-x86_64 and socat"
	exit 77
fi
"$here/build-guest" "$guest" || exit 1
dir=$(mktemp -d "$guest/test.XXXXXX")
# shellcheck disable=SC2317 # called by the trap
cleanup() {
	[ -z "$qemu" ] || kill -9 "$qemu" 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT
direct=on
dd if="$guest/vmlinuz" of=/dev/null bs=4096 count=1 iflag=direct 2>/dev/null || direct=off

ok() { # STATUS WHAT
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count - $2"
	else
		echo "not ok $count - $2"
		failed=1
	fi
}

start() { # DISK NODE RATE: sets qemu; each node has its own report log
	qemu-system-x86_64 -accel tcg -M q35 -nodefaults -no-user-config -display none -m 131080K \
		-kernel "$guest/vmlinuz" -initrd "$guest/initrd.gz" -append "console=ttyS0 quiet panic=-1 rate=$3" \
		-serial "file:$dir/console" -chardev "file,id=report,path=$dir/report-$2,append=on" -serial chardev:report \
		-blockdev "driver=file,node-name=file,filename=$1,cache.direct=$direct" \
		-blockdev driver=raw,node-name=disk,file=file -device virtio-blk-pci,drive=disk \
		-qmp "unix:$dir/qmp,server=on,wait=off" 2>"$dir/stderr" &
	qemu=$!
	disown "$qemu"
}

lines() { # PATTERN NODE
	if [ -f "$dir/report-$2" ]; then
		grep -c "^$1" "$dir/report-$2"
	else
		echo 0
	fi
}

wait_for() { # SECONDS CONDITION...: looks 20 times a second until the condition holds
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
	until "${@:2}"; do
		[ "${EPOCHREALTIME/./}" -lt "$end" ] || return 1
		read -rt 0.05 <> <(:) || true
	done
}

has_lines() { # PATTERN NODE NUMBER
	[ "$(lines "$1" "$2")" -ge "$3" ]
}

gone() {
	! kill -0 "$qemu" 2>/dev/null
}

qmp() { # COMMAND...: each a JSON document
	local command
	for command in '{"execute":"qmp_capabilities"}' "$@"; do
		echo "$command"
	done | socat -t 1 - "UNIX-CONNECT:$dir/qmp"
}

power_cut() {
	kill -9 "$qemu" && wait_for 10 gone
	qemu=
}

# Presses the power button and waits until the guest has switched itself off.
power_button() { # SECONDS
	qmp '{"execute":"system_powerdown"}' >/dev/null
	wait_for "$1" gone && qemu=
}

# What QEMU and the guest's console said, as TAP comments.
trouble() {
	sed 's/^/# /' "$dir/stderr" "$dir/console"
	tail -n 3 "$dir"/report-* | sed 's/^/# /'
}

finish() {
	[ "$failed" -eq 0 ] || trouble
	echo "1..$count"
	exit "$failed"
}
