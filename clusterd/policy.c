// SPDX-License-Identifier: GPL-3.0-or-later
// The background policy: see the header. It looks at each group when something changes, and every few seconds; what it
// remembers of a group is only since when it is as it is.
#include "clusterd/policy.h"

#include <glib.h>
#include <string.h>

#include "clusterd/cib-link.h"
#include "clusterd/move.h"
#include "clusterd/replicas.h"
#include "clusterd/view.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/task.h"

#define LOOK_MS 3000u
#define SETTLED_MS 8000 // so long a group must stand as it is before somebody else's move counts as abandoned
#define DONE_MS 3000 // and so long a move that is done, whose own clusterd would have ended it by then
#define NOBODY_MS 20000 // and so long a blocked group that no node speaks up for
#define RECORD_MS 10000 // the after-resync-target handler would have cleared it by then
#define PAUSE_US (10 * 1000000ll) // between two actions on one group

struct memory { // of one group
	char *shape; // what was seen last, as text
	char *failure; // the last one, and whether its replica was ready then
	int64_t same_since_us, acted_us;
	bool replica_was_ready;
};

struct policy {
	struct clusterd *cd;
	GHashTable *memories;
};

// ---- deciding

static bool active_here(const struct cib_group *group, const char *node)
{
	for (size_t i = 0; group->active_on[i]; i++)
		if (!strcmp(group->active_on[i], node))
			return true;
	return false;
}

enum policy_action policy_decide(const struct cib_group *group, const struct policy_facts *facts)
{
	const char *owner = group->active_on[0];
	bool settled = !group->pending && !group->active_on[1];
	bool here = owner && !strcmp(owner, facts->own_node);

	if (group->current && facts->coordinates && facts->in_sync && !group->move_to && !group->pending &&
		facts->same_ms >= RECORD_MS)
		return POLICY_CLEAR_RECORD;
	if (group->move_to && !facts->own_move) {
		if (facts->coordinates && !facts->target_online)
			return POLICY_DROP_MOVE;
		if (settled && here && !strcmp(owner, group->move_to) && !group->blocked &&
			facts->same_ms >= DONE_MS)
			return POLICY_DROP_MOVE;
		if (settled && facts->same_ms >= SETTLED_MS && (here || (!owner && facts->coordinates)))
			return POLICY_SETTLE_MOVE;
		return POLICY_NONE;
	}
	// Pacemaker may hold it for active on both nodes then. The one that has the guests says so; if neither does, Pacemaker is made to look again.
	if (!group->move_to && group->blocked && !group->pending && group->failure &&
		g_str_has_prefix(group->failure, "migrate_to")) {
		if (facts->coordinates && facts->same_ms >= NOBODY_MS)
			return POLICY_FORGET_BLOCK;
		return active_here(group, facts->own_node) && facts->same_ms >= DONE_MS ? POLICY_FORGET_MOVE
											: POLICY_NONE;
	}
	if (group->move_to || !settled)
		return POLICY_NONE;
	if (group->moved_from && owner && strcmp(owner, group->moved_from) != 0 && !group->blocked &&
		facts->coordinates && facts->left_online)
		return POLICY_FORGET_HISTORY;
	// Also when it runs elsewhere: a failure that stays counted would keep it from being taken over there.
	if (group->failure && !group->blocked && group->wanted_started && facts->coordinates &&
		facts->replica_ready && !facts->replica_was_ready)
		return POLICY_RETRY_START;
	return POLICY_NONE;
}

// ---- looking

static char *shape_of(const struct cib_group *group)
{
	return g_strdup_printf("%s|%s|%s|%s|%s|%d%d%d%d|%s", group->moved_from ? group->moved_from : "",
		group->current ? group->current : "", group->active_on[0] ? group->active_on[0] : "",
		group->active_on[0] && group->active_on[1] ? group->active_on[1] : "",
		group->move_to ? group->move_to : "", group->failed, group->blocked, group->pending,
		group->wanted_started, group->failure ? group->failure : "");
}

static bool volumes_ready(const Holdfast__GroupStatus *status, const Holdfast__Group *group)
{
	if (!status || status->n_volumes < group->n_volumes)
		return false;
	for (size_t i = 0; i < status->n_volumes; i++)
		if (strcmp(status->volumes[i]->disk, "UpToDate") ||
			strcmp(status->volumes[i]->connection, "Connected"))
			return false;
	return true;
}

static bool volumes_in_sync(const Holdfast__GroupStatus *status, const Holdfast__Group *group)
{
	if (!volumes_ready(status, group))
		return false;
	for (size_t i = 0; i < status->n_volumes; i++)
		if (strcmp(status->volumes[i]->peer_disk, "UpToDate"))
			return false;
	return true;
}

typedef bool volumes_fn(const Holdfast__GroupStatus *status, const Holdfast__Group *group);

// Whether some replica's node says so of all volumes, now.
static bool replica_says(struct clusterd *cd, const Holdfast__Group *group, volumes_fn *says)
{
	if (group->storage != HOLDFAST__STORAGE_KIND__STORAGE_DRBD)
		return false;
	cleanup_free const char **nodes = replicas_nodes(group);
	cleanup_view struct view *view = view_take_hosts(cd, nodes);
	for (size_t i = 0; nodes[i]; i++)
		if (says(status_host_group(status_host_of(&view->input, nodes[i]), group->name), group))
			return true;
	return false;
}

static struct memory *remember(struct policy *policy, const struct cib_group *group)
{
	const char *name = group->spec->group->name;
	struct memory *memory = g_hash_table_lookup(policy->memories, name);
	char *shape = shape_of(group);

