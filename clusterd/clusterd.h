// SPDX-License-Identifier: GPL-3.0-or-later
// What clusterd's rooms share, made and wired by main.c: the connections (each may be absent and come back) and the
// node's own place. A cluster's truth is never here: it is in the CIB, in corosync and in the hypervisords.
#ifndef CLUSTERD_CLUSTERD_H
#define CLUSTERD_CLUSTERD_H

#include <stdbool.h>
#include "clusterd/events.h"
#include "clusterd/membership.h"
#include "clusterd/notice.h"
#include "common/config.h"
#include "common/loop.h"
#include "common/rpc.h"
#include "common/task.h"
#include "common/tls.h"

struct cib_link;
struct drain;
struct host_link;
struct peers;
struct policy;
struct watch;
typedef struct _GHashTable GHashTable;

struct clusterd {
	struct loop *loop;
	const char *config_path;
	struct config config;
	bool in_cluster;		// holdfast.conf names this node's address

	struct rpc_server *server;
	struct rpc_handler *handlers;	// the server's, as long as it lives
	struct tls_context *tls;	// NULL: no PKI yet
	struct membership *membership;
	struct events *events;
	struct cib_link *cib;
	struct host_link *host;
	struct peers *peers;
	struct policy *policy;
	struct watch *watch;

	GHashTable *moving;		// names of groups whose move runs in this clusterd
	unsigned moves;			// how many of them have had their turn: config.moves_at_once at most
	struct drain *drain;
	struct notice changed;		// the CIB, the membership or a connection changed
	struct task_mutex definitions;	// one change of groups, VMs or nodes at a time; the coordinator's counts
	struct task_mutex setup;	// cluster init, join
	unsigned setup_undo;		// setup.c: what would have to be put back
	struct {
		int64_t window_us;
		unsigned count;
	} join_failures;		// wrong join secrets in the present minute
};

// Takes up what init or join wrote: configuration, PKI (listens on TLS), names. Connects to corosync and Pacemaker at once.
int clusterd_enter_cluster(struct clusterd *cd, struct error *err) MUST_CHECK;
void clusterd_leave_cluster(struct clusterd *cd);	// after an entry that failed and was undone
// Whether this node is the one that does what only one may do at a time.
bool clusterd_coordinates(const struct clusterd *cd);

#endif
