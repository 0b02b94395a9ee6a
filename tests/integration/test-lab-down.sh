#!/bin/bash
# Two labs side by side do not touch each other; `lab down`, and the death of labd, leave nothing behind.
# needs: own-lab
# shellcheck source=tests/integration/own-lab.sh
. "$(dirname "$0")/own-lab.sh"

first=$LAB_DIR second=$LAB_DIR.second
trap 'LAB_DIR=$first lab down; LAB_DIR=$second lab down' EXIT
runtime() { jq -r .runtime "$LAB_DIR/lab.json"; }

lab up --bare --sites 1 --witness none
gives 1 lab up --bare 2>/dev/null
first_runtime=$(runtime)
LAB_DIR=$second
lab up --bare --sites 1 --witness none
second_runtime=$(runtime)
lab exec a1 'echo second > /tmp/mine'
LAB_DIR=$first
gives 1 lab exec a1 test -e /tmp/mine
LAB_DIR=$second lab down
lab exec a1 true
same "the second lab's processes" 0 "$(LAB_DIR=$second processes)"
[ ! -e "$second" ] && [ ! -e "$second_runtime" ] || fail "files of the second lab are left"

# labd's death takes the nodes down, all of their processes.
kill -KILL "$(lab status --json | jq .labd_pid)"
none_left() { [ "$(processes)" = 0 ]; }
eventually 60 "no process is left" none_left
gives 1 lab status 2>/dev/null
lab down
[ ! -e "$first" ] && [ ! -e "$first_runtime" ] || fail "files of the first lab are left"
lab down
gives 1 lab status 2>/dev/null
gives 2 lab up --kind netns 2>/dev/null
gives 2 lab up --sites 9 2>/dev/null
gives 2 lab frobnicate 2>/dev/null
