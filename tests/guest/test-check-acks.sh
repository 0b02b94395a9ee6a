#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# check-acks finds every kind of lost row, and accepts whole histories however they are spread over logs. TAP.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
count=0
failed=0

# Adds the hash that the guest puts at the end of each line, computed apart from check-acks.
seal() {
	awk 'BEGIN { for (i = 1; i < 256; i++) code[sprintf("%c", i)] = i }
	function xor_byte(h, b,   low, bit, r) {
		low = h % 256; r = 0
		for (bit = 1; bit < 256; bit *= 2)
			if (int(low / bit) % 2 != int(b / bit) % 2) r += bit
		return h - low + r
	}
	# h * 16777619 modulo 2^32, split so that it stays exact in a double
	function times(h) { return ((h % 256) * 16777216 + h * 403) % 4294967296 }
	{
		h = 2166136261
		for (i = 1; i <= length($0); i++) h = times(xor_byte(h, code[substr($0, i, 1)]))
		printf "%s #%04x%04x\n", $0, int(h / 65536), h % 65536
	}'
}

boot() { # BOOT LAST [KEY=VALUE...]: a BOOT line; the words given replace the healthy ones
	local line="BOOT boot=$1 fs=clean integrity=ok last=$2 rows=$2 gaps=0 bad=0" word
	for word in "${@:3}"; do
		# shellcheck disable=SC2001 # a pattern, not a string
		line=$(sed "s/${word%%=*}=[^ ]*/$word/" <<<"$line")
	done
	echo "$line" | seal
}

acks() { # BOOT FIRST LAST
	local n
	for ((n = $2; n <= $3; n++)); do
		echo "ACK $n $((n * 20)) $1"
	done | seal
}

expect() { # STATUS JQ-EXPRESSION WHAT LOG...
	local got=0
	count=$((count + 1))
	"$here/check-acks" "${@:4}" >"$dir/out" 2>"$dir/err" || got=$?
	if [ "$got" -eq "$1" ] && { [ "$2" = - ] || [ "$(jq "$2" "$dir/out")" = true ]; }; then
		echo "ok $count - $3"
	else
		echo "not ok $count - $3 (exit $got, expected $1 and $2)"
		sed 's/^/# /' "$dir/out" "$dir/err"
		failed=1
	fi
}

cd "$dir" || exit 1
{ boot 1 0; acks 1 1 9; } >a1
boot 2 9 >b-whole
boot 2 8 >b-lost
expect 0 '.lost == [] and .acks == 9 and .acked_max == 9 and .unverified == 0' "a whole history passes" a1 b-whole
expect 0 '.boots[1].last == 9' "the order of the logs does not matter" b-whole a1
expect 1 '.lost == [9]' "an acknowledged row that the next boot does not have is lost" a1 b-lost
cat a1 b-lost >one
expect 1 '.lost == [9]' "the same in one log" one
{ boot 2 10; acks 2 11 12; } >b-more
expect 0 '.unverified == 2' "a row that was committed but not acknowledged is no error" a1 b-more
{ boot 2 8; acks 2 9 12; } >b-again
expect 1 '.lost == [9] and .duplicates == [9]' "a row acknowledged twice is found" a1 b-again
{ boot 1 0; acks 1 1 5; } >stale
expect 1 '.duplicates == [1, 2, 3, 4, 5] and .lost == .duplicates' "the same boot on two nodes is found" a1 stale
boot 3 4 >c
expect 1 '.lost == [5, 6, 7, 8, 9]' "a loss at the second boot after is found" a1 b-whole c
{ boot 1 0; acks 1 1 4; acks 2 12 14; } >moved
{ boot 2 9; acks 2 10 11; } >b-moved
acks 1 5 9 >c-moved
expect 0 '.lost == []' "a guest that was moved while running acknowledges in several logs" moved b-moved c-moved
boot 3 13 >c
expect 1 '.lost == [14]' "a loss after moves is found" moved b-moved c-moved c
{ cat a1; printf 'ACK 1'; printf '\n'; cat b-whole; printf 'ACK 10 200 2 #0'; } >torn
expect 0 '.torn == 2 and .acks == 9' "torn lines count for nothing" torn
{ cat a1; acks 1 10 10 | sed 's/10/19/'; cat b-whole; } >merged
expect 0 '.torn == 1 and .acked_max == 9' "a line whose hash is wrong counts for nothing" merged
for word in integrity=row_3_missing_from_index fs=errors gaps=1 bad=2; do
	boot 2 9 "$word" >b-bad
	expect 1 '.lost == [] and (.errors | length) == 1' "$word at a boot is an error" a1 b-bad
done
boot 2 9 fs=recovered >b-recovered
{ cat b-recovered; echo "FAIL Read-only file system: commit" | seal; } >b-fail
expect 0 '.fails == ["Read-only file system: commit"]' "a recovered journal is fine, a FAIL is shown" a1 b-fail
: >empty
expect 1 '.acks == 0' "an empty log proves nothing" empty
boot 1 0 >no-acks
expect 1 '.acks == 0' "a log without acknowledged rows proves nothing" no-acks
expect 2 - "a log that is not there is an error" a1 nowhere
expect 2 - "no log is a usage error"
echo "1..$count"
exit $failed
