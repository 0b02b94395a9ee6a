// SPDX-License-Identifier: GPL-3.0-or-later
// A group's volumes on the nodes that hold them: made, brought together and taken away again, through each node's
// hypervisord. All may be called again after a failure in the middle.
#ifndef CLUSTERD_REPLICAS_H
#define CLUSTERD_REPLICAS_H

#include "clusterd/clusterd.h"
#include "common/rpc.h"

// The nodes that hold volumes: the replicas' nodes; of `file` storage the possible owners. Borrowed names; the caller
// frees the array, which ends with NULL.
const char **replicas_nodes(const Holdfast__Group *group);
// All of them are online; else ERROR_UNREACHABLE names one that is not.
int replicas_need_all(struct clusterd *cd, const Holdfast__Group *group, struct error *err) MUST_CHECK;
// Makes every node's replica be what SPEC says. Volumes with an index of FIRST_NEW or more are fresh: once connected
// they are declared in sync.
int replicas_apply(struct clusterd *cd, struct rpc_call *call, const Holdfast__GroupSpec *spec,
	uint32_t first_new, struct error *err) MUST_CHECK;	// waits
// Removes the group's volumes on all its nodes.
int replicas_delete(struct clusterd *cd, const Holdfast__Group *group, struct error *err) MUST_CHECK;	// waits

#endif
