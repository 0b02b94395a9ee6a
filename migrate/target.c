// SPDX-License-Identifier: GPL-3.0-or-later
// The target of a move. The source's move_hello is a lease: its handler stays until the move has ended, and when the connection breaks
// before COMMIT everything is let go. The commit is decided here and nowhere else.
#include "config.h"
#include "migrate/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/log.h"
#include "hypervisor/file-check.h"
#include "hypervisor/running.h"
#include "migrate/cpu-check.h"

#define LEASE_MS 3600000u
#define LOCK_MS 10000u
#define END_MS 10000u
#define LOAD_MS 600000u
#define TOUCH_MIB_MAX 16384u // more would take too long before the move
#define SPAWNS_AT_ONCE 4u // more would only take the processors from each other
#define FORMER_MS 10000u
#define FORMER_LOOK_MS 10u

// ---- letting go

void target_let_go(struct move *move)
{
	struct error err = ERROR_INIT;
	struct hypervisor *hv = move->moves->hv;

	if (move_advance(move, MOVE_EV_FAIL, &err) < 0) {
		log_error("group=%s a move cannot be let go: %s", move->group_name, err.message);
		return;
	}
	for (size_t i = 0; move->group && i < group_vm_count(move->group); i++) {
		struct vm *vm = group_vm(move->group, i);
		if (vm_state(vm) != HOLDFAST__VM_STATE__VM_MOVING_IN)
			continue;
		if (vm_end(vm, END_MS, &err) < 0)
			log_error("vm=%s %s", vm_name(vm), err.message);
		vm_move_end(vm, HOLDFAST__VM_STATE__VM_OFF);
	}
	if (move->group) {
		if (storage_demote(hv->storage, group_spec(move->group)->group, &err) < 0)
			log_error("group=%s after a move that failed: %s", move->group_name, err.message);
		group_set_offline(move->group, move->generation);
	}
	if (move->leased) {
		task_wake(&move->gone);
		return;
	}
	move_end(move);
}

// ---- hello: prepare

static int check_versions(const Holdfast__MoveHello *hello, bool kvm, struct error *err)
{
	const char *accel = kvm ? "kvm" : "tcg";

	if (hello->protocol != MOVE_PROTOCOL)
		return error_set(err, ERROR_PROTOCOL,
			"this node moves with protocol %u (Holdfast %s), node %s with %u (Holdfast %s): "
			"upgrade the older one",
			MOVE_PROTOCOL, PACKAGE_VERSION, hello->source, hello->protocol, hello->version);
	if (!hello->spec || !hello->spec->group)
		return error_set(err, ERROR_PROTOCOL, "a move without a definition");
	if (strcmp(hello->accel, accel) != 0)
		return error_set(err, ERROR_FAILED,
			"guests run with %s on this node and with %s on node %s, and cannot go from one to "
			"the other",
			accel, hello->accel, hello->source);
	if (hello->n_volume_bytes != hello->spec->group->n_volumes)
		return error_set(err, ERROR_PROTOCOL, "a move of %zu volumes with %zu sizes",
			hello->spec->group->n_volumes, hello->n_volume_bytes);
	return 0;
}

static int check_volumes(struct move *move, const Holdfast__MoveHello *hello, struct error *err)
{
	const Holdfast__Group *group = hello->spec->group;

	for (size_t i = 0; i < group->n_volumes; i++) {
		uint64_t bytes;
		if (move_volume_bytes(move->moves, group, i, &bytes, err) < 0)
			return -1;
		if (bytes != hello->volume_bytes[i])
			return error_set(err, ERROR_FAILED,
				"volume %s has %" PRIu64 " bytes here and %" PRIu64 " on node %s",
				group->volumes[i]->name, bytes, hello->volume_bytes[i], hello->source);
	}
	return 0;
}

static uint64_t volume_bytes(const Holdfast__MoveHello *hello, uint32_t index)
{
	for (size_t i = 0; i < hello->n_volume_bytes; i++) {
		if (hello->spec->group->volumes[i]->index == index)
			return hello->volume_bytes[i];
	}
	return 0;
}

// The guest's devices as they are on the source, which may have got or lost some since it was started.
static int take_running(struct vm *vm, const Holdfast__MoveHello *hello, struct error *err)
{
	for (size_t i = 0; i < hello->n_running; i++)
		if (strcmp(hello->running[i]->name, vm_name(vm)) == 0)
			return running_set(vm, hello->running[i], err);
	return running_set(vm, NULL, err);
}

