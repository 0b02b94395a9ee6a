#!/bin/bash
# kill, boot, freeze, thaw, reboot, poweroff: the states of a node, what survives, and what its serial port said up to the last byte.
# needs: own-lab
# shellcheck source=tests/integration/own-lab.sh
. "$(dirname "$0")/own-lab.sh"

lab up --bare --sites 1 --witness none
same "up" running "$(state a1)"
gives 1 lab boot a1 2>/dev/null
gives 1 lab thaw a1 2>/dev/null
gives 3 lab kill nobody 2>/dev/null

lab exec a1 'echo kept > /var/lib/holdfast/kept; sync; echo lost > /tmp/lost; echo lost > /etc/lost'
lab exec a1 'lvcreate -qq -y -L 8M -n kept holdfast; printf "acked 1\nacked 2\n" > /dev/ttyS0'
lab kill a1
same "no power" dark "$(state a1)"
same "the serial port, byte by byte" "$(printf 'acked 1\nacked 2\n' | md5sum)" "$(md5sum <"$LAB_DIR/nodes/a1/serial0.log")"
gives 255 lab exec a1 true 2>/dev/null
gives 1 lab freeze a1 2>/dev/null
lab boot a1
same "what survives a power cut" kept "$(lab exec a1 cat /var/lib/holdfast/kept)"
gives 1 lab exec a1 '[ -e /tmp/lost ] || [ -e /etc/lost ]'
lab exec a1 test -b /dev/holdfast/kept || fail "the volume is not active after a boot"
[ ! -e /etc/lost ] || fail "the host was written"

pid=$(lab exec a1 'tail -f /dev/null >/dev/null 2>&1 & echo $!')
lab freeze a1
same "frozen" frozen "$(state a1)"
gives 255 lab exec a1 true 2>/dev/null
lab thaw a1
lab exec a1 test -d "/proc/$pid" || fail "a freeze is not the same node going on"

# A node that resets or panics comes back by itself, one that switches itself off does not.
boot_id=$(lab exec a1 cat /proc/sys/kernel/random/boot_id)
other_boot() { [ "$(lab exec a1 cat /proc/sys/kernel/random/boot_id)" != "$boot_id" ]; }
lab exec a1 reboot || true
eventually 90 "the node is back after a reboot" other_boot
boot_id=$(lab exec a1 cat /proc/sys/kernel/random/boot_id)
lab exec a1 'echo c > /proc/sysrq-trigger' || true
eventually 90 "the node is back after a panic" other_boot
lab exec a1 poweroff || true
eventually 90 "the node is off" state_is a1 off
lab boot a1
lab exec a1 true
