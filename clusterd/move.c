// SPDX-License-Identifier: GPL-3.0-or-later
// The two-phase move: see the header. While it is under way in this clusterd the group's name is in `moving`; whatever
// this clusterd forgets when it dies is the constraint in the CIB, which the policy finds.
#include "clusterd/move.h"

#include <glib.h>
#include <string.h>

#include "clusterd/api.h"
#include "clusterd/cib-link.h"
#include "clusterd/forward.h"
#include "clusterd/host-link.h"
#include "clusterd/view.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "proto/control.h"
#include "proto/json.h"

#define PREPARE_TIMEOUT_MS 90000u
#define COPY_TIMEOUT_MS (12u * 3600 * 1000) // live: the group's policy ends it sooner
#define MOVE_TIMEOUT_MS (3u * 60 * 1000)
#define NOTHING_HAPPENS_MS 30000
#define HOST_TIMEOUT_MS 10000u
#define EVENT_TIMEOUT_MS 5000u
#define CROWDED_MS 2000u
#define TURN_TIMEOUT_MS (10 * 60 * 1000)
#define IDLE_TIMEOUT_MS 30000 // so long a move waits for what Pacemaker is doing to the group

struct mover {
	struct clusterd *cd;
	struct rpc_call *call; // NULL: nobody waits for it
	const char *group;
	char target[64];
	char *address;
	int64_t begin_us; // CLOCK_REALTIME
	bool committing; // Pacemaker has heard of it
	bool cancelled;
};

#define say(mover, ...)                                                    \
	do {                                                               \
		if ((mover)->call)                                         \
			rpc_call_progress((mover)->call, -1, __VA_ARGS__); \
	} while (0)

bool move_under_way(const struct clusterd *cd, const char *group)
{
	return g_hash_table_contains(cd->moving, group);
}

// ---- checks

static bool replica_good(const struct view *view, const struct cib_group *group, const char *node)
{
	const Holdfast__Group *definition = group->spec->group;
	const Holdfast__GroupStatus *status =
		status_host_group(status_host_of(&view->input, node), definition->name);

	if (definition->storage != HOLDFAST__STORAGE_KIND__STORAGE_DRBD)
		return true;
	if (!status || status->n_volumes < definition->n_volumes)
		return false;
	for (size_t i = 0; i < status->n_volumes; i++)
		if (strcmp(status->volumes[i]->disk, "UpToDate") ||
			strcmp(status->volumes[i]->connection, "Connected"))
			return false;
	return true;
}

static int check_reserves(
	const struct cib_group *group, const char *node, const Holdfast__HostStatus *host, struct error *err)
{
	double need = 0, left = host->cpus - host->cpus_reserved;

	for (size_t i = 0; i < group->spec->n_vms; i++)
		if (group->spec->vms[i]->target == HOLDFAST__VM_TARGET__TARGET_RUNNING)
			need += control_reserved_cpus(group->spec->vms[i]);
	if (host->cpus == 0 || need == 0 || need <= left + 1e-6)
		return 0;
	return error_set(err, ERROR_NO_SPACE,
		"the VMs of group %s have %.2f CPUs reserved and node %s has %.2f of its %u left",
		group->spec->group->name, need, node, left, host->cpus);
}

