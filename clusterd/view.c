// SPDX-License-Identifier: GPL-3.0-or-later
// The look at everything: see the header. Each hypervisor is asked by a task of its own; the answers belong to a
// gathering that outlives the view if some come late.
#include "clusterd/view.h"

#include <glib.h>
#include <string.h>

#include "clusterd/files.h"
#include "clusterd/forward.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/task.h"

#define SHOW_TIMEOUT_MS 2500u
#define DECIDE_TIMEOUT_MS 20000u
#define FILES_TIMEOUT_MS 1000u
#define GATHER_MORE_MS 500u

struct answer {
	struct gather *gather;
	char node[64];
	Holdfast__Reply *reply;
	struct error err;
	bool done;
};

struct patience {
	unsigned timeout_ms;
	bool files; // are asked for too
};

struct gather {
	unsigned references; // the view's and one for each task under way
	struct clusterd *cd;
	struct answer *answers;
	size_t count, open;
	unsigned timeout_ms;
	bool files;
	struct notice progressed;
};

static void gather_release(struct gather *gather)
{
	if (!gather || --gather->references)
		return;
	for (size_t i = 0; i < gather->count; i++)
		if (gather->answers[i].reply)
			holdfast__reply__free_unpacked(gather->answers[i].reply, NULL);
	g_free(gather->answers);
	g_free(gather);
}

// Late, or not at all: a status without them is one all the same.
static void ask_files(struct answer *answer)
{
	struct gather *gather = answer->gather;
	struct error err = ERROR_INIT;
	cleanup_snapshot struct snapshot *snapshot = cib_link_snapshot(gather->cd->cib, NULL);

	if (snapshot && files_add_missing(gather->cd, answer->node, snapshot->cib, answer->reply->host, FILES_TIMEOUT_MS, &err) < 0)
		log_info("what files node %s lacks is not known: %s", answer->node, err.message);
}

static void ask_task(void *data)
{
	struct answer *answer = data;
	struct gather *gather = answer->gather;
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Empty empty = HOLDFAST__EMPTY__INIT;

	request.body_case = HOLDFAST__REQUEST__BODY_HOST_STATUS;
	request.timeout_ms = gather->timeout_ms;
	request.host_status = &empty;
	if (host_call(gather->cd, answer->node, &request, gather->timeout_ms, NULL, NULL, &answer->reply,
		    &answer->err) == 0 &&
		answer->reply->body_case != HOLDFAST__REPLY__BODY_HOST)
		error_set(&answer->err, ERROR_PROTOCOL, "it did not answer with its status");
	else if (answer->reply && gather->files)
		ask_files(answer);
	answer->done = true;
	gather->open--;
	notice_raise(&gather->progressed);
	gather_release(gather);
}

static struct gather *gather_start(
	struct clusterd *cd, const char *const *nodes, size_t count, const struct patience *patience)
{
	struct gather *gather = g_new0(struct gather, 1);

	gather->references = 1;
	gather->cd = cd;
	gather->count = count;
	gather->timeout_ms = patience->timeout_ms;
	gather->files = patience->files;
	gather->answers = g_new0(struct answer, count + 1);
	for (size_t i = 0; i < count; i++) {
		struct answer *answer = &gather->answers[i];

		answer->gather = gather;
		g_strlcpy(answer->node, nodes[i], sizeof(answer->node));
		if (!task_start(cd->loop, "host status", ask_task, answer, &answer->err)) {
			answer->done = true;
			continue;
		}
		gather->references++;
		gather->open++;
	}
	return gather;
}

static void gather_await(struct gather *gather)
{
	int64_t deadline = loop_now_us() + (gather->timeout_ms + (gather->files ? FILES_TIMEOUT_MS : 0) + GATHER_MORE_MS) * 1000ll;
	struct error err = ERROR_INIT;

	while (gather->open > 0) {
		int64_t left = (deadline - loop_now_us()) / 1000;
		if (left <= 0 ||
			notice_wait(&gather->progressed, (unsigned)left, "the hypervisors' status", &err) < 0)
			return;
	}
}

static void fill_hosts(struct view *view, const struct gather *gather)
{
	view->hosts = g_new0(struct status_host, gather->count + 1);
	for (size_t i = 0; i < gather->count; i++) {
		const struct answer *answer = &gather->answers[i];

		view->hosts[i].node = answer->node;
		if (answer->done && answer->reply && answer->reply->body_case == HOLDFAST__REPLY__BODY_HOST)
			view->hosts[i].status = answer->reply->host;
		else
			view->hosts[i].reason = answer->done ? answer->err.message : "no answer in time";
	}
	view->input.hosts = view->hosts;
	view->input.host_count = gather->count;
}

