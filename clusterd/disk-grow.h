// SPDX-License-Identifier: GPL-3.0-or-later
// Disks of the cluster's groups: where they are worked on, and making them larger.
#ifndef CLUSTERD_DISK_GROW_H
#define CLUSTERD_DISK_GROW_H

#include "clusterd/clusterd.h"
#include "clusterd/view.h"
#include "common/rpc.h"

// The group that has the volume VM.DISK.
const struct cib_group *disk_group(const struct view *view, const char *volume, struct error *err) MUST_CHECK;
// The node where its volumes can be used: its owner, or, while it is offline, one with an up-to-date replica. The caller frees it.
char *disk_node(struct clusterd *cd, const struct cib_group *group, struct error *err) MUST_CHECK;	// waits
// Under the lock of the definitions, on the coordinator: both replicas, the volume and the guest, and then the definition. Repeated after a failure
// in the middle it goes on.
int disk_grow_all(struct clusterd *cd, struct rpc_call *call, const Holdfast__VolumeGrow *wish, struct error *err) MUST_CHECK;	// waits

#endif
