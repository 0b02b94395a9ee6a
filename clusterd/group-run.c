// SPDX-License-Identifier: GPL-3.0-or-later
// group start, group stop: see the header. A start that fails leaves the wish: Pacemaker, or the clean-up policy,
// starts the group when it can be.
#include "clusterd/group-run.h"

#include <glib.h>
#include <string.h>

#include "clusterd/api.h"
#include "clusterd/cib-link.h"
#include "common/cleanup.h"

#define RUN_TIMEOUT_MS (4u * 60 * 1000)
#define NOTHING_HAPPENS_MS \
	20000 // Pacemaker plans within a second or two; then there is no node for the group
#define STALE_FAILURE_MS 3000 // a failure that is shown so soon is from before
#define FORGOTTEN_MS 20000 // and one that was there before is forgotten by then

struct await {
	struct clusterd *cd;
	struct rpc_call *call;
	const char *name;
	int64_t begin_us, idle_since_us;
	int64_t failed_at; // of the failure that was there before; 0: none
	bool was_pending;
};

static int64_t passed_ms(int64_t since_us)
{
	return (loop_now_us() - since_us) / 1000;
}

// 1: it is as wanted; 0: not yet; -1: it will not be.
typedef int judge_fn(struct await *await, const struct cib_group *group, struct error *err);

static int await_group(struct await *await, judge_fn *judge, struct error *err)
{
	await->begin_us = await->idle_since_us = loop_now_us();
	for (;;) {
		cleanup_view struct view *view = view_take(await->cd);
		const struct cib_group *group = view_group(await->cd, view, await->name, err);

		if (!group)
			return -1;
		if (group->pending) {
			await->was_pending = true;
			await->idle_since_us = loop_now_us();
		}
		int verdict = judge(await, group, err);
		if (verdict)
			return verdict > 0 ? 0 : -1;
		if (passed_ms(await->begin_us) > RUN_TIMEOUT_MS)
			return error_set(err, ERROR_TIMEOUT,
				"group %s: Pacemaker is still at it after %u s; see 'holdfast group show %s'",
				await->name, RUN_TIMEOUT_MS / 1000, await->name);
		if (notice_look(&await->cd->changed, 1000, "Pacemaker", err) < 0)
			return -1;
	}
}

// What was there before is shown until Pacemaker has forgotten it.
static bool stale_failure(const struct await *await, const struct cib_group *group)
{
	if (await->failed_at && group->failed_at == await->failed_at)
		return passed_ms(await->begin_us) < FORGOTTEN_MS;
	return passed_ms(await->begin_us) < STALE_FAILURE_MS && !await->was_pending;
}

// ---- start

static int judge_started(struct await *await, const struct cib_group *group, struct error *err)
{
	if (group->active_on[0] && !group->active_on[1] && !group->pending && !group->blocked)
		return 1;
	if (group->pending || stale_failure(await, group))
		return 0;
	if (group->failure && (group->failed || group->blocked))
		return error_set(err, ERROR_FAILED,
			"group %s is not online: %s; it will be started as soon as that is mended",
			await->name, group->failure);
	if (passed_ms(await->idle_since_us) > NOTHING_HAPPENS_MS)
		return error_set(err, ERROR_FAILED,
			"group %s is not online: Pacemaker found no node for it; see 'holdfast cluster "
			"status' for what it waits for",
			await->name);
	return 0;
}

static bool any_fence_device(const struct cib_snapshot *cib)
{
	for (size_t i = 0; i < cib->node_count; i++)
		if (cib->nodes[i].fence_device)
			return true;
	return false;
}

static int may_start(const struct view *view, const struct cib_group *group, struct error *err)
{
	const Holdfast__Group *definition = group->spec->group;
	bool any_online = false;

	for (size_t i = 0; i < definition->n_possible; i++)
		any_online |= status_node_online(&view->input, definition->possible[i]);
	if (!any_online)
		return error_set(err, ERROR_FAILED, "none of the possible owners of group %s is online",
			definition->name);
	if (definition->storage == HOLDFAST__STORAGE_KIND__STORAGE_DRBD &&
		!any_fence_device(view->snapshot->cib))
		return error_set(err, ERROR_UNSAFE,
			"the cluster has no fence device, so group %s could run twice: add one with "
			"'holdfast fence add NODE AGENT KEY=VALUE...'",
			definition->name);
	return 0;
}

// ---- a start without the node that has the newest data

static const char *peer_of(const Holdfast__Group *group, const char *node)
{
	for (size_t i = 0; i < group->n_replicas; i++)
		if (strcmp(group->replicas[i]->node, node))
			return group->replicas[i]->node;
	return NULL;
}

static const char *online_replica(const struct view *view, const Holdfast__Group *group)
{
	for (size_t i = 0; i < group->n_replicas; i++)
		if (status_node_online(&view->input, group->replicas[i]->node))
			return group->replicas[i]->node;
	return NULL;
}

static char *last_seen(const struct clusterd *cd, const struct view *view, const char *node)
{
	const struct member *member = membership_find(&view->members, node);
	const struct event_store *store = events_store(cd->events);

	if (member && member->since_us)
		return event_time_text(member->since_us);
	for (size_t i = event_store_count(store); i > 0; i--) {
		const Holdfast__Event *event = event_store_at(store, i - 1);
		if (!strcmp(event->kind, "node-lost") && !strcmp(event->node, node))
			return g_strdup(event->time);
	}
	return g_strdup("");
}

Holdfast__OldData *group_old_data(
	struct clusterd *cd, const struct view *view, const struct cib_group *group, struct error *err)
{
	const Holdfast__Group *definition = group->spec->group;
	const char *here = online_replica(view, definition),
		   *missing = here ? peer_of(definition, here) : NULL;

