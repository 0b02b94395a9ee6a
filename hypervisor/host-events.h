// SPDX-License-Identifier: GPL-3.0-or-later
// The events of this node, in memory and in a file, until clusterd has taken them; on a stand-alone machine the last ones stay for whoever asks.
#ifndef HYPERVISOR_HOST_EVENTS_H
#define HYPERVISOR_HOST_EVENTS_H

#include "common/rpc.h"
#include "hypervisor/group.h"

struct host_events *host_events_open(struct hypervisor *hv, struct error *err) MUST_CHECK;
void host_events_close(struct host_events *events);

// Sends all that are there, then each as it comes, until the client hangs up; what was sent is forgotten.
int host_events_serve(struct host_events *events, struct rpc_call *call, struct error *err) MUST_CHECK;	// waits
// Stand-alone: those since a time (RFC 3339; "" all), the last LIMIT (0: all) of them, into *list; with `follow` they are sent as they come instead.
int host_events_query(struct host_events *events, struct rpc_call *call, const Holdfast__EventQuery *query,
	Holdfast__EventList *list, struct error *err) MUST_CHECK;	// waits

#endif
