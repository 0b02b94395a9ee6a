// SPDX-License-Identifier: GPL-3.0-or-later
// Requests to other nodes: over TLS to their clusterds, one kept connection a node; and to any node's hypervisord
// through its clusterd.
#ifndef CLUSTERD_FORWARD_H
#define CLUSTERD_FORWARD_H

#include "clusterd/clusterd.h"
#include "common/rpc.h"

struct peers *peers_new(void);
void peers_free(struct peers *peers);

// To NODE's clusterd, which must be another node's. REPLY may be NULL. ERROR_UNREACHABLE says which node does not answer.
int peer_call(struct clusterd *cd, const char *node, Holdfast__Request *request, unsigned timeout_ms, rpc_partial_cb *partial, void *data,
	Holdfast__Reply **reply, struct error *err) MUST_CHECK;	// waits
// To the hypervisord of NODE, which may be our own.
int host_call(struct clusterd *cd, const char *node, Holdfast__Request *request, unsigned timeout_ms, rpc_partial_cb *partial, void *data,
	Holdfast__Reply **reply, struct error *err) MUST_CHECK;	// waits

// Serves a call by passing it on to NODE's clusterd, with progress, events and, for a console, data both ways. A call
// that came from another node is not passed on again: ERROR_BUSY, the caller asks anew.
int forward_call(struct clusterd *cd, struct rpc_call *call, const Holdfast__Request *request, const char *node, Holdfast__Reply *reply,
	struct error *err) MUST_CHECK;	// waits
// The same to this node's hypervisord.
int forward_to_host(struct clusterd *cd, struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	struct error *err) MUST_CHECK;	// waits
rpc_handler_fn forward_by_node;	// for rpc_server_set_forward

// What `partial` of a call may be, to pass its progress on to an rpc_call.
rpc_partial_cb forward_partial;	// DATA is the struct rpc_call

#endif
