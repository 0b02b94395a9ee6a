// SPDX-License-Identifier: GPL-3.0-or-later
// What clusterd does by itself, in the background: ends moves that a dead clusterd left half-way, forgets failures whose
// cause is gone, so that Pacemaker tries again, and clears records of current data that no resync will clear. Each action
// is taken by one node only and not more often than every few seconds.
#ifndef CLUSTERD_POLICY_H
#define CLUSTERD_POLICY_H

#include <stdbool.h>
#include "clusterd/cib.h"
#include "clusterd/clusterd.h"

struct policy *policy_new(struct clusterd *cd, struct error *err) MUST_CHECK;
void policy_free(struct policy *policy);	// after its task has ended

// ---- the decision alone: pure, for tests

enum policy_action {
	POLICY_NONE,
	POLICY_DROP_MOVE,	// the move is over, or its target is lost: take the constraint away
	POLICY_SETTLE_MOVE,	// it was abandoned: take the constraint away and, if the guests run here, forget the failure
	POLICY_FORGET_MOVE,	// blocked by a failed migrate_to; if the guests run here, forget the failure
	POLICY_FORGET_BLOCK,	// blocked by it for long, and no node has said that the guests run there: let Pacemaker look again
	POLICY_FORGET_HISTORY,	// the node that a finished move left still remembers it: see cib_forget_history
	POLICY_RETRY_START,	// failed to start, and the replica that it lacked is there now
	POLICY_CLEAR_RECORD,	// "only N has current data", but both replicas are in sync: there was nothing to resync
};
struct policy_facts {
	const char *own_node;
	bool coordinates;
	bool own_move;			// runs in this clusterd
	bool target_online;		// of the move's constraint
	bool left_online;		// the node in moved_from
	bool in_sync;			// both replicas are connected and up to date, asked after the record was seen
	bool replica_ready;		// some possible owner has all volumes connected and up to date
	bool replica_was_ready;		// when the present failure was first seen
	int64_t same_ms;		// for so long nothing about the group has changed
};
enum policy_action policy_decide(const struct cib_group *group, const struct policy_facts *facts);

#endif