	if (!memory) {
		memory = g_new0(struct memory, 1);
		g_hash_table_insert(policy->memories, g_strdup(name), memory);
	}
	if (!memory->shape || strcmp(memory->shape, shape) != 0) {
		memory->same_since_us = loop_now_us();
		g_free(memory->shape);
		memory->shape = shape;
	} else {
		g_free(shape);
	}
	return memory;
}

// ---- acting

// EPOCH is that of the snapshot on which it was decided.
static int act(struct clusterd *cd, const struct cib_group *group, uint64_t epoch, enum policy_action action,
	struct error *err)
{
	const char *name = group->spec->group->name, *moved_from = group->moved_from;

	switch (action) {
	case POLICY_NONE:
		return 0;
	case POLICY_DROP_MOVE:
		log_info("group=%s: the move's constraint is taken away", name);
		return cib_link_do(cd->cib, err, cib_set_move(cib, name, NULL, err));
	case POLICY_SETTLE_MOVE:
		log_info("group=%s: an abandoned move is ended", name);
		return move_settle(cd, name, err);
	case POLICY_FORGET_MOVE:
		if (!move_guest_runs_here(cd, name))
			return 0;
		log_info("group=%s: the failed move is forgotten, its guests run here", name);
		return cib_link_do(cd->cib, err, cib_cleanup(cib, name, NULL, err));
	case POLICY_FORGET_BLOCK:
		log_info("group=%s: the failed move is forgotten, Pacemaker looks again where its guests are",
			name);
		return cib_link_do(cd->cib, err, cib_cleanup(cib, name, NULL, err));
	case POLICY_FORGET_HISTORY:
		log_info("group=%s: the finished move is taken out of Pacemaker's history", name);
		return cib_link_do(cd->cib, err, cib_forget_history(cib, name, moved_from, err));
	case POLICY_CLEAR_RECORD:
		log_info("group=%s: both replicas are in sync: the record of current data is cleared", name);
		return cib_link_do(cd->cib, err, cib_clear_current(cib, name, epoch, err));
	case POLICY_RETRY_START:
		events_emit_text(cd->events, "group-retried", NULL, name,
			"the replicas of group %s are in sync: the start that failed without them is "
			"forgotten",
			name);
		return cib_link_do(cd->cib, err, cib_cleanup(cib, name, NULL, err));
	}
	return 0;
}

static void look_at(struct policy *policy, const struct snapshot *snapshot, const struct cib_group *group)
{
	struct clusterd *cd = policy->cd;
	const char *name = group->spec->group->name;
	struct error err = ERROR_INIT;

	struct memory *memory = remember(policy, group);
	if (!group->move_to && !group->blocked && !group->failure && !group->current && !group->moved_from)
		return;
	bool start_failed = group->failure && group->wanted_started && clusterd_coordinates(cd);
	bool ready = start_failed && replica_says(cd, group->spec->group, volumes_in_sync); // waits
	if (start_failed && g_strcmp0(memory->failure, group->failure) != 0) {
		g_free(memory->failure);
		memory->failure = g_strdup(group->failure);
		memory->replica_was_ready = ready;
	}
	bool in_sync = group->current && clusterd_coordinates(cd) &&
		replica_says(cd, group->spec->group, volumes_in_sync); // waits
	cleanup_view struct view *view = view_take(cd);
	if (view->snapshot != snapshot)
		return; // it has changed meanwhile: looked at again soon
	const struct policy_facts facts = {
		.own_node = cd->config.node,
		.coordinates = clusterd_coordinates(cd),
		.own_move = move_under_way(cd, name),
		.target_online = group->move_to && status_node_online(&view->input, group->move_to),
		.left_online = group->moved_from && status_node_online(&view->input, group->moved_from),
		.in_sync = in_sync,
		.replica_ready = ready,
		.replica_was_ready = memory->replica_was_ready,
		.same_ms = (loop_now_us() - memory->same_since_us) / 1000,
	};
	enum policy_action action = policy_decide(group, &facts);
	if (action == POLICY_NONE || loop_now_us() - memory->acted_us < PAUSE_US)
		return;
	memory->acted_us = loop_now_us();
	if (act(cd, group, snapshot->cib->epoch, action, &err) < 0)
		log_warning("group=%s: %s", name, err.message);
}

static void look(struct policy *policy)
{
	struct clusterd *cd = policy->cd;
	const struct membership_state *members = membership_state(cd->membership);
	struct error err = ERROR_INIT;

	if (!members->connected || !members->quorate || !cib_link_connected(cd->cib))
		return;
	cleanup_snapshot struct snapshot *snapshot = cib_link_snapshot(cd->cib, &err);
	for (size_t i = 0; snapshot && i < snapshot->cib->group_count; i++)
		look_at(policy, snapshot, &snapshot->cib->groups[i]);
}

static void policy_task(void *data)
{
	struct policy *policy = data;
	struct error err = ERROR_INIT;

	for (;;) {
		error_clear(&err);
		if (notice_look(&policy->cd->changed, LOOK_MS, "a change", &err) < 0)
			return;
		if (policy->cd->in_cluster)
			look(policy);
	}
}

static void memory_free(gpointer data)
{
	struct memory *memory = data;

	g_free(memory->shape);
	g_free(memory->failure);
	g_free(memory);
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	g_hash_table_unref(policy->memories);
	g_free(policy);
}

struct policy *policy_new(struct clusterd *cd, struct error *err)
{
	struct policy *policy = g_new0(struct policy, 1);

	policy->cd = cd;
	policy->memories = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, memory_free);
	if (task_start(cd->loop, "policy", policy_task, policy, err))
		return policy;
	policy_free(policy);
	return NULL;
}
