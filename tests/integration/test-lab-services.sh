#!/bin/bash
# PID 1 of a node runs services: start, stop, restart after a death, enabled ones at boot in order, as systemctl does on real nodes.
# needs: own-lab
# shellcheck source=tests/integration/own-lab.sh
. "$(dirname "$0")/own-lab.sh"

lab up --bare --sites 1 --witness none
pid_of() { lab exec a1 pidof corosync; }
active() { lab exec a1 systemctl is-active --quiet "$1"; }
inactive() { ! active "$1"; }
other_pid() { local now; now=$(pid_of) && [ "$now" != "$pid" ] && active corosync; }

lab exec a1 sh -c 'cat > /etc/corosync/corosync.conf' <<'END'
totem {
	version: 2
	cluster_name: one
	transport: knet
	crypto_cipher: none
	crypto_hash: none
}
nodelist {
	node {
		ring0_addr: 10.0.1.11
		name: a1
		nodeid: 1
	}
}
quorum {
	provider: corosync_votequorum
}
END
gives 3 lab exec a1 systemctl is-active corosync
gives 5 lab exec a1 systemctl start bogus 2>/dev/null
lab exec a1 systemctl start pacemaker
active corosync || fail "pacemaker started without corosync, which it needs"
active pacemaker || fail "pacemaker did not start"
# Before it is up, pacemakerd loses a SIGTERM now and then.
eventually 60 "pacemaker answers" lab exec a1 timeout 5 crm_mon -1
lab exec a1 systemctl stop corosync
inactive pacemaker || fail "pacemaker runs without corosync"

lab exec a1 systemctl enable --now corosync
pid=$(pid_of)
lab exec a1 systemctl restart corosync
other_pid || fail "restart did not restart"
pid=$(pid_of)
lab exec a1 kill -9 "$pid"
eventually 60 "corosync is back after kill -9" other_pid
lab exec a1 systemctl stop corosync
gives 1 lab exec a1 pidof corosync
lab exec a1 reboot || true
eventually 90 "an enabled service starts at boot" active corosync
lab exec a1 systemctl disable --now corosync
lab kill a1
lab boot a1
gives 1 lab exec a1 systemctl is-enabled corosync
gives 3 lab exec a1 systemctl is-active corosync

# A service that cannot start says so at once.
lab exec a1 'echo nonsense > /etc/corosync/corosync.conf'
gives 1 timeout 60 "$SOURCE/deploy/lab/lab" exec a1 systemctl start corosync 2>/dev/null
