// SPDX-License-Identifier: GPL-3.0-or-later
// Emptying a node: see the header. One task looks whether this node shall be empty and starts a task per group that is still here; move.c lets them
// have their turns. What could not be moved is remembered with the reason and tried again after a while.
#include "clusterd/drain.h"

#include <glib.h>
#include <string.h>

#include "clusterd/api.h"
#include "clusterd/cib-link.h"
#include "clusterd/forward.h"
#include "clusterd/move.h"
#include "clusterd/view.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/task.h"
#include "proto/json.h"

#define LOOK_MS 3000u
#define AGAIN_US (30 * 1000000ll) // so long a group that could not be moved is left alone
#define DRAIN_TIMEOUT_US (60 * 60 * 1000000ll)
#define MOVE_BACK_TIMEOUT_MS (10u * 60 * 1000)

struct drain {
	struct clusterd *cd;
	GHashTable *moving; // names
	GHashTable *stuck; // name -> struct stuck
	unsigned rounds; // how often everything that was here had been tried
	struct notice changed;
};

struct stuck {
	char *reason;
	int64_t since_us;
};

static void stuck_free(gpointer data)
{
	struct stuck *stuck = data;

	g_free(stuck->reason);
	g_free(stuck);
}

// ---- one group

struct leaving {
	struct drain *drain;
	char *group;
};

static void leave_task(void *data)
{
	struct leaving *leaving = data;
	struct drain *drain = leaving->drain;
	Holdfast__GroupMove move = HOLDFAST__GROUP_MOVE__INIT;
	Holdfast__MoveResult *result = NULL;
	struct error err = ERROR_INIT;

	move.name = leaving->group;
	if (move_run(drain->cd, NULL, &move, &result, &err) < 0) {
		struct stuck *stuck = g_new0(struct stuck, 1);
		stuck->reason = g_strdup(err.message);
		stuck->since_us = loop_now_us();
		g_hash_table_replace(drain->stuck, g_strdup(leaving->group), stuck);
		events_emit_text(drain->cd->events, "move-failed", NULL, leaving->group, "%s", err.message);
	} else {
		holdfast__move_result__free_unpacked(result, NULL);
		g_hash_table_remove(drain->stuck, leaving->group);
	}
	g_hash_table_remove(drain->moving, leaving->group);
	g_free(leaving->group);
	g_free(leaving);
	notice_raise(&drain->changed);
	notice_raise(&drain->cd->changed);
}

static void start_leaving(struct drain *drain, const char *group)
{
	struct leaving *leaving = g_new0(struct leaving, 1);
	struct error err = ERROR_INIT;

	leaving->drain = drain;
	leaving->group = g_strdup(group);
	g_hash_table_add(drain->moving, g_strdup(group));
	if (task_start(drain->cd->loop, "drain", leave_task, leaving, &err))
		return;
	log_error("group=%s: %s", group, err.message);
	g_hash_table_remove(drain->moving, group);
	g_free(leaving->group);
	g_free(leaving);
}

// ---- all of them

static bool is_here(const struct drain *drain, const struct cib_group *group)
{
	const char *owner = status_owner(group);

	return owner && !strcmp(owner, drain->cd->config.node);
}

static bool tried_lately(const struct drain *drain, const char *group)
{
	const struct stuck *stuck = g_hash_table_lookup(drain->stuck, group);

	return stuck && loop_now_us() - stuck->since_us < AGAIN_US;
}

static void finish(struct drain *drain, const Holdfast__Node *node)
{
	struct clusterd *cd = drain->cd;
	struct error err = ERROR_INIT;

	if (cib_link_do(cd->cib, &err, cib_set_standby(cib, node, true, &err)) < 0) {
		log_warning("node %s is empty, but: %s", node->name, err.message);
		return;
	}
	events_emit_text(
		cd->events, "node-drained", node->name, NULL, "node %s is in maintenance", node->name);
}

static void look(struct drain *drain)
{
	struct clusterd *cd = drain->cd;
	cleanup_view struct view *view = view_take(cd);
	const struct cib_node *own = status_cib_node(&view->input, cd->config.node);
	unsigned here = 0, untried = 0;

	if (!own || !own->node->draining || own->standby) {
		g_hash_table_remove_all(drain->stuck);
		return;
	}
	for (size_t i = 0; i < view->input.cib->group_count; i++) {
		const struct cib_group *group = &view->input.cib->groups[i];
		const char *name = group->spec->group->name;
		if (!is_here(drain, group))
			continue;
		here++;
		if (tried_lately(drain, name))
			continue;
		untried++;
		if (!g_hash_table_contains(drain->moving, name) && !move_under_way(cd, name))
			start_leaving(drain, name);
	}
	if (untried || g_hash_table_size(drain->moving))
		return;
	drain->rounds++;
	if (!here || own->node->drain_stop)
		finish(drain, own->node);
	notice_raise(&drain->changed);
}

