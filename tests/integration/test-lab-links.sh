#!/bin/bash
# Cuts, one-way cuts, delays and their end, as packets between nodes see them; frames of 9000 bytes on the data network.
# needs: own-lab
# shellcheck source=tests/integration/own-lab.sh
. "$(dirname "$0")/own-lab.sh"

lab up --bare
reaches() { lab exec "$1" "busybox ping -c 1 -W ${3:-1} $2" >/dev/null; }
unreachable() { ! reaches "$1" "$2"; }

reaches a1 b1 && reaches a1 w && reaches a1 b1-mgmt || fail "a whole network does not work"
same "the MTU of data" 9000 "$(lab exec a1 cat /sys/class/net/data/mtu)"
lab exec a1 'busybox ping -c 1 -W 2 -s 8900 b1' >/dev/null || fail "large frames do not pass"

lab cut a b
unreachable a1 b1 || fail "a and b are not cut"
unreachable b1 a1 || fail "b and a are not cut"
reaches a1 w && reaches b1 w && reaches a1 b1-mgmt || fail "a cut of data between two sites cut more"
same "status" "a1>b1 b1>a1" "$(lab status --json | jq -r '[.links[] | select(.cut) | .from + ">" + .to] | join(" ")')"
lab heal
reaches a1 b1 || fail "heal did not heal"

lab cut a1 witness --net all
unreachable a1 w && unreachable a1 w-mgmt || fail "all networks are not cut"
reaches b1 w && reaches a1 b1 || fail "a cut from the witness cut more"
lab heal

# One way: b1 hears a1, but its answers do not come back.
seen() { lab exec b1 cat /sys/class/net/data/statistics/rx_packets; }
reaches a1 b1
lab cut b a --one-way
before=$(seen)
unreachable a1 b1 || fail "the one-way cut is not there"
[ "$(seen)" -gt "$before" ] || fail "the one-way cut goes both ways"
lab heal

lab delay a b 150
time_ms=$(lab exec a1 'busybox ping -c 1 -W 3 b1' | sed -n 's/.*time=\([0-9]*\).*/\1/p')
[ "$time_ms" -ge 300 ] || fail "a round trip over two delays of 150 ms took $time_ms ms"
lab delay a b 0 --loss 100
unreachable a1 b1 || fail "all is lost, and yet it arrives"
lab heal
reaches a1 b1 || fail "heal did not heal"

gives 2 lab cut a a1 2>/dev/null
gives 3 lab cut a nowhere 2>/dev/null
gives 2 lab delay a b 10 --loss 101 2>/dev/null
