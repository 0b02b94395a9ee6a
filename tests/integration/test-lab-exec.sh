#!/bin/bash
# `lab exec` carries stdin, stdout, stderr and the exit status, many at once, and says so when the node dies under it.
# needs: own-lab
# shellcheck source=tests/integration/own-lab.sh
. "$(dirname "$0")/own-lab.sh"

lab up --bare --sites 1 --witness none

same "stdout" "hello" "$(lab exec a1 echo hello)"
same "arguments stay whole" 'a  b|$x' "$(lab exec a1 printf '%s|%s' 'a  b' '$x')"
same "one word is a line for the shell" "3" "$(lab exec a1 'echo $((1 + 2)) | cat')"
same "stderr" "oops" "$(lab exec a1 'echo oops >&2' 2>&1 >/dev/null)"
gives 7 lab exec a1 sh -c 'exit 7'
gives 0 lab exec a1 true
gives 143 lab exec a1 sh -c 'kill -TERM $$'
gives 127 lab exec a1 no-such-command 2>/dev/null
gives 255 lab exec nobody true 2>/dev/null
gives 2 lab exec a1 2>/dev/null

head -c 3000000 /dev/urandom >"$LAB_DIR/nodes/random"
sum=$(md5sum <"$LAB_DIR/nodes/random")
same "a file as stdin" "$sum" "$(lab exec a1 md5sum <"$LAB_DIR/nodes/random")"
same "a pipe as stdin" "$sum" "$(cat "$LAB_DIR/nodes/random" | lab exec a1 md5sum)"
same "through and back" "$sum" "$(lab exec a1 cat <"$LAB_DIR/nodes/random" | md5sum)"

# A command that does not read its stdin does not wait for its end.
mkfifo "$LAB_DIR/nodes/open"
exec 8<>"$LAB_DIR/nodes/open"
same "an open stdin" "a1" "$(timeout 20 "$SOURCE/deploy/lab/lab" exec a1 hostname <&8)"

# Output comes while the command still runs.
coproc lab exec a1 'echo first; read -r line; echo "then $line"'
# shellcheck disable=SC2153
read -r -t 20 line <&"${COPROC[0]}" || fail "no output while the command runs"
same "the first line" "first" "$line"
echo second >&"${COPROC[1]}"
read -r -t 20 line <&"${COPROC[0]}" || fail "no output after the input"
same "the second line" "then second" "$line"
wait "$COPROC_PID"

jobs=()
for i in 1 2 3 4 5 6 7 8; do
    lab exec a1 "echo $i; exit $i" >"$LAB_DIR/nodes/out.$i" &
    jobs+=($!)
done
for i in 1 2 3 4 5 6 7 8; do
    status=0
    wait "${jobs[i - 1]}" || status=$?
    same "one of many" "$i $i" "$status $(cat "$LAB_DIR/nodes/out.$i")"
done

# The command of a `lab exec` that was ended is told so.
timeout 2 "$SOURCE/deploy/lab/lab" exec a1 'trap "touch /tmp/hung-up; exit" HUP; while :; do read -rt 0.1 <> <(:); done' || true
eventually 60 "the abandoned command gets SIGHUP" lab exec a1 test -e /tmp/hung-up

lab exec a1 'touch /tmp/runs; exec tail -f /dev/null' &
job=$!
eventually 60 "the command runs" lab exec a1 test -e /tmp/runs
lab kill a1
status=0
wait $job || status=$?
same "the node died" 255 $status
same "nothing is left in the spool" "" "$(ls "$LAB_DIR/nodes/a1/spool")"