// The guest has seen its processor's features: none may be missing here.
static int check_cpu(struct vm *vm, const Holdfast__MoveHello *hello, struct error *err)
{
	char lost[200];

	for (size_t i = 0; i < hello->n_running && i < hello->n_cpu_unavailable; i++) {
		if (strcmp(hello->running[i]->name, vm_name(vm)) != 0)
			continue;
		cleanup_free char *lacks = cpu_unavailable(vm, err);
		if (!lacks)
			return -1;
		if (cpu_lost(hello->cpu_unavailable[i], lacks, lost, sizeof(lost)))
			return error_set(err, ERROR_FAILED,
				"VM %s would lose features of its processor that it has on node %s: %s; give "
				"it "
				"a CPU model that all its nodes have (vm create --cpu-model), or move its "
				"group "
				"elsewhere",
				vm_name(vm), hello->source, lost);
	}
	return 0;
}

static int spawn_incoming(struct move *move, struct move_vm *entry, struct vm *vm, struct error *err)
{
	const Holdfast__MoveHello *hello = move->hello;

	if (take_running(vm, hello, err) < 0)
		return -1;
	const Holdfast__Vm *definition = vm_definition(vm);
	// A quick move stands still while its memory arrives; a live one has the time to touch it on the way.
	enum vm_spawn kind =
		hello->kind == HOLDFAST__MOVE_KIND__MOVE_QUICK && definition->memory_mib <= TOUCH_MIB_MAX
		? VM_SPAWN_INCOMING_TOUCHED
		: VM_SPAWN_INCOMING;
	cleanup_free uint64_t *bytes = calloc(definition->n_disks + 1, sizeof(*bytes));

	if (!bytes)
		return error_set(err, ERROR_NO_SPACE, "no memory for VM %s", vm_name(vm));
	for (size_t i = 0; i < definition->n_disks; i++)
		// As the guest sees it: a qcow2 volume has more, for checkpoints.
		bytes[i] = definition->disks[i]->format == HOLDFAST__DISK_FORMAT__FORMAT_QCOW2
			? definition->disks[i]->size_bytes
			: volume_bytes(hello, definition->disks[i]->volume);
	if (file_check_vm(group_hypervisor(vm_group(vm)), definition, err) < 0 ||
		group_admit(group_hypervisor(vm_group(vm)), definition, err) < 0 ||
		vm_move_begin(vm, HOLDFAST__VM_STATE__VM_MOVING_IN, err) < 0)
		return -1;
	if (vm_spawn(vm, kind, bytes, err) < 0)
		return -1;
	if (move_qemu_takes(hello->qemu, qmp_version(vm_qmp(vm))))
		return check_cpu(vm, hello, err) < 0 ? -1 : qemu_move_widen(vm, err);
	return error_set(err, ERROR_FAILED,
		"this node has QEMU %s and node %s has %s: a guest cannot go to an older QEMU; upgrade this "
		"node",
		qmp_version(vm_qmp(vm)), hello->source, hello->qemu);
}

static bool hello_moves(const Holdfast__MoveHello *hello, const char *vm)
{
	for (size_t i = 0; i < hello->n_moving; i++) {
		if (strcmp(hello->moving[i], vm) == 0)
			return true;
	}
	return false;
}

static int prepare(struct move *move, const Holdfast__MoveHello *hello, struct error *err)
{
	char reason[256];

	move->group = group_adopt(move->moves->hv, hello->spec, err);
	if (!move->group)
		return -1;
	if (task_lock(group_mutex(move->group), LOCK_MS, err) < 0) {
		move->group = NULL;
		return -1;
	}
	int result = -1;
	if (group_health(move->group, reason, sizeof(reason)) != GROUP_HEALTH_STOPPED)
		error_set(err, ERROR_UNSAFE, "group %s is not stopped on this node", move->group_name);
	else if (check_volumes(move, hello, err) == 0)
		result = move_advance(move, MOVE_EV_PREPARE, err);
	for (size_t i = 0; result == 0 && i < hello->n_paused; i++)
		result = move_pause_add(move, hello->paused[i], err);
	for (size_t i = 0; result == 0 && i < group_vm_count(move->group); i++) {
		if (hello_moves(hello, vm_name(group_vm(move->group, i))))
			result = move_add_vm(move, vm_name(group_vm(move->group, i)), err);
	}
	if (result == 0) {
		move->hello = hello;
		result = move_each_few(move, SPAWNS_AT_ONCE, spawn_incoming, err);
		move->hello = NULL;
	}
	if (result == 0)
		result = move_advance(move, MOVE_EV_READY, err);
	task_unlock(group_mutex(move->group));
	return result;
}

static void source_gone(void *data)
{
	struct move *move = data;

	target_peer_gone(move);
	task_wake(&move->gone);
}