static int check_target(
	const struct view *view, const struct cib_group *group, const char *node, struct error *err)
{
	const Holdfast__Group *definition = group->spec->group;
	const struct status_host *host = status_host_of(&view->input, node);
	uint64_t need = 0;
	bool possible = false;

	for (size_t i = 0; i < definition->n_possible; i++)
		possible |= !strcmp(definition->possible[i], node);
	if (!possible)
		return error_set(err, ERROR_FAILED,
			"node %s is no possible owner of group %s: see 'holdfast group show %s'", node,
			definition->name, definition->name);
	if (!status_node_online(&view->input, node))
		return error_set(err, ERROR_UNREACHABLE, "node %s is offline", node);
	const struct cib_node *known = status_cib_node(&view->input, node);
	if (known && (known->standby || known->maintenance || known->node->draining))
		return error_set(err, ERROR_FAILED,
			"node %s is in maintenance: 'holdfast node resume %s' ends that", node, node);
	if (!host || !host->status)
		return error_set(err, ERROR_UNREACHABLE, "the hypervisor of node %s cannot be asked: %s",
			node, host && host->reason ? host->reason : "no answer");
	if (group->current && strcmp(group->current, node))
		return error_set(err, ERROR_UNSAFE,
			"only node %s has current data of group %s: wait until the other replica is in sync",
			group->current, definition->name);
	if (!replica_good(view, group, node))
		return error_set(err, ERROR_FAILED,
			"the replica of group %s on %s is not connected and up to date: see 'holdfast volume "
			"list'",
			definition->name, node);
	for (size_t i = 0; i < group->spec->n_vms; i++)
		if (group->spec->vms[i]->target == HOLDFAST__VM_TARGET__TARGET_RUNNING)
			need += group->spec->vms[i]->memory_mib;
	if (host->status->memory_free_mib && need > host->status->memory_free_mib)
		return error_set(err, ERROR_NO_SPACE,
			"the VMs of group %s need %llu MiB of memory and node %s has %llu MiB free",
			definition->name, (unsigned long long)need, node,
			(unsigned long long)host->status->memory_free_mib);
	return check_reserves(group, node, host->status, err);
}

// The first wish that will do.
static int choose_target(const struct view *view, const struct cib_group *group, const char *own,
	char target[64], struct error *err)
{
	const Holdfast__Group *definition = group->spec->group;
	struct error why = ERROR_INIT;

	for (size_t i = 0; i < definition->n_preferred + definition->n_possible; i++) {
		const char *node = i < definition->n_preferred
			? definition->preferred[i]
			: definition->possible[i - definition->n_preferred];

		if (!strcmp(node, own))
			continue;
		if (check_target(view, group, node, &why) == 0) {
			g_strlcpy(target, node, 64);
			return 0;
		}
	}
	return error_set(err, ERROR_FAILED, "group %s cannot be moved anywhere: %s", definition->name,
		why.code ? why.message : "it has one possible owner only");
}

static int check_group(struct clusterd *cd, const struct cib_group *group, struct error *err)
{
	const char *name = group->spec->group->name;

	if (move_under_way(cd, name) || group->move_to)
		return error_set(err, ERROR_BUSY, "group %s is being moved already", name);
	if (group->blocked)
		return error_set(err, ERROR_BUSY, "group %s is blocked: %s", name,
			group->failure ? group->failure : "see 'holdfast cluster status'");
	if (group->pending || group->active_on[1])
		return error_set(
			err, ERROR_BUSY, "Pacemaker is at work on group %s: try again when it is done", name);
	return api_need_quorum(cd, err);
}

// ---- phase one

static int64_t passed_ms(int64_t since_us)
{
	return (loop_now_us() - since_us) / 1000;
}

static int prepare(struct mover *mover, const struct cib_group *group, const Holdfast__GroupMove *move,
	struct error *err)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__MovePrepare body = HOLDFAST__MOVE_PREPARE__INIT;

	body.spec = group->spec;
	body.target = mover->target;
	body.address = mover->address;
	body.kind = move->kind;
	body.max_pause_ms = move->max_pause_ms;
	body.bandwidth = move->bandwidth;
	body.may_wait = true;
	body.timeout_ms = PREPARE_TIMEOUT_MS;
	request.body_case = HOLDFAST__REQUEST__BODY_MOVE_PREPARE;
	unsigned timeout_ms =
		move->kind == HOLDFAST__MOVE_KIND__MOVE_LIVE ? COPY_TIMEOUT_MS : PREPARE_TIMEOUT_MS;
	request.timeout_ms = timeout_ms;
	request.move_prepare = &body;
	say(mover, "preparing node %s", mover->target);
	Holdfast__Reply *reply = NULL;
	int64_t begin_us = loop_now_us();
	while (host_link_call(mover->cd->host, &request, timeout_ms + 5000,
		       mover->call ? forward_partial : NULL, mover->call, &reply, err) < 0) {
		if (err->code != ERROR_CROWDED || mover->cancelled || passed_ms(begin_us) > TURN_TIMEOUT_MS)
			return -1;
		say(mover, "waiting: %s", err->message);
		error_clear(err);
		if (notice_look(&mover->cd->changed, CROWDED_MS, "room on the target", err) < 0)
			return -1;
	}
	holdfast__reply__free_unpacked(reply, NULL);
	return 0;
}

