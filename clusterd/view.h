// SPDX-License-Identifier: GPL-3.0-or-later
// One look at everything, for an answer: the latest snapshot of the CIB, the membership, and, if asked for, the status
// of the hypervisors, asked all at once with a short deadline. Who does not answer in time is in it with the reason.
#ifndef CLUSTERD_VIEW_H
#define CLUSTERD_VIEW_H

#include "clusterd/cib-link.h"
#include "clusterd/clusterd.h"
#include "clusterd/status.h"

struct view {
	struct status_input input;	// what status.h takes
	struct snapshot *snapshot;	// NULL: the CIB was never read
	struct membership_state members;
	struct status_host *hosts;
	struct gather *gather;
};

// The definitions, and who is online. Never fails.
struct view *view_take(struct clusterd *cd);
// The hypervisors' answers too: of NODES (an array ending with NULL), or of all that are online if it is NULL.
struct view *view_take_hosts(struct clusterd *cd, const char *const *nodes);	// waits
// And what files their groups' VMs would lack there.
struct view *view_take_hosts_and_files(struct clusterd *cd, const char *const *nodes);	// waits
// The same with more patience, for what would be refused without an answer: a busy node is no lost node.
struct view *view_take_hosts_to_decide(struct clusterd *cd, const char *const *nodes);	// waits
void view_free(struct view *view);
static inline void cleanup_view_p(struct view **view)
{
	view_free(*view);
}
#define cleanup_view __attribute__((cleanup(cleanup_view_p)))

// With an error that says that Pacemaker cannot be asked, or that there is no such thing.
const struct cib_group *view_group(struct clusterd *cd, const struct view *view, const char *name, struct error *err) MUST_CHECK;
const struct cib_group *view_vm(struct clusterd *cd, const struct view *view, const char *name,
	const Holdfast__Vm **vm, struct error *err) MUST_CHECK;
const struct cib_node *view_node(struct clusterd *cd, const struct view *view, const char *name, struct error *err) MUST_CHECK;

#endif
