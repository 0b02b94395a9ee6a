// SPDX-License-Identifier: GPL-3.0-or-later
// The clusterds' process group in corosync (libcpg): what one multicasts all get, in the same order, and each learns
// who is in the group. Corosync may be absent and come back; what was not sent yet is then dropped, because the
// members' marks bring it again. Knows no message.
#ifndef CLUSTERD_CPG_H
#define CLUSTERD_CPG_H

#include <stddef.h>
#include <stdint.h>
#include "common/error.h"
#include "common/loop.h"

struct cpg_link;

struct cpg_callbacks {
	void (*deliver)(uint32_t nodeid, const void *bytes, size_t count, void *data);		// our own messages too
	void (*members)(const uint32_t *nodeids, size_t count, void *data);			// 0: not connected
};

struct cpg_link *cpg_link_new(struct loop *loop, const struct cpg_callbacks *callbacks, void *data);
void cpg_link_free(struct cpg_link *link);
void cpg_link_reconnect(struct cpg_link *link);
uint32_t cpg_link_nodeid(const struct cpg_link *link);	// our own; 0 while not connected
// Queued while corosync is busy; dropped if it is not there.
void cpg_link_send(struct cpg_link *link, const void *bytes, size_t count);

#endif
