#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The test guest, killed in the middle of its writes and started again on the same disk, loses no acknowledged row;
# the power button stops it; a disk put back to an older state is found out. Real QEMU (TCG), no cluster.
# kill -9 of QEMU keeps the host's page cache: this proves the guest's own order of writes, not the host's disk.
set -uo pipefail
# shellcheck source=tests/guest/guest-lib.sh
. "$(dirname "$0")/../guest/guest-lib.sh"

run_and_cut() { # DISK NODE RATE ACKS: starts the guest, kills it after that many more acknowledged rows
	local before
	before=$(lines ACK "$2")
	start "$1" "$2" "$3"
	wait_for 60 has_lines ACK "$2" $((before + $4))
	local result=$?
	[ "$result" -eq 0 ] || trouble
	power_cut
	return "$result"
}

truncate -s 64M "$dir/disk"
nodes=(a b)
for round in 1 2 3 4 5; do
	run_and_cut "$dir/disk" "${nodes[round % 2]}" 0 $((100 + RANDOM % 400))
	ok $? "round $round: killed while writing"
	[ "$round" -ne 3 ] || cp --sparse=always "$dir/disk" "$dir/old-disk"
done

start "$dir/disk" a 50
began=${EPOCHREALTIME/./}
booted=$(lines BOOT a)
wait_for 60 has_lines BOOT a $((booted + 1)) && wait_for 60 has_lines "ACK .* 6 #" a 1
ok $? "it boots and acknowledges a row ($(((${EPOCHREALTIME/./} - began) / 1000)) ms)"
began=${EPOCHREALTIME/./}
power_button 60 && has_lines STOP a 1
ok $? "the power button stops it ($(((${EPOCHREALTIME/./} - began) / 1000)) ms)"

run_and_cut "$dir/disk" b 50 5
"$here/check-acks" "$dir"/report-* >"$dir/verdict"
ok $? "no acknowledged row is lost: $(jq -c '{acks, boots: (.boots | length), lost: (.lost | length)}' "$dir/verdict")"
jq -e '(.boots | length) == 7 and .boots[6].fs == "clean" and .fails == []' "$dir/verdict" >/dev/null
ok $? "the file system was clean after the graceful stop"
jq -e '[.boots[1:6][].fs] | all(. == "recovered")' "$dir/verdict" >/dev/null
ok $? "the file system was recovered after each kill"
[ "$failed" -eq 0 ] || sed 's/^/# /' "$dir/verdict"

run_and_cut "$dir/old-disk" b 50 5
! "$here/check-acks" "$dir"/report-* >"$dir/verdict" && jq -e '.errors != []' "$dir/verdict" >/dev/null
ok $? "a start on an old disk is found out: $(jq -c .errors "$dir/verdict")"
finish