static void drain_task(void *data)
{
	struct drain *drain = data;
	struct clusterd *cd = drain->cd;
	struct error err = ERROR_INIT;

	for (;;) {
		error_clear(&err);
		if (notice_look(&cd->changed, LOOK_MS, "a change", &err) < 0)
			return;
		if (cd->in_cluster && cib_link_connected(cd->cib) && api_need_quorum(cd, &err) == 0)
			look(drain);
	}
}

struct drain *drain_new(struct clusterd *cd, struct error *err)
{
	struct drain *drain = g_new0(struct drain, 1);

	drain->cd = cd;
	drain->moving = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	drain->stuck = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, stuck_free);
	if (task_start(cd->loop, "drain", drain_task, drain, err))
		return drain;
	drain_free(drain);
	return NULL;
}

void drain_free(struct drain *drain)
{
	if (!drain)
		return;
	g_hash_table_unref(drain->moving);
	g_hash_table_unref(drain->stuck);
	g_free(drain);
}

// ---- asked for

static bool listed(char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

// The node's definition with the wish in it. Groups of an earlier drain that has not been resumed stay in its list.
static Holdfast__Node *with_wish(
	const struct drain *drain, const struct view *view, const struct cib_node *own, bool stop)
{
	Holdfast__Node *node = (Holdfast__Node *)proto_copy(&own->node->base);
	size_t most = node->n_drained + view->input.cib->group_count;

	node->drained = g_renew(char *, node->drained, most + 1);
	for (size_t i = 0; i < view->input.cib->group_count; i++) {
		const struct cib_group *group = &view->input.cib->groups[i];
		const char *name = group->spec->group->name;
		if (is_here(drain, group) && !listed(node->drained, node->n_drained, name))
			node->drained[node->n_drained++] = g_strdup(name);
	}
	node->draining = true;
	node->drain_stop = stop;
	return node;
}

static char *reasons(const struct drain *drain)
{
	GString *text = g_string_new(NULL);
	GHashTableIter iter;
	gpointer name, value;

	g_hash_table_iter_init(&iter, drain->stuck);
	while (g_hash_table_iter_next(&iter, &name, &value))
		g_string_append_printf(text, "%s%s (%s)", text->len ? ", " : "", (char *)name,
			((struct stuck *)value)->reason);
	return g_string_free(text, FALSE);
}

static int await_empty(struct drain *drain, struct rpc_call *call, struct error *err)
{
	struct clusterd *cd = drain->cd;
	int64_t begin_us = loop_now_us();
	unsigned rounds = drain->rounds;

	for (;;) {
		cleanup_view struct view *view = view_take(cd);
		const struct cib_node *own = view_node(cd, view, cd->config.node, err);
		unsigned here = 0, stuck = 0;

		if (!own)
			return -1;
		for (size_t i = 0; i < view->input.cib->group_count; i++) {
			const struct cib_group *group = &view->input.cib->groups[i];
			if (!is_here(drain, group))
				continue;
			here++;
			stuck += g_hash_table_contains(drain->stuck, group->spec->group->name);
		}
		if (!own->node->draining)
			return error_set(
				err, ERROR_CANCELLED, "node %s was resumed meanwhile", cd->config.node);
		if (own->standby && !here)
			return 0;
		// One that is here and was not tried (it has just come back into sight) is tried first.
		if (!own->standby && !own->node->drain_stop && stuck && stuck == here &&
			drain->rounds != rounds) {
			g_autofree char *why = reasons(drain);
			return error_set(err, ERROR_FAILED,
				"node %s still has %s: move or stop them, add --stop, or 'holdfast node "
				"resume %s'",
				cd->config.node, why, cd->config.node);
		}
		if (loop_now_us() - begin_us > DRAIN_TIMEOUT_US)
			return error_set(
				err, ERROR_TIMEOUT, "node %s is not empty yet: it goes on", cd->config.node);
		rpc_call_progress(
			call, -1, "%u group%s left on node %s", here, here == 1 ? "" : "s", cd->config.node);
		if (notice_look(&cd->changed, LOOK_MS, "the node to be empty", err) < 0)
			return -1;
	}
}

// The next view is of after our own change.
static int look_again(struct clusterd *cd, struct error *err)
{
	cleanup_snapshot struct snapshot *snapshot = cib_link_read(cd->cib, err);

	return snapshot ? 0 : -1;
}

int drain_run(
	struct clusterd *cd, struct rpc_call *call, const Holdfast__NodeDrain *request, struct error *err)
{
	struct drain *drain = cd->drain;
	cleanup_view struct view *view = view_take(cd);
	const struct cib_node *own = view_node(cd, view, request->name, err);

	if (!own || api_need_quorum(cd, err) < 0)
		return -1;
	Holdfast__Node *node = with_wish(drain, view, own, request->stop);
	g_hash_table_remove_all(drain->stuck); // an administrator's wish is a new try
	int result = cib_link_do(cd->cib, err, cib_set_node(cib, node, err));
	holdfast__node__free_unpacked(node, NULL);
	if (result < 0 || request->no_wait)
		return result;
	return look_again(cd, err) < 0 ? -1 : await_empty(drain, call, err);
}

// ---- and back

static int move_back(struct clusterd *cd, const char *name, const char *to, struct error *err)
{
	Holdfast__GroupMove move = HOLDFAST__GROUP_MOVE__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__MoveResult *result = NULL;
	cleanup_view struct view *view = view_take(cd);
	const struct cib_group *group = cib_snapshot_group(view->input.cib, name);
	const char *owner = group ? status_owner(group) : NULL;

	if (!owner || !strcmp(owner, to))
		return 0; // deleted, offline, or there already
	move.name = (char *)name;
	move.to = (char *)to;
	request.body_case = HOLDFAST__REQUEST__BODY_GROUP_MOVE;
	request.group_move = &move;
	if (strcmp(owner, cd->config.node)) {
		g_autofree char *node = g_strdup(owner); // the view may go while we wait
		return peer_call(cd, node, &request, MOVE_BACK_TIMEOUT_MS, NULL, NULL, NULL, err);
	}
	if (move_run(cd, NULL, &move, &result, err) < 0)
		return -1;
	holdfast__move_result__free_unpacked(result, NULL);
	return 0;
}

static int fill_again(
	struct clusterd *cd, struct rpc_call *call, const Holdfast__Node *node, struct error *err)
{
	GString *failed = g_string_new(NULL);

	for (size_t i = 0; i < node->n_drained; i++) {
		struct error why = ERROR_INIT;
		rpc_call_progress(call, 100.0 * (double)i / (double)node->n_drained,
			"moving group %s back to node %s", node->drained[i], node->name);
		// Another node may not have seen yet that the standby is over.
		for (int try = 0; move_back(cd, node->drained[i], node->name, &why) < 0 && try < 3; try++) {
			error_clear(&why);
			if (notice_look(&cd->changed, 2000, "the end of the standby", &why) < 0)
				break;
		}
		if (why.code)
			g_string_append_printf(
				failed, "%s%s (%s)", failed->len ? ", " : "", node->drained[i], why.message);
	}
	g_autofree char *text = g_string_free(failed, FALSE);
	return *text
		? error_set(err, ERROR_FAILED,
			  "node %s takes groups again, but these were not moved back: %s", node->name, text)
		: 0;
}

int drain_resume(
	struct clusterd *cd, struct rpc_call *call, const Holdfast__NodeResume *request, struct error *err)
{
	cleanup_view struct view *view = view_take(cd);
	const struct cib_node *known = view_node(cd, view, request->name, err);

	if (!known || api_need_quorum(cd, err) < 0)
		return -1;
	Holdfast__Node *node = (Holdfast__Node *)proto_copy(&known->node->base);
	Holdfast__Node *plain = (Holdfast__Node *)proto_copy(&known->node->base);
	for (size_t i = 0; i < plain->n_drained; i++)
		g_free(plain->drained[i]);
	plain->n_drained = 0;
	plain->draining = plain->drain_stop = false;
	int result = cib_link_do(cd->cib, err, cib_set_node(cib, plain, err));
	if (result == 0)
		result = cib_link_do(cd->cib, err, cib_set_standby(cib, plain, false, err));
	if (result == 0)
		events_emit_text(cd->events, "node-resumed", node->name, NULL, "node %s takes groups again",
			node->name);
	if (result == 0)
		result = look_again(cd, err);
	if (result == 0 && request->failback)
		result = fill_again(cd, call, node, err);
	holdfast__node__free_unpacked(node, NULL);
	holdfast__node__free_unpacked(plain, NULL);
	return result;
}
