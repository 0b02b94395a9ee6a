#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2181,SC2317
# Exit statuses, and the one line that says what, why and what to do. TAP.
# shellcheck source=tests/ctl/ctl-lib.sh
. "$(dirname "$0")/ctl-lib.sh"

ends() { # ends STATUS PATTERN ARGS...: that status; one line on stderr like PATTERN, or nothing if PATTERN is empty
    local want=$1 pattern=$2
    shift 2
    run "$@"
    if [ -n "$pattern" ]; then
        [ "$status" = "$want" ] && [ "$(wc -l <"$dir/err")" = 1 ] && grep -qE "^holdfast: .*($pattern)" "$dir/err"
    else
        [ "$status" = "$want" ] && [ ! -s "$dir/err" ]
    fi
    ok $? "holdfast $*: $want $pattern"
}

start_answers
ends 0 '' vm save db
ends 0 '' --help
ends 0 '' group move --help
ends 0 '' --version
ends 1 'does not answer: is 10.0.2.11 its address' fence test a1
ends 2 'nothing to do'
ends 2 'did you mean "move"' group mvoe web
ends 2 'cannot name a group' group show 9bad
ends 2 '--initrd and --append belong to a kernel' vm create db --group web --memory 64 --initrd /i
ends 2 '--directory is for --storage file' group create web --directory /srv
ends 2 '--yes is the consent' group start web --yes
ends 2 'no JSON document' vm console db --json
ends 2 'is not a time' events --since tomorrow
ends 3 'no VM "nobody"' vm show nobody
ends 4 'waits for a1' group start web
ends 4 'with --yes' group start web --force-old-data
grep -q 'what a1 wrote after 04:00' "$dir/out"
ok $? "what would be lost is shown first"
ends 4 'with --yes' --json group start web --force-old-data
out_has '.text == "what a1 wrote after 04:00"'
ok $? "also as JSON"
run --json vm show nobody
[ ! -s "$dir/out" ] && [ "$status" = 3 ]
ok $? "a failure prints no document"
run group show $'we\nb'
[ "$(wc -l <"$dir/err")" = 1 ] && [ "$status" = 2 ]
ok $? "one line, also for a name of two"
hf vm list >/dev/full 2>"$dir/err"
[ $? = 1 ] && grep -q 'cannot write to stdout' "$dir/err"
ok $? "a full disk is not success"

# Without a daemon. A real clusterd may run on this machine: only --socket is tried.
to=()
ends 1 'cannot reach clusterd at .*/none.sock: is holdfast-clusterd running\? systemctl start holdfast-clusterd' vm list --socket "$dir/none.sock"
ends 1 'cannot reach hypervisord at .*: is holdfast-hypervisord running' vm list --socket "$dir/hypervisord.sock"
ends 1 'cluster needs clusterd, and hypervisord is what answers here' cluster status --socket "$dir/hypervisord.sock"
ends 1 'certificate' vm list --connect 127.0.0.1:1 --pki "$dir"
: >"$dir/plain"
ends 1 'clusterd' vm list --socket "$dir/plain"

# Ctrl-C stops the waiting, and says what goes on.
(exec env -u LC_ALL "$build_dir/holdfast" --socket "$dir/clusterd.sock" group stop web 2>"$dir/err" >"$dir/out") &
waiting=$!
wait_for 10 logged group_stop
kill -INT $waiting 2>/dev/null || true
kill -TERM $waiting
wait $waiting
[ $? = 1 ] && [ "$(wc -l <"$dir/err")" = 1 ] && grep -q '^holdfast: interrupted: the stop goes on' "$dir/err"
ok $? "a signal ends the waiting with one line"
wait_for 10 logged gone
ok $? "and the daemon sees it go"

to=(--socket "$dir/clusterd.sock")
# The end of --follow is no failure.
hf --json events --follow >"$dir/out" 2>"$dir/err"
status=$?
[ "$status" = 0 ] && [ "$(wc -l <"$dir/out")" = 2 ] && jq -se '.[1].steps[1].name == "fence"' "$dir/out" >/dev/null
ok $? "--follow prints an event a line"
finish