static void cancel_prepared(struct mover *mover)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Name name = HOLDFAST__NAME__INIT;
	struct error err = ERROR_INIT;

	name.name = (char *)mover->group;
	request.body_case = HOLDFAST__REQUEST__BODY_MOVE_CANCEL;
	request.move_cancel = &name;
	task_uncancel(task_self());
	if (host_link_call(mover->cd->host, &request, HOST_TIMEOUT_MS, NULL, NULL, NULL, &err) < 0)
		log_info("cancelling the move of group %s: %s", mover->group, err.message);
}

// ---- phase two

// 0 when the group is active on the target only and nothing is pending.
static int await_pacemaker(struct mover *mover, struct error *err)
{
	int64_t begin_us = loop_now_us(), idle_since_us = begin_us;
	bool acted = false;

	for (;;) {
		cleanup_view struct view *view = view_take(mover->cd);
		const struct cib_group *group = view_group(mover->cd, view, mover->group, err);

		if (!group)
			return -1;
		bool there = group->active_on[0] && !group->active_on[1] &&
			!strcmp(group->active_on[0], mover->target);
		if (group->pending)
			acted = true;
		if (group->pending || (there && !acted))
			idle_since_us = loop_now_us();
		if (!group->pending && there && !group->blocked)
			return 0;
		if (!group->pending && group->blocked)
			return error_set(err, ERROR_FAILED, "%s",
				group->failure ? group->failure : "Pacemaker has blocked the group");
		if (!status_node_online(&view->input, mover->target))
			return error_set(
				err, ERROR_FAILED, "node %s was lost during the move", mover->target);
		if (passed_ms(idle_since_us) > NOTHING_HAPPENS_MS)
			return error_set(err, ERROR_FAILED, "Pacemaker did not act on it");
		if (passed_ms(begin_us) > MOVE_TIMEOUT_MS)
			return error_set(
				err, ERROR_TIMEOUT, "it was not done in %u s", MOVE_TIMEOUT_MS / 1000);
		if (notice_look(&mover->cd->changed, 1000, "Pacemaker", err) < 0)
			return -1;
	}
}

bool move_guest_runs_here(struct clusterd *cd, const char *group)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Name name = HOLDFAST__NAME__INIT;
	Holdfast__Reply *reply = NULL;
	struct error err = ERROR_INIT;

	name.name = (char *)group;
	request.body_case = HOLDFAST__REQUEST__BODY_HOST_GROUP_MONITOR;
	request.host_group_monitor = &name;
	if (host_link_call(cd->host, &request, HOST_TIMEOUT_MS, NULL, NULL, &reply, &err) < 0)
		return false;
	bool runs = reply->body_case == HOLDFAST__REPLY__BODY_GROUP &&
		reply->group->state == HOLDFAST__GROUP_STATE__GROUP_ONLINE;
	holdfast__reply__free_unpacked(reply, NULL);
	return runs;
}

int move_settle(struct clusterd *cd, const char *group, struct error *err)
{
	if (cib_link_do(cd->cib, err, cib_set_move(cib, group, NULL, err)) < 0)
		return -1;
	if (!move_guest_runs_here(cd, group))
		return 0; // Pacemaker, or an administrator, has to say where it goes on
	return cib_link_do(cd->cib, err, cib_cleanup(cib, group, NULL, err));
}

// ---- the result

static Holdfast__MoveResult *result_of(const struct mover *mover, const Holdfast__Event *event)
{
	Holdfast__MoveResult *result = g_new0(Holdfast__MoveResult, 1);

	holdfast__move_result__init(result);
	result->group = g_strdup(mover->group);
	result->from = g_strdup(mover->cd->config.node);
	result->to = g_strdup(mover->target);
	if (!event)
		return result;
	result->duration_ms = event->duration_ms;
	result->pause_ms = event->pause_ms;
	result->steps = g_new0(Holdfast__Step *, event->n_steps + 1);
	for (size_t i = 0; i < event->n_steps; i++)
		result->steps[result->n_steps++] = (Holdfast__Step *)proto_copy(&event->steps[i]->base);
	return result;
}