// The lease: until the move has ended one way or the other, or the source is gone.
static void hold(struct move *move, struct rpc_call *call)
{
	struct error err = ERROR_INIT;

	rpc_call_on_gone(call, source_gone, move);
	while (target_waiting(move) || move->state == MOVE_TAKING || move->state == MOVE_COMMITTED) {
		if (move->peer_gone && target_waiting(move))
			break;
		if (task_wait(&move->gone, LEASE_MS, "the end of a move", &err) < 0)
			break;
	}
	rpc_call_on_gone(call, NULL, NULL);
}

static int check_room(const struct moves *moves, const Holdfast__MoveHello *hello, struct error *err)
{
	unsigned under_way = 0;

	for (const struct move *move = moves->first; move; move = move->next)
		under_way += move->side == MOVE_TARGET && move->leased;
	if (!hello->may_wait || under_way < moves->hv->config.moves_at_once)
		return 0;
	return error_set(err, ERROR_CROWDED, "node %s takes %u other group%s now", moves->hv->config.node,
		under_way, under_way == 1 ? "" : "s");
}

// A source has one move of a group at a time: its next hello may be here before this node has let go of the one that it gave up, or has
// seen that it is over. What still stands after this is refused by move_new.
static int end_former(struct moves *moves, const Holdfast__MoveHello *hello, struct error *err)
{
	double deadline = loop_now_ms() + FORMER_MS;
	struct move *former;

	while ((former = move_find(moves, MOVE_TARGET, hello->spec->group->name))) {
		bool begun = former->state == MOVE_PREPARING || target_waiting(former);
		bool given_up = begun && strcmp(former->peer, hello->source) == 0;
		bool over = former->state == MOVE_RUNNING || former->state == MOVE_ABORTED;

		if (!former->leased && (!former->group || former->state == MOVE_RUNNING)) {
			move_end(former);
			continue;
		}
		if ((!given_up && !over) || loop_now_ms() >= deadline)
			return 0;
		if (given_up)
			source_gone(former);
		if (task_pause(FORMER_LOOK_MS, err) < 0)
			return -1;
	}
	return 0;
}

int target_hello(struct moves *moves, struct rpc_call *call, const Holdfast__MoveHello *hello,
	Holdfast__MoveAnswer *answer, struct error *err)
{
	if (check_versions(hello, moves->hv->kvm, err) < 0 || end_former(moves, hello, err) < 0 ||
		check_room(moves, hello, err) < 0)
		return -1;
	struct move *move =
		move_new(moves, MOVE_TARGET, hello->spec->group->name, hello->id, hello->source, err);
	if (!move)
		return -1;
	move->leased = true;
	move->kind = hello->kind;
	int result = prepare(move, hello, err);
	if (result == 0) {
		rpc_call_progress(call, 100, "%s", move_state_name(MOVE_PREPARED));
		hold(move, call);
	}
	// The record is freed by others as soon as it is leased no more: not while this waits.
	bool locked = move->group && task_lock(group_mutex(move->group), LOAD_MS, NULL) == 0;
	struct group *group = move->group;
	move->leased = false;
	answer->id = strdup(hello->id);
	if (move->state == MOVE_RUNNING || move->state == MOVE_COMMITTED) {
		answer->state = strdup(move_state_name(move->state)); // the record stays until move_forget
		if (move->forgotten && move->state == MOVE_RUNNING)
			move_end(move);
	} else {
		answer->state = strdup(move_state_name(MOVE_ABORTED));
		if (move->state == MOVE_ABORTED)
			move_end(move);
		else
			target_let_go(move);
	}
	if (locked)
		task_unlock(group_mutex(group));
	return result;
}

// ---- take

static int open_disks(struct move *move, struct move_vm *entry, struct vm *vm, struct error *err)
{
	return vm_attach_disks(vm, err);
}

static int load_memory(struct move *move, struct move_vm *entry, struct vm *vm, struct error *err)
{
	if (entry->memory &&
		(quick_memory_await(entry->memory, vm, LOAD_MS, err) < 0 || qemu_move_load(vm, err) < 0))
		return -1;
	return qemu_move_await(vm, LOAD_MS, &move->peer_gone, err);
}

static int acquire(struct move *move, struct error *err)
{
	struct hypervisor *hv = move->moves->hv;
	struct storage_promote promote = { .node = hv->config.node };

	if (target_await_streams(move, err) < 0)
		return -1;
	move_steps_begin(&move->steps);
	if (storage_promote(hv->storage, group_spec(move->group)->group, &promote, err) < 0)
		return -1;
	move_steps_lap(&move->steps, "promote");
	if (move_each(move, open_disks, err) < 0)
		return -1;
	move_steps_lap(&move->steps, "open");
	if (move_each(move, load_memory, err) < 0)
		return -1;
	move_steps_lap(&move->steps, "memory");
	if (move->peer_gone)
		return error_set(err, ERROR_CANCELLED, "node %s has gone away", move->peer);
	return 0;
}

