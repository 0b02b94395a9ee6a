// SPDX-License-Identifier: GPL-3.0-or-later
// What clusterd serves: a table of verbs per noun (api-NOUN.c), joined here. Each verb says who may call it and where
// it runs; what changes something is recorded as an `admin` event with who asked for it.
#ifndef CLUSTERD_API_H
#define CLUSTERD_API_H

#include "clusterd/clusterd.h"
#include "common/rpc.h"

#define CALLER_LOCAL (1u << RPC_CALLER_LOCAL)
#define CALLER_NODE (1u << RPC_CALLER_NODE)
#define CALLER_STRANGER (1u << RPC_CALLER_STRANGER)
#define CALLER_ADMIN (CALLER_LOCAL | CALLER_NODE)	// an administrator here, or one at another node, passed on

enum api_flags {
	API_CHANGES = 1,		// recorded as an event by the node that the administrator talks to
	API_COORDINATOR = 2,		// passed on to the node that changes definitions, one at a time
	API_WITHOUT_CLUSTER = 4,	// makes sense before `cluster init`
};

struct api_verb {
	Holdfast__Request__BodyCase body;
	unsigned callers;
	unsigned flags;
	int (*serve)(struct clusterd *cd, struct rpc_call *call, const Holdfast__Request *request,
		Holdfast__Reply *reply, struct error *err);
};
#define API_HANDLER(name) \
	static int name(struct clusterd *cd, struct rpc_call *call, const Holdfast__Request *request, \
		Holdfast__Reply *reply, struct error *err)

// Each ends with body 0.
extern const struct api_verb api_cluster_verbs[], api_node_verbs[], api_group_verbs[], api_vm_verbs[],
	api_volume_verbs[], api_event_verbs[], api_fence_verbs[], api_host_verbs[],
	api_checkpoint_verbs[], api_clone_verbs[], api_disk_verbs[];

struct rpc_server *api_server_new(struct clusterd *cd);

// Answers.
void api_reply_done(Holdfast__Reply *reply);
void api_reply_name(Holdfast__Reply *reply, const char *name);
// ERROR_UNREACHABLE and the like: nothing may be changed without quorum.
int api_need_quorum(struct clusterd *cd, struct error *err) MUST_CHECK;

#endif