// The move's latest event of KIND; NULL if there is none yet.
static const Holdfast__Event *move_event(const struct mover *mover, const char *kind)
{
	const struct event_store *store = events_store(mover->cd->events);

	for (size_t i = event_store_count(store); i > 0; i--) {
		const Holdfast__Event *event = event_store_at(store, i - 1);

		if (event_time_us(event->time) < mover->begin_us)
			return NULL;
		if (!strcmp(event->kind, kind) && !strcmp(event->group, mover->group))
			return event;
	}
	return NULL;
}

static const Holdfast__Event *await_event(const struct mover *mover)
{
	int64_t begin_us = loop_now_us();
	const Holdfast__Event *event;
	struct error err = ERROR_INIT;

	while (!(event = move_event(mover, "move")) && passed_ms(begin_us) < EVENT_TIMEOUT_MS)
		if (notice_wait(
			    events_notice(mover->cd->events), EVENT_TIMEOUT_MS, "the move's event", &err) < 0)
			break;
	return event;
}

// ---- all of it

static int move_phases(struct mover *mover, const Holdfast__GroupMove *move, const struct cib_group *group,
	struct error *err)
{
	struct clusterd *cd = mover->cd;
	struct error settling = ERROR_INIT;

	if (prepare(mover, group, move, err) < 0) {
		cancel_prepared(mover);
		return error_prefix(err, "group %s was not moved", mover->group);
	}
	if (mover->cancelled) {
		cancel_prepared(mover);
		return error_set(
			err, ERROR_CANCELLED, "group %s was not moved: it was cancelled", mover->group);
	}
	mover->committing = true;
	// A failure counted on the target would keep Pacemaker from acting: an administrator's move is a new try.
	if (group->failure &&
		cib_link_do(cd->cib, &settling, cib_cleanup(cib, mover->group, mover->target, &settling)) < 0)
		log_warning("group=%s: its failures on %s stay: %s", mover->group, mover->target,
			settling.message);
	if (cib_link_do(cd->cib, err, cib_set_move(cib, mover->group, mover->target, err)) < 0) {
		cancel_prepared(mover);
		return error_prefix(err, "group %s was not moved", mover->group);
	}
	say(mover, "moving group %s to %s", mover->group, mover->target);
	if (await_pacemaker(mover, err) == 0) {
		if (cib_link_do(cd->cib, &settling, cib_set_move(cib, mover->group, NULL, &settling)) < 0)
			log_warning("the move's constraint on group %s could not be removed yet: %s",
				mover->group, settling.message);
		return 0;
	}
	// Pacemaker keeps no reason of a migrate_to that failed.
	const Holdfast__Event *failed = move_event(mover, "move-failed");
	if (failed)
		error_set(err, ERROR_FAILED, "%s", failed->text);
	cancel_prepared(mover);
	if (move_settle(cd, mover->group, &settling) < 0)
		log_warning("after the failed move of group %s: %s", mover->group, settling.message);
	bool runs_here = move_guest_runs_here(cd, mover->group);
	return error_prefix(err, "group %s was not moved%s", mover->group,
		runs_here ? "; it runs on where it was" : "; see 'holdfast cluster status'");
}

static int plan(struct mover *mover, const Holdfast__GroupMove *move, struct view *view,
	const struct cib_group **group, struct error *err)
{
	struct clusterd *cd = mover->cd;

	*group = view_group(cd, view, move->name, err);
	if (!*group || check_group(cd, *group, err) < 0)
		return -1;
	const char *owner = status_owner(*group);
	if (!owner || strcmp(owner, cd->config.node))
		return error_set(err, ERROR_BUSY, "group %s is not on node %s any more: try again",
			move->name, cd->config.node);
	if (!move->to[0] && choose_target(view, *group, cd->config.node, mover->target, err) < 0)
		return -1;
	if (move->to[0])
		g_strlcpy(mover->target, move->to, sizeof(mover->target));
	const struct cib_node *node = view_node(cd, view, mover->target, err);
	if (!node)
		return -1;
	if (!strcmp(mover->target, cd->config.node))
		return error_set(
			err, ERROR_FAILED, "group %s is on node %s already", move->name, mover->target);
	mover->address = g_strdup(node->node->address);
	return check_target(view, *group, mover->target, err);
}

