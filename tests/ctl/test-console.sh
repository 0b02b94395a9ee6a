#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2181,SC2317
# The console between pipes and on a terminal: bytes go through unchanged, Ctrl-] leaves it, the terminal is as before. TAP.
# shellcheck source=tests/ctl/ctl-lib.sh
. "$(dirname "$0")/ctl-lib.sh"

start_answers
printf 'a line\n.' | timeout 20 "$build_dir/holdfast" --socket "$dir/clusterd.sock" vm console db >"$dir/out" 2>"$dir/err"
[ $? = 0 ] && [ "$(cat "$dir/out")" = "$(printf 'hello\r\na line\n.')" ] && [ ! -s "$dir/err" ]
ok $? "pipes: what is sent comes back, and the console's end is the command's"

began=${EPOCHREALTIME/[.,]/}
printf 'a line\n' | timeout 20 "$build_dir/holdfast" --socket "$dir/clusterd.sock" vm console db >"$dir/out" 2>"$dir/err"
[ $? = 0 ] && [ "$(cat "$dir/out")" = "$(printf 'hello\r\na line\n')" ] && [ $((${EPOCHREALTIME/[.,]/} - began)) -lt 9000000 ]
ok $? "a console that goes on is left after the end of what is piped in, with what that brought about"

head -c 300000 /dev/urandom | tr -d '.\035' >"$dir/bytes"
{ cat "$dir/bytes"; printf .; } | timeout 20 "$build_dir/holdfast" --socket "$dir/clusterd.sock" vm console db >"$dir/out" 2>"$dir/err"
{ printf 'hello\r\n'; cat "$dir/bytes"; printf .; } | cmp - "$dir/out" >&2
ok $? "300 kB of any bytes go through unchanged"

printf 'x\035y.' | timeout 20 "$build_dir/holdfast" --socket "$dir/clusterd.sock" vm console db >"$dir/out" 2>"$dir/err"
[ $? = 0 ] && grep -q detached "$dir/err" && ! grep -q y "$dir/out"
ok $? "Ctrl-] leaves it, and nothing after it is sent"
wait_for 10 logged gone
ok $? "the daemon sees the client go"

# A terminal, with a shell around it that shows its settings before and after.
cat >"$dir/shell" <<SHELL
stty cols 80
stty -g >$dir/before
$build_dir/holdfast --socket $dir/clusterd.sock vm console db
echo status \$? >$dir/status
stty -g >$dir/after
SHELL
mkfifo "$dir/keys"
timeout 30 script -qec "bash $dir/shell" "$dir/typescript" <"$dir/keys" >"$dir/out" 2>"$dir/err" &
terminal=$!
exec 7>"$dir/keys"
typed() { grep -q "$1" "$dir/out"; }
wait_for 10 typed hello
ok $? "the console's output is on the terminal"
printf '\003abc' >&7
wait_for 10 typed abc
ok $? "Ctrl-C goes to the guest"
printf '\035' >&7
wait_for 10 test -s "$dir/after"
ok $? "Ctrl-] leaves it"
exec 7>&-
wait $terminal
grep -q 'status 0' "$dir/status" && cmp -s "$dir/before" "$dir/after"
ok $? "the terminal is as it was"
finish
