// SPDX-License-Identifier: GPL-3.0-or-later
// Bringing a group online and offline, which Pacemaker does: the wish is set in the CIB, and the outcome is waited for there.
#ifndef CLUSTERD_GROUP_RUN_H
#define CLUSTERD_GROUP_RUN_H

#include "clusterd/clusterd.h"
#include "clusterd/view.h"
#include "common/rpc.h"

int group_start_run(struct clusterd *cd, struct rpc_call *call, const Holdfast__GroupStart *start, struct error *err) MUST_CHECK;	// waits
int group_stop_run(struct clusterd *cd, struct rpc_call *call, const Holdfast__GroupStop *stop, struct error *err) MUST_CHECK;		// waits
// What a start without the node that has the newest data would lose. ERROR_UNSAFE or ERROR_FAILED if there is no such
// question now.
Holdfast__OldData *group_old_data(struct clusterd *cd, const struct view *view,
	const struct cib_group *group, struct error *err) MUST_CHECK;

#endif
