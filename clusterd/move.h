// SPDX-License-Identifier: GPL-3.0-or-later
// A planned move in two phases (docs/architecture.md, "The life of a quick move"), run by the owner's clusterd: the
// target is prepared before Pacemaker hears of the move; then the constraint is set, and taken away when Pacemaker is
// done. A constraint that a dead clusterd left is ended by move_settle.
#ifndef CLUSTERD_MOVE_H
#define CLUSTERD_MOVE_H

#include <stdbool.h>
#include "clusterd/cib.h"
#include "clusterd/clusterd.h"
#include "common/rpc.h"

int move_run(struct clusterd *cd, struct rpc_call *call, const Holdfast__GroupMove *move,
	Holdfast__MoveResult **result, struct error *err) MUST_CHECK;
// Until Pacemaker has heard of it: ERROR_BUSY after that. The move itself ends with ERROR_CANCELLED.
int move_cancel(struct clusterd *cd, const char *group, struct error *err) MUST_CHECK;	// waits
bool move_under_way(const struct clusterd *cd, const char *group);	// in this clusterd
// Whether the guests of the group run here, as this node's hypervisord knows them.
bool move_guest_runs_here(struct clusterd *cd, const char *group);	// waits
// After a failed or abandoned move: takes the constraint away; if the guests run here, forgets the failure, so that
// Pacemaker goes on with the group.
int move_settle(struct clusterd *cd, const char *group, struct error *err) MUST_CHECK;	// waits

#endif
