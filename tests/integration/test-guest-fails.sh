#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The test guest never pretends: when its disk fails it says FAIL, acknowledges nothing more and still obeys the power
# button; what it had acknowledged is there at the next boot. A disk with something else on it is not formatted.
set -uo pipefail
# shellcheck source=tests/guest/guest-lib.sh
. "$(dirname "$0")/../guest/guest-lib.sh"

truncate -s 64M "$dir/disk"
start "$dir/disk" a 50
wait_for 60 has_lines ACK a 20
ok $? "it acknowledges rows"
# The disk is swapped for one that fails every request.
qmp '{"execute":"blockdev-add","arguments":{"driver":"blkdebug","node-name":"broken",
	"image":{"driver":"null-co","node-name":"nothing","size":67108864},
	"inject-error":[{"event":"none","errno":5,"once":false,"immediately":true,"iotype":"write"},
		{"event":"none","errno":5,"once":false,"immediately":true,"iotype":"flush"}]}}' \
	'{"execute":"blockdev-reopen","arguments":{"options":[{"driver":"raw","node-name":"disk","file":"broken"}]}}' \
	>"$dir/answers"
! grep '"error"' "$dir/answers" && wait_for 30 has_lines 'FAIL Input/output error' a 1
ok $? "a failed write is reported: $(grep ^FAIL "$dir/report-a")"
power_button 60
ok $? "the power button still works"
[ "$(sed -n '/^FAIL/,$p' "$dir/report-a" | wc -l)" -eq 1 ]
ok $? "nothing is acknowledged after the failure"

start "$dir/disk" b 50
wait_for 60 has_lines ACK b 1
"$here/check-acks" "$dir"/report-* >"$dir/verdict"
ok $? "what it had acknowledged before is there: $(jq -c '{acks, lost, fails}' "$dir/verdict")"
power_cut

truncate -s 64M "$dir/other"
printf 'something else' | dd of="$dir/other" conv=notrunc 2>/dev/null
start "$dir/other" c 50
wait_for 60 has_lines FAIL c 1 && grep -q '^FAIL .*refusing to overwrite' "$dir/report-c"
ok $? "a disk with something else on it is refused"
! "$here/check-acks" "$dir"/report-* >"$dir/verdict" && jq -e '.errors != []' "$dir/verdict" >/dev/null
ok $? "and what was acknowledged counts as not there"
power_cut
[ "$(head -c 14 "$dir/other")" = "something else" ]
ok $? "and left as it was"
finish
