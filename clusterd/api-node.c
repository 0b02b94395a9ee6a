// SPDX-License-Identifier: GPL-3.0-or-later
// node list, show, fence, confirm-down, drain, resume. Fencing and the record of an administrator's word are Pacemaker's own (stonith_admin).
#include <glib.h>
#include <string.h>

#include "clusterd/api.h"
#include "clusterd/drain.h"
#include "clusterd/forward.h"
#include "clusterd/story.h"
#include "clusterd/view.h"
#include "common/cleanup.h"
#include "common/spawn.h"

#define FENCE_TIMEOUT_S 60

API_HANDLER(serve_list)
{
	cleanup_view struct view *view = view_take_hosts(cd, NULL);

	(void)call, (void)request, (void)err;
	reply->body_case = HOLDFAST__REPLY__BODY_NODE_LIST;
	reply->node_list = status_nodes(&view->input);
	return 0;
}

API_HANDLER(serve_show)
{
	const char *name = request->node_show->name;
	const char *const ask[] = { name, NULL };
	cleanup_view struct view *view = view_take_hosts(cd, ask);

	(void)call;
	Holdfast__NodeStatus *status = status_node(&view->input, name);
	if (!status) {
		if (!view_node(cd, view, name, err))
			return -1;
		return error_set(
			err, ERROR_NOT_FOUND, "there is no node %.80s: see 'holdfast node list'", name);
	}
	reply->body_case = HOLDFAST__REPLY__BODY_NODE;
	reply->node = status;
	return 0;
}

// Fencing runs on another node, because the one that is fenced cannot answer any more.
static int pass_on_if_self(struct clusterd *cd, struct rpc_call *call, const Holdfast__Request *request,
	const char *name, Holdfast__Reply *reply, struct error *err)
{
	const struct membership_state *members = membership_state(cd->membership);

	for (size_t i = 0; i < members->count; i++) {
		if (!members->members[i].online || !strcmp(members->members[i].name, name))
			continue;
		cleanup_free char *other = g_strdup(members->members[i].name);
		return forward_call(cd, call, request, other, reply, err);
	}
	return error_set(
		err, ERROR_FAILED, "node %s cannot be fenced by itself and no other node is online", name);
}

API_HANDLER(serve_fence)
{
	const char *name = request->node_fence->name;
	cleanup_view struct view *view = view_take(cd);
	const struct cib_node *node = view_node(cd, view, name, err);
	cleanup_free char *timeout = g_strdup_printf("%d", FENCE_TIMEOUT_S);
	const char *const argv[] = { "stonith_admin", "--reboot", name, "--timeout", timeout, "--tolerance",
		"0s", NULL };

	int64_t begin_us = g_get_real_time();

	if (!node || api_need_quorum(cd, err) < 0)
		return -1;
	if (!node->fence_device)
		return error_set(err, ERROR_FAILED,
			"node %s has no fence device: add one with 'holdfast fence add %s AGENT "
			"KEY=VALUE...'",
			name, name);
	if (!strcmp(name, cd->config.node))
		return pass_on_if_self(cd, call, request, name, reply, err);
	rpc_call_progress(call, -1, "fencing node %s", name);
	if (spawn_run(argv, (FENCE_TIMEOUT_S + 10) * 1000, NULL, err) < 0)
		return error_prefix(err, "node %s was not fenced", name);
	// Pacemaker takes it for down from the order on: nobody will see it unclean (watch.c).
	if (!story_last(events_store(cd->events), "node-fenced", name, begin_us))
		events_emit_text(cd->events, "node-fenced", name, NULL, "node %s was fenced, as %s asked for",
			name, rpc_call_peer(call));
	api_reply_done(reply);
	return 0;
}

API_HANDLER(serve_confirm_down)
{
	const char *name = request->node_confirm_down->name;
	cleanup_view struct view *view = view_take(cd);
	const struct member *member = membership_find(&view->members, name);
	const char *const argv[] = { "stonith_admin", "--confirm", name, NULL };

	if (!view_node(cd, view, name, err))
		return -1;
	if (member && member->online)
		return error_set(err, ERROR_UNSAFE,
			"node %s is online: confirming that it is down would let its groups run twice", name);
	if (api_need_quorum(cd, err) < 0 || spawn_run(argv, 30000, NULL, err) < 0)
		return error_prefix(err, "it could not be confirmed that node %s is down", name);
	// Every node keeps it for the proof that a lost owner is gone (watch.c).
	events_emit_text(cd->events, "node-confirmed", name, NULL, "%s confirmed that node %s is down",
		rpc_call_peer(call), name);
	api_reply_done(reply);
	return 0;
}

// The node itself does it, so that a lost connection or a dead client ends nothing.
static int pass_on(struct clusterd *cd, struct rpc_call *call, const Holdfast__Request *request,
	const char *name, Holdfast__Reply *reply, struct error *err)
{
	cleanup_view struct view *view = view_take(cd);

	if (!view_node(cd, view, name, err))
		return -1;
	if (!status_node_online(&view->input, name))
		return error_set(
			err, ERROR_UNREACHABLE, "node %s is offline: it has no groups to move away", name);
	return forward_call(cd, call, request, name, reply, err);
}

API_HANDLER(serve_drain)
{
	const char *name = request->node_drain->name;

	if (strcmp(name, cd->config.node))
		return pass_on(cd, call, request, name, reply, err);
	if (drain_run(cd, call, request->node_drain, err) < 0)
		return -1;
	api_reply_done(reply);
	return 0;
}

API_HANDLER(serve_resume)
{
	if (drain_resume(cd, call, request->node_resume, err) < 0)
		return -1;
	api_reply_done(reply);
	return 0;
}

const struct api_verb api_node_verbs[] = {
	{ HOLDFAST__REQUEST__BODY_NODE_LIST, CALLER_ADMIN, 0, serve_list },
	{ HOLDFAST__REQUEST__BODY_NODE_SHOW, CALLER_ADMIN, 0, serve_show },
	{ HOLDFAST__REQUEST__BODY_NODE_FENCE, CALLER_ADMIN, API_CHANGES, serve_fence },
	{ HOLDFAST__REQUEST__BODY_NODE_CONFIRM_DOWN, CALLER_ADMIN, API_CHANGES, serve_confirm_down },
	{ HOLDFAST__REQUEST__BODY_NODE_DRAIN, CALLER_ADMIN, API_CHANGES, serve_drain },
	{ HOLDFAST__REQUEST__BODY_NODE_RESUME, CALLER_ADMIN, API_CHANGES, serve_resume },
	{ 0 },
};
