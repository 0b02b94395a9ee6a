// SPDX-License-Identifier: GPL-3.0-or-later
// The connection to this node's hypervisord, kept up with backoff, with a subscription to its events. Knows no request.
#ifndef CLUSTERD_HOST_LINK_H
#define CLUSTERD_HOST_LINK_H

#include <stdbool.h>
#include "clusterd/notice.h"
#include "common/rpc.h"

struct host_link;
typedef void host_event_cb(const Holdfast__Event *event, void *data);

// CHANGED is raised when the connection comes or goes.
struct host_link *host_link_new(struct loop *loop, struct notice *changed, host_event_cb *event, void *data, struct error *err) MUST_CHECK;
void host_link_free(struct host_link *link);	// after its task has ended
bool host_link_connected(const struct host_link *link);
// As rpc_client_call; ERROR_UNREACHABLE if hypervisord is not there. REPLY may be NULL.
int host_link_call(struct host_link *link, Holdfast__Request *request, unsigned timeout_ms, rpc_partial_cb *partial, void *data,
	Holdfast__Reply **reply, struct error *err) MUST_CHECK;	// waits

#endif
