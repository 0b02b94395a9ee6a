// SPDX-License-Identifier: GPL-3.0-or-later
// The source of a move that is prepared (source-prepare.c) and now carried out: quiesce, release, let the target take.
// After RELEASED nothing here runs the guest before the target's answer is known; source-back.c has what follows.
#include "config.h"
#include "migrate/internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "common/cleanup.h"
#include "common/log.h"

#define LOCK_MS 10000u
#define TAKE_MS 600000u
#define COPY_BOUND_MS 12000.0 // of a copy that Pacemaker waits for
#define PIN_MS 10000u

static bool is_live(const struct move *move)
{
	return move->kind == HOLDFAST__MOVE_KIND__MOVE_LIVE;
}

// ---- quiesce

static int leave(struct move *move, struct move_vm *entry, struct vm *vm, struct error *err)
{
	const struct qemu_move_params params = { .bandwidth = move_share(move),
		.without_shared = entry->memory != NULL };

	if (vm_move_begin(vm, HOLDFAST__VM_STATE__VM_MOVING_OUT, err) < 0 ||
		vm_disks_ready_to_leave(vm, err) < 0)
		return -1;
	return is_live(move) ? 0 : qemu_move_prepare_source(vm, &params, err);
}

static int stop(struct move *move, struct move_vm *entry, struct vm *vm, struct error *err)
{
	// A copy that stands still from the beginning (rest_quick), or waited for those of other VMs, is still held back.
	uint64_t limit = move->rest_quick || entry->copy.held ? UINT64_MAX : move_share(move);
	char status[32];

	// What is left of a live copy goes as fast as it can, and QEMU ends it then.
	if (vm_stop_and_leave(vm, is_live(move) ? qemu_move_end_copy(limit) : NULL, status, err) < 0)
		return -1;
	entry->ending = is_live(move) && strcmp(status, "finish-migrate") == 0;
	// It changes no more: it may go before anything else is done.
	return entry->memory ? quick_memory_send(entry->memory, move_share(move), err) : 0;
}

static int close_disks(struct move *move, struct move_vm *entry, struct vm *vm, struct error *err)
{
	if (vm_detach_disks(vm, err) < 0)
		return -1;
	// Until QEMU can do nothing by itself any more.
	return entry->ending ? qemu_move_await(vm, PIN_MS, NULL, err) : 0;
}

// When the first guest that was not paused before stopped.
static double stopped_ms(const struct move *move)
{
	double first = loop_now_ms();

	for (size_t i = 0; i < move->vm_count; i++) {
		const struct vm *vm = move_vm_find(move, i);
		double ms = vm ? vm_stopped_ms(vm) : 0;
		if (ms > move->quiesce_ms && ms < first)
			first = ms;
	}
	return first;
}

static int quiesce(struct move *move, struct rpc_call *call, struct error *err)
{
	move->quiesce_ms = loop_now_ms();
	if (move_each(move, leave, err) < 0)
		return -1;
	if (is_live(move) && precopy_finish(move, call, err) < 0)
		return -1;
	double before_ms = loop_now_ms();
	if (move_each(move, stop, err) < 0)
		return -1;
	move_steps_begin(&move->steps);
	move->pause_ms = stopped_ms(move);
	if (!is_live(move) && before_ms < move->pause_ms)
		move->pause_ms = before_ms;
	move_steps_add(&move->steps, "stop", move->steps.lap_ms - move->pause_ms);
	if (move_each(move, close_disks, err) < 0)
		return -1;
	move_steps_lap(&move->steps, "close");
	return 0;
}

static int send_memory(struct move *move, struct move_vm *entry, struct vm *vm, struct error *err)
{
	if (qemu_move_send(vm, entry->stream, err) < 0)
		return -1;
	cleanup_fd_p(&entry->stream);
	entry->stream = STREAM_WITH_QEMU;
	return 0;
}

static int target_holds(const struct move *move, struct error *err)
{
	if (rpc_client_alive(move->control) && move->leased)
		return 0;
	return error_set(err, ERROR_UNREACHABLE, "node %s has let go of the move", move->peer);
}