	if (definition->storage != HOLDFAST__STORAGE_KIND__STORAGE_DRBD) {
		error_set(err, ERROR_FAILED, "group %s has one copy of its data only: there is no old one",
			definition->name);
		return NULL;
	}
	if (group->active_on[0]) {
		error_set(err, ERROR_FAILED, "group %s is online on %s: there is nothing to force",
			definition->name, group->active_on[0]);
		return NULL;
	}
	if (!here || !missing) {
		error_set(
			err, ERROR_FAILED, "no node with a replica of group %s is online", definition->name);
		return NULL;
	}
	if (status_node_online(&view->input, missing)) {
		error_set(err, ERROR_UNSAFE,
			"both replicas of group %s are on nodes that are online: nothing need be lost; a "
			"plain start will do",
			definition->name);
		return NULL;
	}
	g_autofree char *seen = last_seen(cd, view, missing);
	Holdfast__OldData *old = g_new0(Holdfast__OldData, 1);
	holdfast__old_data__init(old);
	old->group = g_strdup(definition->name);
	old->node = g_strdup(here);
	old->last_seen = g_strdup(seen);
	old->text = g_strdup_printf("node %s would start group %s from its own copy; everything that %s "
				    "wrote after the two were last connected%s%s%s is "
				    "lost for good, and %s's copy is overwritten when it comes back",
		here, definition->name, missing, *seen ? " (it was last seen " : "", seen, *seen ? ")" : "",
		missing);
	return old;
}

static int force_old_data(struct clusterd *cd, struct rpc_call *call, const struct view *view,
	const struct cib_group *group, struct error *err)
{
	Holdfast__OldData *old = group_old_data(cd, view, group, err);
	int result = -1;

	if (!old)
		return -1;
	const struct cib_node *missing =
		status_cib_node(&view->input, peer_of(group->spec->group, old->node));
	if (missing && !missing->clean) {
		error_set(err, ERROR_UNSAFE,
			"node %s is not proved gone, so the group could still run there: first 'holdfast "
			"node confirm-down %s', if it "
			"is certainly off",
			missing->node->name, missing->node->name);
		goto out;
	}
	// The record of another node is not overwritten by accident anywhere else: here it is meant.
	if (group->current && strcmp(group->current, old->node) &&
		cib_link_do(cd->cib, err, cib_set_current(cib, old->group, NULL, err)) < 0)
		goto out;
	if (cib_link_do(cd->cib, err, cib_set_current(cib, old->group, old->node, err)) < 0)
		goto out;
	events_emit_text(cd->events, "old-data", old->node, old->group,
		"%s: group %s is started on %s from what may be old data", rpc_call_peer(call), old->group,
		old->node);
	result = 0;
out:
	holdfast__old_data__free_unpacked(old, NULL);
	return result;
}

int group_start_run(
	struct clusterd *cd, struct rpc_call *call, const Holdfast__GroupStart *start, struct error *err)
{
	struct await await = { .cd = cd, .call = call, .name = start->name };
	cleanup_view struct view *view = view_take(cd);
	const struct cib_group *group = view_group(cd, view, start->name, err);

	if (!group || api_need_quorum(cd, err) < 0)
		return -1;
	if (group->active_on[0] && group->wanted_started && !group->blocked && !group->pending)
		return 0;
	if (may_start(view, group, err) < 0 ||
		(start->force_old_data && force_old_data(cd, call, view, group, err) < 0))
		return -1;
	// What failed before must not keep Pacemaker from trying.
	await.failed_at = group->failed_at;
	if (group->failure && cib_link_do(cd->cib, err, cib_cleanup(cib, start->name, NULL, err)) < 0)
		return -1;
	if (cib_link_do(cd->cib, err, cib_set_target_role(cib, start->name, true, err)) < 0)
		return -1;
	if (start->no_wait)
		return 0;
	rpc_call_progress(call, -1, "Pacemaker starts group %s", start->name);
	return await_group(&await, judge_started, err);
}

// ---- stop

static int judge_stopped(struct await *await, const struct cib_group *group, struct error *err)
{
	if (!group->active_on[0] && !group->pending)
		return 1;
	if (group->blocked && !group->pending && !stale_failure(await, group))
		return error_set(err, ERROR_FAILED, "group %s could not be stopped: %s", await->name,
			group->failure ? group->failure : "it is blocked");
	return 0;
}

int group_stop_run(
	struct clusterd *cd, struct rpc_call *call, const Holdfast__GroupStop *stop, struct error *err)
{
	struct await await = { .cd = cd, .call = call, .name = stop->name };
	cleanup_view struct view *view = view_take(cd);
	const struct cib_group *group = view_group(cd, view, stop->name, err);

	if (!group || api_need_quorum(cd, err) < 0)
		return -1;
	if (group->move_to)
		return error_set(err, ERROR_BUSY,
			"group %s is being moved to %s: try again when that is done", stop->name,
			group->move_to);
	// Pacemaker does nothing with a group that it holds for a move that failed.
	await.failed_at = group->failed_at;
	if (group->blocked && group->move_failed &&
		cib_link_do(cd->cib, err, cib_cleanup(cib, stop->name, NULL, err)) < 0)
		return -1;
	if (cib_link_do(cd->cib, err, cib_set_target_role(cib, stop->name, false, err)) < 0)
		return -1;
	if (stop->no_wait)
		return 0;
	rpc_call_progress(call, -1, "Pacemaker stops group %s", stop->name);
	return await_group(&await, judge_stopped, err);
}
