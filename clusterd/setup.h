// SPDX-License-Identifier: GPL-3.0-or-later
// Making this machine a node of a cluster: the files of corosync, Pacemaker and ourselves, and the services, over
// systemctl. Used by `cluster init` and by the joining side of `cluster join`. What was written can be taken away
// again. Knows no request.
#ifndef CLUSTERD_SETUP_H
#define CLUSTERD_SETUP_H

#include <stdbool.h>
#include <stddef.h>
#include "clusterd/clusterd.h"
#include "common/error.h"
#include "common/rpc.h"

#define SETUP_COROSYNC_CONF "/etc/corosync/corosync.conf"
#define SETUP_COROSYNC_KEY "/etc/corosync/authkey"
#define SETUP_PACEMAKER_KEY "/etc/pacemaker/authkey"
#define SETUP_KEY_BYTES 256

struct setup_node {
	const char *node, *site, *address;
};
struct setup_files {
	const char *corosync_conf;
	const void *corosync_key, *pacemaker_key;
	size_t corosync_key_bytes, pacemaker_key_bytes;
};

// Names are right, the address is this machine's, and it is in no cluster yet.
int setup_check(const struct clusterd *cd, const struct setup_node *node, struct error *err) MUST_CHECK;
int setup_random_key(unsigned char key[SETUP_KEY_BYTES], struct error *err) MUST_CHECK;
// Everything but the PKI, which must be there already; holdfast.conf last.
int setup_write(struct clusterd *cd, const struct setup_node *node, const struct setup_files *files, struct error *err) MUST_CHECK;
// Stops what ran before, starts all with the new files. WITNESS: corosync-qdevice too.
int setup_start_services(struct clusterd *cd, struct rpc_call *call, bool witness, struct error *err) MUST_CHECK;	// waits
// Takes back what setup_write and the PKI did, and stops the cluster's services. Never fails; what could not be undone is logged.
void setup_undo(struct clusterd *cd);	// waits
// Until corosync is quorate here and Pacemaker shows this node online, with a DC.
int setup_await_cluster(struct clusterd *cd, struct rpc_call *call, unsigned timeout_ms, struct error *err) MUST_CHECK;	// waits

#endif