static const char **possible_owners(struct clusterd *cd, const char *name, struct error *err)
{
	cleanup_view struct view *view = view_take(cd);
	const struct cib_group *group = view_group(cd, view, name, err);

	if (!group)
		return NULL;
	const Holdfast__Group *definition = group->spec->group;
	const char **nodes = g_new0(const char *, definition->n_possible + 1);
	for (size_t i = 0; i < definition->n_possible; i++)
		nodes[i] = g_intern_string(definition->possible[i]); // outlives the snapshot
	return nodes;
}

// Waits while Pacemaker acts on the group; plan() says what is wrong if it does not end.
static int await_idle(struct mover *mover, struct error *err)
{
	int64_t begin_us = loop_now_us();

	for (;;) {
		cleanup_view struct view *view = view_take(mover->cd);
		const struct cib_group *group = view_group(mover->cd, view, mover->group, err);

		if (!group)
			return -1;
		if (!group->pending || group->blocked || group->move_to ||
			passed_ms(begin_us) > IDLE_TIMEOUT_MS)
			return 0;
		say(mover, "waiting until Pacemaker has done with group %s", mover->group);
		if (notice_look(&mover->cd->changed, 1000, "Pacemaker", err) < 0)
			return -1;
	}
}

// Pacemaker holds a group for a move that failed. Where its guests run, here, that is forgotten at once, and it can be moved again.
static int forget_failed(struct mover *mover, struct error *err)
{
	struct clusterd *cd = mover->cd;
	int64_t begin_us = loop_now_us();

	for (bool forgotten = false;;) {
		cleanup_view struct view *view = view_take(cd);
		const struct cib_group *group = view_group(cd, view, mover->group, err);

		if (!group)
			return -1;
		bool held = group->blocked && group->move_failed && !group->move_to &&
			!move_under_way(cd, mover->group);
		if ((!held && !forgotten) || passed_ms(begin_us) > IDLE_TIMEOUT_MS)
			return 0;
		if (!held && !group->pending && status_owner(group))
			return 0;
		if (!forgotten) {
			if (!move_guest_runs_here(cd, mover->group))
				return 0; // plan() says what is wrong
			log_info("group=%s: the move that failed before is forgotten, its guests run here",
				mover->group);
			if (cib_link_do(cd->cib, err, cib_cleanup(cib, mover->group, NULL, err)) < 0)
				return -1;
			forgotten = true;
			continue;
		}
		say(mover, "waiting until Pacemaker has forgotten the move that failed");
		if (notice_look(&cd->changed, 1000, "Pacemaker", err) < 0)
			return -1;
	}
}

// Waits until fewer moves than the node may have at once are under way. They take their turns in no order.
static int await_turn(struct mover *mover, struct error *err)
{
	struct clusterd *cd = mover->cd;
	int64_t begin_us = loop_now_us();

	while (cd->moves >= cd->config.moves_at_once) {
		if (passed_ms(begin_us) > TURN_TIMEOUT_MS)
			return error_set(err, ERROR_TIMEOUT, "group %s: %u other moves take long",
				mover->group, cd->moves);
		say(mover, "waiting for %u other moves", cd->moves);
		if (notice_look(&cd->changed, 5000, "the other moves", err) < 0)
			return -1;
	}
	cd->moves++;
	return 0;
}

// Pacemaker lets the group be, and says where it is, in what is returned. NULL with err; plan() says what is wrong if it does not come to that.
static struct view *view_settled(struct mover *mover, const char *const *nodes, struct error *err)
{
	int64_t begin_us = loop_now_us();

	for (;;) {
		if (forget_failed(mover, err) < 0 || await_idle(mover, err) < 0)
			return NULL;
		struct view *view = view_take_hosts_to_decide(
			mover->cd, nodes); // waits: Pacemaker may have begun something
		const struct cib_group *group = view_group(mover->cd, view, mover->group, err);
		bool held = group && group->blocked && group->move_failed && !group->move_to;
		bool looked_for = group && group->wanted_started && !group->failure && !status_owner(group);

		if (group &&
			(!(group->pending || held || looked_for) || passed_ms(begin_us) > IDLE_TIMEOUT_MS))
			return view;
		view_free(view);
		if (!group || notice_look(&mover->cd->changed, 500, "Pacemaker", err) < 0)
			return NULL;
	}
}