// The memory starts to flow, if it does not yet; meanwhile the disks are let go.
static int release(struct move *move, struct error *err)
{
	const Holdfast__Group *group = group_spec(move->group)->group;
	struct storage *storage = move->moves->hv->storage;

	// A QEMU that writes to nobody, while its guest stands still, does not hear that it shall end that, and the guest would have to be booted.
	if (target_holds(move, err) < 0 || (!is_live(move) && move_each(move, send_memory, err) < 0))
		return -1;
	if (group_release_state(move->group, err) < 0 || storage_demote(storage, group, err) < 0)
		return -1;
	move_steps_lap(&move->steps, "demote");
	if (target_holds(move, err) < 0)
		return -1;
	return move_advance(move, MOVE_EV_RELEASE, err);
}

// ---- take

static uint64_t realtime_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

// Asks the target to take over. 0: it runs there, with the target's steps added.
static int let_take(struct move *move, struct error *err)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__MoveStep step = HOLDFAST__MOVE_STEP__INIT;
	Holdfast__Reply *reply = NULL;

	step.id = move->id;
	step.group = move->group_name;
	step.generation = realtime_ms();
	step.paused = move->paused;
	step.n_paused = move->paused_count;
	request.body_case = HOLDFAST__REQUEST__BODY_MOVE_TAKE;
	request.move_take = &step;
	move_steps_lap(&move->steps, "journal");
	double begin = loop_now_ms();
	if (rpc_client_call(move->control, &request, TAKE_MS, NULL, NULL, &reply, err) < 0)
		return -1;
	int result = 0;
	if (reply->body_case != HOLDFAST__REPLY__BODY_MOVE_ANSWER ||
		strcmp(reply->move_answer->state, move_state_name(MOVE_RUNNING)) != 0)
		result = error_set(
			err, ERROR_PROTOCOL, "node %s gave an answer that makes no sense", move->peer);
	for (size_t i = 0; result == 0 && i < reply->move_answer->n_steps; i++) {
		const Holdfast__Step *theirs = reply->move_answer->steps[i];
		static const char *const known[] = { "promote", "open", "memory", "commit", "run", "settle" };
		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
			if (strcmp(theirs->name, known[k]) == 0) {
				move_steps_add(&move->steps, known[k], theirs->ms);
				begin += theirs->ms;
			}
		}
	}
	move_steps_add(&move->steps, "messages", loop_now_ms() - begin);
	holdfast__reply__free_unpacked(reply, NULL);
	return result;
}

// What the streams carried, as far as the QEMUs still say it.
static uint64_t memory_bytes(struct move *move)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < move->vm_count; i++) {
		struct vm *vm = move_vm_find(move, i);
		if (vm && vm_qmp(vm))
			sum += qemu_move_bytes(vm);
		sum += quick_memory_bytes(move->vms[i].memory);
	}
	return sum;
}

// What they have become on their way.
static uint64_t wire_bytes(const struct move *move)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < move->vm_count; i++)
		sum += rpc_tunnel_meter_bytes(move->vms[i].meter) +
			quick_memory_wire_bytes(move->vms[i].memory);
	return sum;
}

// The target's last step is what it did after its guests ran.
static double settle_ms(const struct move *move)
{
	for (size_t i = 0; i < move->steps.count; i++) {
		if (strcmp(move->steps.step[i].name, "settle") == 0)
			return move->steps.step[i].ms;
	}
	return 0;
}

static void report(struct move *move)
{
	const Holdfast__Step *steps[MOVE_STEPS];
	double now = loop_now_ms(), settle = settle_ms(move);
	uint64_t passes = 0;

	size_t count = 0;
	for (size_t i = 0; i < move->steps.count; i++) {
		if (strcmp(move->steps.step[i].name, "settle") != 0)
			steps[count++] = &move->steps.step[i];
	}
	for (size_t i = 0; i < move->vm_count; i++) {
		if (move->vms[i].copy.now.passes > passes)
			passes = move->vms[i].copy.now.passes;
	}
	char how[64] = "";
	if (is_live(move))
		snprintf(how, sizeof(how), " in %llu passes%s", (unsigned long long)passes,
			move->rest_quick ? ", the last while it stood still" : "");
	host_event(move->moves->hv, "move", move->group_name, NULL, now - move->begin_ms,
		now - move->pause_ms - settle, steps, count,
		"%s move from %s to %s, %.1f MiB of memory, %.1f MiB on the wire%s",
		is_live(move) ? "live" : "quick", move->moves->hv->config.node, move->peer,
		(double)memory_bytes(move) / (1 << 20), (double)wire_bytes(move) / (1 << 20), how);
}

