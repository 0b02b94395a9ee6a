#!/bin/bash
# The fence agent in a node reaches the power switches over mgmt: off, on, reboot, status; a frozen node, a dark one, a cut network, a wrong key.
# needs: own-lab
# shellcheck source=tests/integration/own-lab.sh
. "$(dirname "$0")/own-lab.sh"

lab up --bare --witness none
lab exec a1 sh -c 'cat > /tmp/fence; chmod 755 /tmp/fence' <"$BUILD/fence/fence_holdfast_lab"
key=$(cat "$LAB_DIR/bmc.key")
# fence NODE-FROM ADDRESS ACTION [LINE...]: as the cluster calls it
fence() {
    local from=$1 ip=$2 action=$3
    shift 3
    printf '%s\n' "action=$action" "ip=$ip" "key=$key" "timeout=10" "$@" | lab exec "$from" /tmp/fence
}
b1=10.0.2.121
gives 0 fence a1 $b1 monitor
gives 0 fence a1 $b1 status
gives 0 fence a1 $b1 off
same "off is done when the agent says so" off "$(state b1)"
gives 2 fence a1 $b1 status
gives 0 fence a1 $b1 off
gives 0 fence a1 $b1 on
same "on" running "$(state b1)"
eventually 90 "b1 is up" lab exec b1 true

pid=$(lab status --json | jq '.nodes[] | select(.name == "b1").pid')
gives 0 fence a1 $b1 reboot
[ ! -d "/proc/$pid" ] || fail "the node that was fenced still has a process"
eventually 90 "b1 is up" lab exec b1 true

lab freeze b1
gives 0 fence a1 $b1 reboot
eventually 90 "b1 is up after it was frozen" lab exec b1 true

# Without power: off is true, and nothing but `lab boot` brings it back.
lab kill b1
gives 0 fence a1 $b1 off
gives 0 fence a1 $b1 reboot
gives 0 fence a1 $b1 on
same "still dark" dark "$(state b1)"
gives 2 fence a1 $b1 status
lab boot b1

# A cut of data leaves fencing possible, a cut of everything does not.
lab cut a b
gives 0 fence a1 $b1 monitor
lab cut a b --net all
gives 1 fence a1 $b1 off timeout=2 2>/dev/null
same "nothing happened" running "$(state b1)"
gives 0 fence a1 10.0.2.111 monitor
lab heal

key=00
gives 1 fence a1 $b1 off timeout=2 2>/dev/null
same "nothing happened with a wrong key" running "$(state b1)"

# The same request again is answered again, not carried out again: half of the packets are lost, the node is fenced once.
key=$(cat "$LAB_DIR/bmc.key")
lab delay a b 0 --loss 50 --net mgmt
before=$(grep -c 'node b1: fence reboot' "$LAB_DIR/labd.log")
gives 0 fence a1 $b1 reboot timeout=60
same "fenced once" $((before + 1)) "$(grep -c 'node b1: fence reboot' "$LAB_DIR/labd.log")"