static int run_now(struct mover *mover, const Holdfast__GroupMove *move, Holdfast__MoveResult **result,
	struct error *err)
{
	cleanup_free const char **nodes = possible_owners(mover->cd, move->name, err);
	const struct cib_group *group = NULL;

	cleanup_view struct view *view = nodes ? view_settled(mover, nodes, err) : NULL;
	if (!view || plan(mover, move, view, &group, err) < 0)
		return -1;
	g_hash_table_insert(mover->cd->moving, g_strdup(mover->group), mover);
	int outcome = move_phases(mover, move, group, err);
	g_hash_table_remove(mover->cd->moving, mover->group);
	if (outcome < 0)
		return -1;
	if (result)
		*result = result_of(mover, await_event(mover));
	return 0;
}

static int run(struct mover *mover, const Holdfast__GroupMove *move, Holdfast__MoveResult **result,
	struct error *err)
{
	if (await_turn(mover, err) < 0)
		return -1;
	int outcome = run_now(mover, move, result, err);
	mover->cd->moves--;
	notice_raise(&mover->cd->changed);
	return outcome;
}

struct background {
	struct clusterd *cd;
	Holdfast__GroupMove *move;
};

static void background_task(void *data)
{
	struct background *work = data;
	struct mover mover = { .cd = work->cd, .group = work->move->name, .begin_us = g_get_real_time() };
	struct error err = ERROR_INIT;

	if (run(&mover, work->move, NULL, &err) < 0)
		events_emit_text(work->cd->events, "move-failed", NULL, work->move->name, "%s", err.message);
	g_free(mover.address);
	holdfast__group_move__free_unpacked(work->move, NULL);
	g_free(work);
}

static int run_in_background(struct clusterd *cd, const Holdfast__GroupMove *move,
	Holdfast__MoveResult **result, struct error *err)
{
	struct background *work = g_new0(struct background, 1);

	work->cd = cd;
	work->move = (Holdfast__GroupMove *)proto_copy(&move->base);
	if (!task_start(cd->loop, "move", background_task, work, err)) {
		holdfast__group_move__free_unpacked(work->move, NULL);
		g_free(work);
		return -1;
	}
	*result = g_new0(Holdfast__MoveResult, 1);
	holdfast__move_result__init(*result);
	(*result)->group = g_strdup(move->name);
	(*result)->from = g_strdup(cd->config.node);
	(*result)->to = g_strdup(move->to);
	return 0;
}

int move_cancel(struct clusterd *cd, const char *group, struct error *err)
{
	struct mover *mover = g_hash_table_lookup(cd->moving, group);
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Name name = HOLDFAST__NAME__INIT;
	struct error late = ERROR_INIT;

	if (!mover)
		return error_set(err, ERROR_NOT_FOUND, "group %s is not being moved", group);
	if (mover->committing)
		return error_set(err, ERROR_BUSY,
			"the move of group %s is being carried out: it is too late to cancel it", group);
	mover->cancelled = true;
	name.name = (char *)group;
	request.body_case = HOLDFAST__REQUEST__BODY_MOVE_CANCEL;
	request.move_cancel = &name;
	// Where nothing is prepared yet, the mover sees the flag.
	if (host_link_call(cd->host, &request, HOST_TIMEOUT_MS, NULL, NULL, NULL, &late) < 0)
		log_info("cancelling the move of group %s: %s", group, late.message);
	return 0;
}

int move_run(struct clusterd *cd, struct rpc_call *call, const Holdfast__GroupMove *move,
	Holdfast__MoveResult **result, struct error *err)
{
	struct mover mover = { .cd = cd, .call = call, .group = move->name, .begin_us = g_get_real_time() };

	if (move->no_wait)
		return run_in_background(cd, move, result, err);
	int outcome = run(&mover, move, result, err);
	g_free(mover.address);
	return outcome;
}