// With the group's mutex held and the move prepared.
static int commit(struct move *move, struct rpc_call *call, struct error *err)
{
	struct moves *moves = move->moves;
	char group[64], peer[64];

	memcpy(group, move->group_name, sizeof(group));
	memcpy(peer, move->peer, sizeof(peer));
	if (move_advance(move, MOVE_EV_STOP, err) < 0) {
		source_drop(move);
		return -1;
	}
	if (quiesce(move, call, err) < 0 || release(move, err) < 0) {
		struct error back = ERROR_INIT;
		move->why = *err;
		error_prefix(err, "group %s stays here", group);
		log_warning("%s", err ? err->message : "");
		source_close(move);
		if (move_advance(move, MOVE_EV_FAIL, &back) < 0 || source_take_back(move, &back) < 0)
			return error_set(err, ERROR_FAILED, "%s", back.message);
		return -1;
	}
	if (let_take(move, err) == 0) {
		report(move);
		if (move_advance(move, MOVE_EV_PEER_RUNS, err) < 0)
			return -1;
		return source_finish(move, err);
	}
	// An error alone does not say what the target did: it is asked.
	struct error open = ERROR_INIT;
	struct error why = move->why = *err;
	source_close(move);
	if (source_settle(move, MOVE_BOUND_MS, &open) < 0) {
		moves_settle_later(move);
		return error_set(err, ERROR_UNREACHABLE,
			"node %s does not say whether it runs group %s (%s); it is asked on and on", peer,
			group, open.message);
	}
	if (!move_find(moves, MOVE_SOURCE, group) &&
		group_health(group_find(moves->hv, group), NULL, 0) == GROUP_HEALTH_RUNNING) {
		error_copy(err, &why);
		return error_prefix(err, "group %s runs on here", group);
	}
	return 0;
}

// Pacemaker moves by itself: nothing is prepared. Live, as far as that goes in the time that Pacemaker may wait.
static struct move *make_now(struct moves *moves, struct group *group, const Holdfast__MoveCommit *request,
	struct rpc_call *call, struct error *err)
{
	Holdfast__MovePrepare prepare = HOLDFAST__MOVE_PREPARE__INIT;

	prepare.spec = request->spec;
	prepare.target = request->target;
	prepare.address = request->address;
	prepare.kind = HOLDFAST__MOVE_KIND__MOVE_LIVE;
	rpc_call_progress(call, -1, "preparing node %s", request->target);
	struct move *move = source_make(moves, group, &prepare, err);
	if (!move)
		return NULL;
	if (!is_live(move))
		return move;
	if (precopy_begin(move, err) == 0 &&
		precopy_run_bounded(move, call, loop_now_ms() + COPY_BOUND_MS, err) == 0)
		return move;
	source_drop(move);
	return NULL;
}

// A move that is prepared for TARGET and fits the VMs as they are now; any other one is dropped. NULL: there is none. -1: another is on its way.
static int prepared_for(
	struct moves *moves, const Holdfast__MoveCommit *request, struct move **found, struct error *err)
{
	struct move *move = move_find(moves, MOVE_SOURCE, request->group);
	struct error why = ERROR_INIT;

	*found = NULL;
	if (!move)
		return 0;
	if (move->state != MOVE_PREPARED && move->state != MOVE_PRECOPY)
		return error_set(err, ERROR_BUSY,
			"the last move of group %s has not ended: it is in state %s", request->group,
			move_state_name(move->state));
	bool fits =
		strcmp(move->peer, request->target) == 0 && move->leased && (move->ready || !is_live(move));
	if (fits && source_check(move, &why) == 0 && (!is_live(move) || precopy_check(move, &why) == 0)) {
		*found = move;
		return 0;
	}
	log_info("group=%s what was prepared for its move does not fit any more and is made anew: %s",
		request->group, why.message);
	source_drop(move);
	return 0;
}

int source_commit(
	struct moves *moves, const Holdfast__MoveCommit *request, struct rpc_call *call, struct error *err)
{
	struct move *move;
	struct group *group = source_group(moves, request->group, err);

	if (!group || task_lock(group_mutex(group), LOCK_MS, err) < 0)
		return -1;
	int result = prepared_for(moves, request, &move, err);
	if (result == 0 && !move)
		move = make_now(moves, group, request, call, err);
	if (result == 0)
		result = move ? commit(move, call, err) : -1;
	task_unlock(group_mutex(group));
	return result;
}
