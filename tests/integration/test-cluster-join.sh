#!/bin/bash
# Making a cluster and growing it: what cannot be done is said in one line and leaves the machine as it was; what failed half-way can be tried again.
# needs: own-lab
# shellcheck source=tests/integration/own-lab.sh
. "$(dirname "$0")/own-lab.sh"

hf() { # hf NODE ARGS...
    local node=$1
    shift
    lab exec "$node" holdfast "$@"
}
# refused STATUS PATTERN NODE ARGS...
refused() {
    local want=$1 pattern=$2 out status=0
    shift 2
    out=$(hf "$@" 2>&1) || status=$?
    echo "holdfast ${*:2}: exit $status: $out"
    [ $status = "$want" ] || fail "exit status $status instead of $want"
    [ "$(wc -l <<<"$out")" = 1 ] || fail "more than one line"
    grep -qiE "$pattern" <<<"$out" || fail "the line does not speak of: $pattern"
}
# What a cluster leaves on a machine, with what is in it.
traces() {
    lab exec "$1" 'md5sum /etc/holdfast/pki/* /etc/corosync/authkey /etc/corosync/corosync.conf /etc/pacemaker/authkey /var/lib/pacemaker/cib/cib.xml 2>/dev/null
        grep -h "^address=." /etc/holdfast/holdfast.conf 2>/dev/null; pidof corosync pacemakerd' || true
}
untouched() {
    local now
    now=$(traces "$1")
    [ "$now" = "${before[$1]}" ] || fail "$1 is not as it was: $now instead of ${before[$1]}"
}
answers() { hf "$1" --json cluster status >/dev/null; }
nodes() { hf "$1" --json node list | jq -r '[.[] | "\(.name) \(.site) \(.nodeid) \(.state)"] | join(", ")'; }
both_online() { [ "$(nodes "$1")" = "a1 a 101 online, b1 b 201 online" ]; }

lab up --bare --witness none
declare -A before
for node in a1 b1; do before[$node]=$(traces $node); done
for node in a1 b1; do
    lab exec $node systemctl enable --now holdfast-hypervisord holdfast-clusterd
    eventually 60 "clusterd answers on $node" answers $node
done
hf a1 --json cluster status | jq -e '.problems | length == 1 and (.[0] | test("in no cluster"))' >/dev/null || fail "the status does not say that there is no cluster"
refused 1 'no cluster' a1 group list
refused 1 'no cluster' a1 cluster token

echo "--- init"
refused 2 '10.9.9.9' a1 cluster init lab --node a1 --site a --address 10.9.9.9
refused 2 'address' a1 cluster init lab --node a1 --site a --address here
refused 2 'witness|port' a1 cluster init lab --node a1 --site a --address 10.0.1.11 --witness 10.0.1.31:port
untouched a1
lab exec a1 chmod a-x /usr/sbin/corosync
refused 1 'corosync' a1 cluster init lab --node a1 --site a --address 10.0.1.11
untouched a1
lab exec a1 chmod a+x /usr/sbin/corosync
eventually 60 "clusterd answers on a1" answers a1
hf a1 cluster init lab --node a1 --site a --address 10.0.1.11
refused 1 'already' a1 cluster init again --node a1 --site a --address 10.0.1.11
same "nodes after init" "a1 a 101 online" "$(nodes a1)"

echo "--- join"
token=$(hf a1 --json cluster token | jq -r .token)
plain=$(base64 -d <<<"$token")
forged=$(printf '%s' "9${plain}" | base64 -w0)
stranger=$(printf '%s' "${plain%%:*}:$(printf '0%.0s' {1..64})" | base64 -w0)
join=(b1 cluster join 10.0.1.11 --node b1 --site b --address 10.0.1.21)
refused 2 'token' "${join[@]}" --token nonsense
refused 1 'token' "${join[@]}" --token "$forged"
refused 1 '10.0.1.11|cluster|CA' "${join[@]}" --token "$stranger"
refused 1 'a1' b1 cluster join 10.0.1.11 --node a1 --site b --address 10.0.1.21 --token "$token"
refused 1 '10.0.1.77' b1 cluster join 10.0.1.77 --node b1 --site b --address 10.0.1.21 --token "$token"
untouched b1
lab exec b1 chmod a-x /usr/sbin/corosync
refused 1 'corosync' "${join[@]}" --token "$token"
untouched b1
lab exec b1 chmod a+x /usr/sbin/corosync
eventually 60 "clusterd answers on b1" answers b1
hf "${join[@]}" --token "$token"
eventually 60 "both see both" both_online a1
eventually 60 "both see both" both_online b1
refused 1 'already' "${join[@]}" --token "$token"
lab exec b1 test -s /etc/holdfast/pki/ca.key || fail "b1 cannot sign for the next node"
for conf in a1 b1; do lab exec $conf cat /etc/corosync/corosync.conf | md5sum; done | uniq | wc -l | grep -qx 1 || fail "the nodes have different configurations of corosync"
hf b1 --json cluster token | jq -e '.token | length > 100' >/dev/null || fail "b1 makes no token"