static int run_here(struct move *move, struct move_vm *entry, struct vm *vm, struct error *err)
{
	if (move_resume(move, vm, err) == 0) {
		qemu_move_announce(vm);
		return 0;
	}
	// Only forward: a guest that cannot go on is started again from its disks, here.
	log_error("vm=%s does not go on after its move, and is started again: %s", vm_name(vm), err->message);
	error_clear(err);
	if (vm_end(vm, END_MS, err) < 0)
		return -1;
	group_set_online(move->group, move->generation);
	vm_move_end(vm, HOLDFAST__VM_STATE__VM_OFF);
	return 0;
}

int target_forward(struct move *move, struct error *err)
{
	if (move_each_in(move, HOLDFAST__VM_STATE__VM_MOVING_IN, run_here, err) < 0)
		return -1;
	group_set_online(move->group, move->generation);
	return move_advance(move, MOVE_EV_RUN, err);
}

// An administrator may have paused or resumed VMs since the hello.
static int set_paused(struct move *move, const Holdfast__MoveStep *step, struct error *err)
{
	move_pause_clear(move);
	for (size_t i = 0; i < step->n_paused; i++) {
		if (move_pause_add(move, step->paused[i], err) < 0)
			return -1;
	}
	return 0;
}

// Until the last guest ran, and what was done after that.
static void lap_run(struct move *move)
{
	double last = move->steps.lap_ms, begin = last;

	for (size_t i = 0; i < move->vm_count; i++) {
		const struct vm *vm = move_vm_find(move, i);
		if (vm && vm_resumed_ms(vm) > last)
			last = vm_resumed_ms(vm);
	}
	move_steps_add(&move->steps, "run", last - begin);
	move_steps_add(&move->steps, "settle", loop_now_ms() - last);
}

int target_take(
	struct moves *moves, const Holdfast__MoveStep *step, Holdfast__MoveAnswer *answer, struct error *err)
{
	struct move *move = move_find_id(moves, MOVE_TARGET, step->id);

	if (!move || !move->group)
		return error_set(err, ERROR_NOT_FOUND, "no move %s is prepared here", step->id);
	struct group *group = move->group;
	if (task_lock(group_mutex(group), LOCK_MS, err) < 0)
		return -1;
	move = move_find_id(moves, MOVE_TARGET, step->id);
	int result = -1;
	if (!move || !target_waiting(move) || move->peer_gone) {
		error_set(err, ERROR_CANCELLED, "move %s has ended", step->id);
	} else if (set_paused(move, step, err) == 0 && move_advance(move, MOVE_EV_TAKE, err) == 0) {
		move->generation = step->generation;
		if (acquire(move, err) == 0 && move_advance(move, MOVE_EV_COMMIT, err) == 0) {
			move_steps_lap(&move->steps, "commit");
			result = target_forward(move, err);
			lap_run(move);
			task_wake(&move->gone);
		} else {
			target_let_go(move);
			move = NULL;
		}
	}
	if (result == 0)
		result = move_answer_fill(answer, move, err);
	task_unlock(group_mutex(group));
	return result;
}

// ---- query

int target_query(
	struct moves *moves, const Holdfast__MoveStep *step, Holdfast__MoveAnswer *answer, struct error *err)
{
	struct move *move = move_find_id(moves, MOVE_TARGET, step->id);
	const char *state = move_state_name(MOVE_ABORTED);

	if (move && move->group) {
		struct group *group = move->group;

		// What is not committed yet never will be: a take in progress sees this before it commits.
		target_peer_gone(move);
		if (task_lock(group_mutex(group), MOVE_CALL_TIMEOUT_MS / 2, err) < 0)
			return -1;
		move = move_find_id(moves, MOVE_TARGET, step->id);
		if (move && (move->state == MOVE_COMMITTED || move->state == MOVE_RUNNING))
			state = move_state_name(MOVE_RUNNING);
		else if (move && move->state != MOVE_ABORTED)
			target_let_go(move);
		task_unlock(group_mutex(group));
	} else if (move) {
		state = move_state_name(MOVE_LOST);
	}
	answer->id = strdup(step->id);
	answer->state = strdup(state);
	return answer->id && answer->state ? 0 : error_set(err, ERROR_NO_SPACE, "no memory for an answer");
}
