// SPDX-License-Identifier: GPL-3.0-or-later
// The state volume grows with its group's VMs.
#ifndef CLUSTERD_STATE_GROW_H
#define CLUSTERD_STATE_GROW_H

#include "clusterd/api.h"
#include "clusterd/cib.h"

// Before GROUP becomes SPEC: its state volume gets as large as SPEC's VMs need, and SPEC says so. An error, with the figures, if they could not be
// saved otherwise; for want of room for checkpoints only there is none.
int state_grow(struct clusterd *cd, struct rpc_call *call, const struct cib_group *group, Holdfast__GroupSpec *spec,
	struct error *err) MUST_CHECK;	// waits

// `volume grow GROUP.state SIZE`, under the lock of the definitions. STATE_GROW_OTHER: no group has a state volume of that name.
#define STATE_GROW_OTHER 1
int state_grow_wish(struct clusterd *cd, struct rpc_call *call, const Holdfast__VolumeGrow *wish,
	struct error *err) MUST_CHECK; // waits

#endif