struct view *view_take(struct clusterd *cd)
{
	struct view *view = g_new0(struct view, 1);
	const struct membership_state *members = membership_state(cd->membership);

	view->members = *members;
	view->members.members = g_memdup2(members->members, members->count * sizeof(*members->members));
	view->snapshot = cib_link_snapshot(cd->cib, NULL);
	view->input.own_node = cd->config.node;
	view->input.members = &view->members;
	view->input.cib = view->snapshot ? view->snapshot->cib : NULL;
	view->input.events = cd->events ? events_store(cd->events) : NULL;
	view->input.cib_reason = cib_link_connected(cd->cib) ? NULL : cib_link_reason(cd->cib);
	return view;
}

static struct view *take_hosts(struct clusterd *cd, const char *const *nodes, const struct patience *patience)
{
	struct view *view = view_take(cd);
	g_autoptr(GPtrArray) ask = g_ptr_array_new();

	for (size_t i = 0; nodes && nodes[i]; i++)
		if (!strcmp(nodes[i], cd->config.node) || status_node_online(&view->input, nodes[i]))
			g_ptr_array_add(ask, (gpointer)nodes[i]);
	if (!nodes) {
		// Our own hypervisor can be asked without any cluster.
		g_ptr_array_add(ask, cd->config.node);
		for (size_t i = 0; i < view->members.count; i++) {
			const struct member *member = &view->members.members[i];
			if (member->online && strcmp(member->name, cd->config.node))
				g_ptr_array_add(ask, (gpointer)member->name);
		}
	}
	struct gather *gather = gather_start(cd, (const char *const *)ask->pdata, ask->len, patience);
	gather_await(gather);
	// Waiting let the world go on: the rest is looked at again.
	view_free(view);
	view = view_take(cd);
	view->gather = gather;
	fill_hosts(view, gather);
	return view;
}

struct view *view_take_hosts(struct clusterd *cd, const char *const *nodes)
{
	return take_hosts(cd, nodes, &(struct patience){ SHOW_TIMEOUT_MS, false });
}

struct view *view_take_hosts_and_files(struct clusterd *cd, const char *const *nodes)
{
	return take_hosts(cd, nodes, &(struct patience){ SHOW_TIMEOUT_MS, true });
}

struct view *view_take_hosts_to_decide(struct clusterd *cd, const char *const *nodes)
{
	return take_hosts(cd, nodes, &(struct patience){ DECIDE_TIMEOUT_MS, false });
}

void view_free(struct view *view)
{
	if (!view)
		return;
	snapshot_release(view->snapshot);
	gather_release(view->gather);
	g_free(view->hosts);
	g_free(view->members.members);
	g_free(view);
}

// ---- looking things up

static int no_cib(struct clusterd *cd, struct error *err)
{
	return error_set(err, ERROR_UNREACHABLE,
		"Pacemaker on node %s cannot be asked (%s): is pacemaker.service running?", cd->config.node,
		cib_link_reason(cd->cib));
}

const struct cib_group *view_group(
	struct clusterd *cd, const struct view *view, const char *name, struct error *err)
{
	const struct cib_group *group = view->snapshot ? cib_snapshot_group(view->snapshot->cib, name) : NULL;

	if (group)
		return group;
	if (!view->snapshot)
		no_cib(cd, err);
	else
		error_set(err, ERROR_NOT_FOUND, "there is no group %.80s: see 'holdfast group list'", name);
	return NULL;
}

const struct cib_group *view_vm(struct clusterd *cd, const struct view *view, const char *name,
	const Holdfast__Vm **vm, struct error *err)
{
	*vm = view->snapshot ? cib_snapshot_vm(view->snapshot->cib, name) : NULL;
	if (*vm)
		return view_group(cd, view, (*vm)->group, err);
	if (!view->snapshot)
		no_cib(cd, err);
	else
		error_set(err, ERROR_NOT_FOUND, "there is no VM %.80s: see 'holdfast vm list'", name);
	return NULL;
}

const struct cib_node *view_node(
	struct clusterd *cd, const struct view *view, const char *name, struct error *err)
{
	const struct cib_node *node = status_cib_node(&view->input, name);

	if (node)
		return node;
	if (!view->snapshot)
		no_cib(cd, err);
	else
		error_set(err, ERROR_NOT_FOUND, "there is no node %.80s: see 'holdfast node list'", name);
	return NULL;
}
