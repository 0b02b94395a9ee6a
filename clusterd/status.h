// SPDX-License-Identifier: GPL-3.0-or-later
// What is now, composed from what corosync, Pacemaker and the hypervisords say. Pure: no connection, no clock. Anything
// may be missing; the answer then has what is known, and `problems` says in plain words what is not and what to do.
#ifndef CLUSTERD_STATUS_H
#define CLUSTERD_STATUS_H

#include <stdbool.h>
#include "clusterd/cib.h"
#include "clusterd/event-store.h"
#include "clusterd/membership.h"
#include "proto/status.pb-c.h"

struct status_host {
	const char *node;
	const Holdfast__HostStatus *status;	// NULL: it did not answer
	const char *reason;			// then why
};

struct status_input {
	const char *own_node;
	const struct membership_state *members;
	const struct cib_snapshot *cib;		// NULL: never read
	const char *cib_reason;			// why Pacemaker cannot be asked now; NULL: it can
	const struct status_host *hosts;
	size_t host_count;
	const struct event_store *events;	// NULL: none; what they say of moves
};

// The caller frees the results with free_unpacked.
Holdfast__ClusterStatus *status_cluster(const struct status_input *in);
Holdfast__NodeStatus *status_node(const struct status_input *in, const char *name);	// NULL: no such node
Holdfast__NodeList *status_nodes(const struct status_input *in);
Holdfast__GroupStatus *status_group(const struct status_input *in, const struct cib_group *group);
Holdfast__VmStatus *status_vm(const struct status_input *in, const struct cib_group *group, const Holdfast__Vm *vm);
// As each node with a replica sees it. GROUP NULL: all; NAME NULL: all volumes.
Holdfast__VolumeList *status_volumes(const struct status_input *in, const char *group, const char *name);

// The node that runs the group; during a move the one that has it still. NULL: none.
const char *status_owner(const struct cib_group *group);
// Where Pacemaker does not say it: while it counts the group as failed for a move that failed, and after that was forgotten, until it has looked
// again where the group is. The one node whose hypervisor says that the group runs there; NULL: none or more than one does, or Pacemaker knows.
const char *status_runs_after_all(const struct status_input *in, const struct cib_group *group);
// What is known of the group's last move, if that failed; NULL else.
const Holdfast__Event *status_last_move_failed(const struct status_input *in, const char *group);
// One sentence per problem goes to LIST (GPtrArray of strings): status-problems.c.
void status_node_problems(const struct status_input *in, const char *name, void *list);
void status_group_problems(const struct status_input *in, const struct cib_group *group, void *list);
void status_cluster_problems(const struct status_input *in, void *list);

const struct status_host *status_host_of(const struct status_input *in, const char *node);
const struct cib_node *status_cib_node(const struct status_input *in, const char *node);
const Holdfast__GroupStatus *status_host_group(const struct status_host *host, const char *group);
bool status_node_online(const struct status_input *in, const char *name);

#endif
