#!/bin/bash
# Wrong input gets one clear line and its exit status, and changes nothing.
# needs: lab
. "$(dirname "$0")/lab-functions.sh"

before=$(on a1 sh -c 'cibadmin --query --scope configuration | md5sum')

# refused STATUS PATTERN ARGS...
refused() {
    local want=$1 pattern=$2 out status=0
    shift 2
    out=$(hf a1 "$@" 2>&1) || status=$?
    note "holdfast $*: exit $status: $out"
    [ $status = "$want" ] || fail "exit status $status instead of $want"
    [ "$(wc -l <<<"$out")" = 1 ] || fail "more than one line"
    grep -qiE "$pattern" <<<"$out" || fail "the line does not speak of: $pattern"
}

with_guest
before=$(on a1 sh -c 'cibadmin --query --scope configuration | md5sum')
refused 3 nowhere group show nowhere
refused 3 nobody vm start nobody
refused 3 z9 group move web --to z9 --quick
refused 3 z9 group create other --possible z9
refused 2 'name|letter' group create 9bad
refused 1 'pool|space|MiB|GiB' vm create big --group web --memory 64 --disk 100G --kernel "$BUILD/guest/vmlinuz"
refused 1 'memory|MiB' vm create fat --group web --memory 900000 --kernel "$BUILD/guest/vmlinuz"
refused 1 'vmlinux-none' vm create lost --group web --memory 64 --kernel /nowhere/vmlinux-none
refused 1 'already|cluster' cluster init again --node a1 --site a --address 10.0.1.11
refused 1 'exist' group create web --preferred a1,b1
refused 1 'exist' vm create db --group web --memory 64
refused 2 'mvoe|move' group mvoe web
[ "$(on a1 sh -c 'cibadmin --query --scope configuration | md5sum')" = "$before" ] || fail "wrong input changed the configuration"

# Garbage, a frame of 4 GiB and half a frame on each socket: the daemons stay, and answer the next client.
for socket in /run/holdfast/clusterd.sock /run/holdfast/hypervisord.sock; do
    for bytes in '\377\377\377\377' '\000\000\000\000' '\000\000\000\010garbage!' '\000\001' 'GET / HTTP/1.0\r\n\r\n'; do
        on a1 sh -c "printf '$bytes' | timeout 5 socat -t 1 - UNIX-CONNECT:$socket" >/dev/null 2>&1 || true
    done
done
for port in 7630 7631; do
    on a1 sh -c "head -c 65536 /dev/urandom | timeout 5 socat -t 1 - TCP:10.0.1.11:$port" >/dev/null 2>&1 || true
done
hf a1 vm list >/dev/null || fail "no answer after garbage"

# A certificate of another CA.
answer=$(on a1 sh -c 'd=$(mktemp -d) && cd $d && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -out crt -subj /CN=b1 -days 1 2>/dev/null &&
    (printf "\000\000\000\004"; cat /dev/zero | head -c 4) | timeout 5 openssl s_client -connect 10.0.1.11:7630 -cert crt -key key -quiet 2>&1; rm -rf $d' | tr -d '\0') || true
grep -qiE 'alert unknown ca|alert' <<<"$answer" || fail "a certificate of another CA was taken: $answer"
goes_on
