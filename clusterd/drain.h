// SPDX-License-Identifier: GPL-3.0-or-later
// Empties a node for maintenance and fills it again. The wish is in the CIB (Node.draining); the node's own clusterd moves its groups away, a few at
// a time, and then puts it into standby. So it goes on after the death of whoever asked, and of this clusterd.
#ifndef CLUSTERD_DRAIN_H
#define CLUSTERD_DRAIN_H

#include "clusterd/clusterd.h"
#include "common/rpc.h"

struct drain *drain_new(struct clusterd *cd, struct error *err) MUST_CHECK;
void drain_free(struct drain *drain);	// after its task has ended

// On the node itself. Returns when the node is in standby and has no group, or when what is left cannot be moved: ERROR_FAILED names it, the wish
// stays, and it is tried again every now and then.
int drain_run(struct clusterd *cd, struct rpc_call *call, const Holdfast__NodeDrain *request, struct error *err) MUST_CHECK;	// waits
// On any node. ERROR_FAILED if a group could not be moved back: the node is out of maintenance all the same.
int drain_resume(struct clusterd *cd, struct rpc_call *call, const Holdfast__NodeResume *request, struct error *err) MUST_CHECK;	// waits

#endif
