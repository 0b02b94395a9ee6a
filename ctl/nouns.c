// SPDX-License-Identifier: GPL-3.0-or-later
// Order here is the order of help.
#include "ctl/nouns.h"

#include <stddef.h>

const struct noun nouns[] = {
	{ "cluster", "make, join and watch the cluster", cluster_verbs, true },
	{ "node", "the hosts of the cluster", node_verbs, true },
	{ "group", "failover groups: VMs that are placed, replicated, moved and failed over together",
		group_verbs, false },
	{ "vm", "virtual machines", vm_verbs, false },
	{ "checkpoint", "a VM's states to come back to", checkpoint_verbs, false },
	{ "volume", "disks and their replicas", volume_verbs, false },
	{ "fence", "power switches that prove a lost node is off", fence_verbs, true },
	{ "events", "what happened, when, and how long it took", events_verbs, false },
	{ NULL, NULL, NULL, false },
};
