#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What is printed: tables and JSON of each answer; no escape code in a pipe, whatever came over the wire. TAP.
# shellcheck source=tests/ctl/ctl-lib.sh
. "$(dirname "$0")/ctl-lib.sh"
# shellcheck disable=SC2016
json() { # json JQ-CONDITION ARGS...: exactly one document on stdout, which fulfils the condition
    local condition=$1
    shift
    run --json "$@"
    out_has "$condition" && [ ! -s "$dir/err" ]
    ok $? "holdfast --json $*: $condition"
}
shows() { # shows ARGS...: the output is that of stdin
    run "$@"
    out_is
    ok $? "holdfast $*"
}

start_answers
json '.name == "plant" and .quorate == true and (.nodes | length) == 2 and (.sites | length) == 2 and .groups[0].state == "online" and .problems == ["site b is lost"]' \
    cluster status
json 'type == "array" and .[0].name == "a1" and .[1].state == "offline" and .[1].groups == []' node list
json 'type == "array" and .[1].state == "offline"' group list
json '.name == "web" and .state == "online" and .owner == "a1" and .preferred == ["a1", "b1"] and .vms == ["db"]' group show web
json 'type == "array" and .[0].memory_mib == 2048 and .[0].disks == []' vm list
json '. == []' volume list
json 'type == "array" and .[0].agent == "fence_ipmilan"' fence list
json 'type == "array" and .[0].id == "a1-3"' events
json '. == {token: "dG9rZW4="}' cluster token
json '. == {name: "web"}' group create web
json '. == {name: "b1"}' node confirm-down b1
json '.group == "web" and .pause_ms == 812 and .steps[1].name == "drain"' group move web
json '.name == "db" and .state == "running"' vm start db

shows cluster status <<'TEXT'
cluster plant: quorate, witness 10.0.3.1 connected, decided on a1

NAME     STATE    DETAIL
a        1 of 1   site: nodes online
└─a1     online   free: memory 1.5 GiB, pool 3 GiB
  └─web  online   VMs: db; has problems
b        0 of 1   site: nodes online
└─b1     offline  its loss is proved
-        -        on no node
└─test   offline  VMs: none

problems:
  - site b is lost
TEXT
shows group list <<'TEXT'
GROUP  STATE    OWNER  PREFERRED  STORAGE  PROBLEMS  VMS
web    moving   a1     a1,b1      drbd            1  db,cache
test   offline  -      -          file            0  -
TEXT
shows group show web <<'TEXT'
group web
  state:         online
  owner:         a1
  preferred:     a1,b1
  possible:      a1,b1
  storage:       drbd
  live policy:   throttle
  VMs:           db
  current data:  only on a1
  problem:       its replica on b1 is behind

VOLUME  GROUP     SIZE  DEVICE      NODE  ROLE     DISK      PEER          CONNECTION   SYNC
state   web    256 MiB  /dev/drbd1  a1    primary  UpToDate  Inconsistent  Connected   41.2%
TEXT
shows vm list <<'TEXT'
VM     GROUP  NODE  STATE    CPUS  MEMORY     UPTIME  RESTARTS  REASON
db     web    a1    running     2   2 GiB  1 h 2 min         1  -
cache  web    -     failed      1  64 MiB          -         0  QEMU ended: ?[31mno?kernel
TEXT
shows events <<'TEXT'
2025-11-23 05:01:00.000 move            web/db on a1     moved
                        100 ms in all, the guests stood still for 50 ms
TEXT
shows group move web <<'TEXT'
group web moved from a1 to b1
  3.21 s in all, the guests stood still for 812 ms
  quiesce 4.2 ms, drain 700 ms, run 55 ms
TEXT
shows fence list <<'TEXT'
NODE  AGENT          STATE  OPTIONS
a1    fence_ipmilan  ok     ip=10.0.2.11,password=***
TEXT
shows node list <<'TEXT'
NODE  SITE  STATE    ADDRESS    MEMORY FREE       POOL FREE       FENCING    GROUPS
a1    a     online   10.0.1.11  1.5 GiB of 2 GiB  3 GiB of 4 GiB  fence_lab  web
b1    b     offline  10.0.1.21  -                 -               none       -
TEXT
shows node show b1 <<'TEXT'
node b1
  state:         offline
  loss:          not proved: its groups wait for it or for fencing
  site:          b
  address:       10.0.1.21
  node id:       2
  groups:        none
  fencing:       none: see `holdfast fence add --help`
  problem:       is lost since 05:00
TEXT
shows volume list <<'TEXT'
TEXT

on_terminal() { # on_terminal ARGS...: out is what a terminal of 100 columns would get
    script -qec "stty cols 100; exec $(printf '%q ' "$build_dir/holdfast" --socket "$dir/clusterd.sock" "$@")" "$dir/typescript" </dev/null >"$dir/out"
}
escapes() { grep -q $'\033' "$dir/out"; }
run cluster status
! escapes
ok $? "no escape code goes into a pipe"
on_terminal cluster status
escapes
ok $? "colours on a terminal"
NO_COLOR=1 on_terminal cluster status
! escapes
ok $? "none with NO_COLOR"
on_terminal vm list
! grep -q $'\033\[31mno' "$dir/out" && grep -q '?\[31mno?kernel' "$dir/out"
ok $? "what a node says cannot colour the terminal"
on_terminal group move web
grep -q 'saving \.\.\.' "$dir/out" && grep -q 'moved from a1 to b1' "$dir/out"
ok $? "progress is shown on a terminal"
run group move web
[ ! -s "$dir/err" ]
ok $? "and not in a pipe"
finish
