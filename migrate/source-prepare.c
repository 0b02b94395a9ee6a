// SPDX-License-Identifier: GPL-3.0-or-later
// The source of a move up to PREPARED, where the target stands ready with a stream for each VM, and the way back from there: the guests never
// notice any of it. What follows is in precopy.c (live) and source.c.
#include "config.h"
#include "migrate/internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "common/cleanup.h"
#include "common/log.h"
#include "hypervisor/qemu-args.h"
#include "migrate/cpu-check.h"

#define CONNECT_MS 5000u
#define LEASE_MS 7200000u
#define PREPARE_MS 120000u // a quick move's memory is touched on the target first
#define LOCK_MS 10000u
#define MAX_PAUSE_MS 1000u // LIVE_QUICK, where nobody said another
#define TRIES 3
#define LOCK_LOST (-2) // the group's mutex is not ours any more
#define CHANGE_MS 30000u
#define LOOK_AGAIN_MS 200u
#define HOLD_MS 120000u // prepared, and nobody commits it

static int random_id(char id[MOVE_ID_BYTES], struct error *err)
{
	unsigned char bytes[(MOVE_ID_BYTES - 1) / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return error_set(err, ERROR_FAILED, "no random numbers for a move's id");
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(id + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

static bool moves_along(const struct vm *vm)
{
	Holdfast__VmState state = vm_state(vm);

	return state == HOLDFAST__VM_STATE__VM_RUNNING || state == HOLDFAST__VM_STATE__VM_PAUSED ||
		state == HOLDFAST__VM_STATE__VM_MOVING_OUT;
}

// ---- prepare

static void on_lease_partial(const Holdfast__Reply *reply, void *data)
{
	struct move *move = data;

	if (reply->body_case == HOLDFAST__REPLY__BODY_PROGRESS)
		task_wake(&move->lease_ready);
}

static int hello_fill(struct move *move, Holdfast__MoveHello *hello, struct error *err)
{
	const Holdfast__GroupSpec *spec = group_spec(move->group);

	hello->protocol = MOVE_PROTOCOL;
	hello->version = (char *)PACKAGE_VERSION;
	hello->qemu = (char *)"";
	hello->spec = (Holdfast__GroupSpec *)spec;
	hello->kind = move->kind;
	hello->id = move->id;
	hello->may_wait = move->may_wait;
	hello->source = move->moves->hv->config.node;
	hello->volume_bytes = calloc(spec->group->n_volumes + 1, sizeof(*hello->volume_bytes));
	hello->moving = calloc(move->vm_count + 1, sizeof(*hello->moving));
	hello->running = calloc(move->vm_count + 1, sizeof(*hello->running));
	hello->cpu_unavailable = calloc(move->vm_count + 1, sizeof(*hello->cpu_unavailable));
	if (!hello->volume_bytes || !hello->moving || !hello->running || !hello->cpu_unavailable)
		return error_set(err, ERROR_NO_SPACE, "no memory for a move");
	for (size_t i = 0; i < spec->group->n_volumes; i++) {
		if (move_volume_bytes(move->moves, spec->group, i, &hello->volume_bytes[i], err) < 0)
			return -1;
	}
	hello->n_volume_bytes = spec->group->n_volumes;
	hello->paused = move->paused;
	hello->n_paused = move->paused_count;
	hello->accel = move->moves->hv->kvm ? (char *)"kvm" : (char *)"tcg";
	for (size_t i = 0; i < move->vm_count; i++) {
		struct vm *vm = move_vm_find(move, i);
		hello->moving[hello->n_moving++] = move->vms[i].name;
		if (!vm)
			continue;
		hello->running[hello->n_running++] = (Holdfast__Vm *)vm_definition(vm);
		hello->qemu = (char *)qmp_version(vm_qmp(vm));
		char *lacks = cpu_unavailable(vm, err);
		if (!lacks)
			return -1;
		hello->cpu_unavailable[hello->n_cpu_unavailable++] = lacks;
	}
	return 0;
}

// Holds the hello for as long as the move lives: the target lets go when this ends.
static void lease_task(void *data)
{
	struct move *move = data;
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__MoveHello hello = HOLDFAST__MOVE_HELLO__INIT;
	Holdfast__Reply *reply = NULL;

	request.body_case = HOLDFAST__REQUEST__BODY_MOVE_HELLO;
	request.move_hello = &hello;
	request.timeout_ms = LEASE_MS;
	if (hello_fill(move, &hello, &move->lease_error) == 0 &&
		rpc_client_call(move->control, &request, LEASE_MS, on_lease_partial, move, &reply,
			&move->lease_error) == 0)
		holdfast__reply__free_unpacked(reply, NULL);
	free(hello.volume_bytes);
	free(hello.moving);
	free(hello.running);
	for (size_t i = 0; i < hello.n_cpu_unavailable; i++)
		free(hello.cpu_unavailable[i]);
	free(hello.cpu_unavailable);
	move->leased = false;
	task_wake(&move->lease_ready);
	task_wake(&move->lease_over);
}

static int prepare_peer(struct move *move, struct error *err)
{
	move->control = rpc_connect_tls(
		move->address, RPC_HYPERVISORD_PORT, move->peer, move->moves->tls, CONNECT_MS, err);
	if (!move->control)
		return -1;
	move->leased = true;
	if (!task_start(move->moves->hv->loop, "move-lease", lease_task, move, err)) {
		move->leased = false;
		return -1;
	}
	if (task_wait(&move->lease_ready, PREPARE_MS, "the target to stand ready", err) < 0)
		return -1;
	if (!move->leased)
		return error_copy(err, &move->lease_error);
	return move_each(move, source_open_streams, err);
}

// Ends the copying and the lease, so that the target lets go, and forgets the move.
void source_drop(struct move *move)
{
	struct error err = ERROR_INIT;

	bool copying = move->state == MOVE_PRECOPY;

	source_close(move);
	if (copying)
		precopy_cancel(move);
	if (move_advance(move, MOVE_EV_FAIL, &err) < 0)
		log_error("group=%s %s", move->group_name, err.message);
	if (copying)
		move_end(move);
	else
		move_free(move);
}

// Ends the lease task and the streams.
void source_close(struct move *move)
{
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < move->vm_count; i++) {
		cleanup_fd_p(&move->vms[i].stream);
		move->vms[i].stream = -1;
		quick_memory_stop(move->vms[i].memory);
	}
	rpc_client_close(move->control);
	while (move->leased) {
		if (task_wait(&move->lease_over, LOCK_MS, "the end of a lease", &err) < 0)
			log_error("group=%s %s", move->group_name, err.message);
	}
}

// Of the definition as its QEMU has it now.
static uint32_t devices_sum(const struct vm *vm)
{
	const ProtobufCMessage *message = &vm_definition(vm)->base;
	size_t size = protobuf_c_message_get_packed_size(message);
	cleanup_free uint8_t *bytes = malloc(size + 1);
	uint32_t sum = 2166136261u;

	if (!bytes)
		return 0;
	protobuf_c_message_pack(message, bytes);
	for (size_t i = 0; i < size; i++)
		sum = (sum ^ bytes[i]) * 16777619u;
	return sum;
}

// Under TCG a copy made while the guest runs is wrong where a block of RAM is a multiple of 256 KiB (tried), as plugged memory is. NULL: no such VM.
static const char *copied_wrongly(const struct move *move)
{
	for (size_t i = 0; !move->moves->hv->kvm && i < group_vm_count(move->group); i++) {
		const struct vm *vm = group_vm(move->group, i);
		const Holdfast__Vm *running = vm_definition(vm);
		if (moves_along(vm) && running->memory_mib > qemu_boot_memory_mib(running))
			return vm_name(vm);
	}
	return NULL;
}

// A move of Pacemaker's own becomes quick then; who asked for a live one is told.
static int choose_kind(struct move *move, const Holdfast__MovePrepare *request, struct error *err)
{
	const char *vm = copied_wrongly(move);

	move->kind = request->kind;
	if (!vm || request->kind != HOLDFAST__MOVE_KIND__MOVE_LIVE)
		return 0;
	move->kind = HOLDFAST__MOVE_KIND__MOVE_QUICK;
	return request->may_wait
		? error_set(err, ERROR_FAILED,
			  "memory was plugged into VM %s, which runs with TCG: it can be moved with --quick, "
			  "not live",
			  vm)
		: 0;
}

static int fill(struct move *move, const Holdfast__MovePrepare *request, struct error *err)
{
	const Holdfast__Group *definition = request->spec->group;

	if (choose_kind(move, request, err) < 0)
		return -1;
	move->begin_ms = loop_now_ms();
	move->bandwidth = request->bandwidth;
	move->may_wait = request->may_wait;
	move->policy = request->max_pause_ms ? HOLDFAST__LIVE_POLICY__LIVE_QUICK : definition->live_policy;
	move->max_pause_ms = request->max_pause_ms ? request->max_pause_ms
		: definition->max_pause_ms	   ? definition->max_pause_ms
						   : MAX_PAUSE_MS;
	move->address = strdup(request->address);
	if (!move->address)
		return error_set(err, ERROR_NO_SPACE, "no memory for a move");
	for (size_t i = 0; i < group_vm_count(move->group); i++) {
		struct vm *vm = group_vm(move->group, i);
		if (!moves_along(vm))
			continue;
		if (move_add_vm(move, vm_name(vm), err) < 0)
			return -1;
		move->vms[move->vm_count - 1].pid = vm_pid(vm);
		move->vms[move->vm_count - 1].devices = devices_sum(vm);
		if (vm_disks_prepare_leaving(vm, err) < 0)
			return -1;
		if (vm_state(vm) == HOLDFAST__VM_STATE__VM_PAUSED &&
			move_pause_add(move, vm_name(vm), err) < 0)
			return -1;
		if (move->kind == HOLDFAST__MOVE_KIND__MOVE_LIVE)
			qemu_move_measure_dirty(vm);
	}
	return 0;
}

struct move *source_make(
	struct moves *moves, struct group *group, const Holdfast__MovePrepare *request, struct error *err)
{
	char id[MOVE_ID_BYTES], reason[256];

	if (!moves->tls) {
		error_set(err, ERROR_FAILED,
			"this machine is in no cluster: there is nowhere to move group %s to",
			request->spec->group->name);
		return NULL;
	}
	if (group_health(group, reason, sizeof(reason)) != GROUP_HEALTH_RUNNING) {
		error_set(err, ERROR_FAILED, "group %s does not run on this node", group_name(group));
		return NULL;
	}
	if (group_disk_work(group)) {
		error_set(err, ERROR_BUSY, "group %s cannot be moved now: %s is going on", group_name(group),
			group_disk_work(group));
		return NULL;
	}
	if (request->may_wait && group_change(group)) {
		error_set(err, ERROR_BUSY, "VM %s of group %s is being changed: try again when that is done",
			group_change(group), group_name(group));
		return NULL;
	}
	if (random_id(id, err) < 0)
		return NULL;
	struct move *move = move_new(moves, MOVE_SOURCE, group_name(group), id, request->target, err);
	if (!move)
		return NULL;
	move->group = group;
	if (fill(move, request, err) < 0) {
		move_free(move);
		return NULL;
	}
	if (move_advance(move, MOVE_EV_PREPARE, err) == 0 && prepare_peer(move, err) == 0 &&
		move_advance(move, MOVE_EV_READY, err) == 0)
		return move;
	error_prefix(err, "node %s cannot take group %s", request->target, group_name(group));
	source_drop(move);
	return NULL;
}

static const struct move_vm *entry_of(const struct move *move, const struct vm *vm)
{
	for (size_t i = 0; i < move->vm_count; i++) {
		if (strcmp(move->vms[i].name, vm_name(vm)) == 0)
			return &move->vms[i];
	}
	return NULL;
}

int source_check(struct move *move, struct error *err)
{
	for (size_t i = 0; i < group_vm_count(move->group); i++) {
		const struct vm *vm = group_vm(move->group, i);
		const struct move_vm *entry = entry_of(move, vm);

		if (moves_along(vm) != (entry != NULL) || (entry && entry->pid != vm_pid(vm)))
			return error_set(err, ERROR_CANCELLED,
				"VM %s was started or ended since the move was prepared: try again",
				vm_name(vm));
		if (entry && entry->devices != devices_sum(vm))
			return error_set(err, ERROR_CANCELLED,
				"VM %s was changed since the move was prepared: try again", vm_name(vm));
	}
	for (size_t i = 0; i < move->vm_count; i++) {
		if (!move_vm_find(move, i))
			return error_set(err, ERROR_CANCELLED,
				"VM %s was deleted since the move was prepared: try again",
				move->vms[i].name);
	}
	// Who is paused may have changed too.
	move_pause_clear(move);
	for (size_t i = 0; i < group_vm_count(move->group); i++) {
		const struct vm *vm = group_vm(move->group, i);
		if (vm_state(vm) == HOLDFAST__VM_STATE__VM_PAUSED &&
			move_pause_add(move, vm_name(vm), err) < 0)
			return -1;
	}
	return 0;
}

struct group *source_group(struct moves *moves, const char *name, struct error *err)
{
	struct group *group = group_find(moves->hv, name);

	if (!group)
		error_set(err, ERROR_NOT_FOUND, "group %s is not on this node", name);
	return group;
}

// What is prepared and never committed ends after a while: the target has kept memory and processes for it.
struct hold {
	struct moves *moves;
	char group[64], id[MOVE_ID_BYTES];
};

static void hold_task(void *data)
{
	struct hold *hold = data;
	struct error err = ERROR_INIT;
	struct group *group;

	if (task_pause(HOLD_MS, &err) == 0 && (group = group_find(hold->moves->hv, hold->group)) &&
		task_lock(group_mutex(group), LOCK_MS, &err) == 0) {
		struct move *move = move_find_id(hold->moves, MOVE_SOURCE, hold->id);
		if (move && (move->state == MOVE_PREPARED || move->state == MOVE_PRECOPY)) {
			log_warning(
				"group=%s a move that was prepared was not carried out within %u s: it ends",
				hold->group, HOLD_MS / 1000);
			source_drop(move);
		}
		task_unlock(group_mutex(group));
	}
	free(hold);
}

static void hold_for_a_while(struct move *move)
{
	struct error err = ERROR_INIT;
	struct hold *hold = calloc(1, sizeof(*hold));

	if (!hold)
		return;
	hold->moves = move->moves;
	snprintf(hold->group, sizeof(hold->group), "%s", move->group_name);
	snprintf(hold->id, sizeof(hold->id), "%s", move->id);
	if (!task_start(move->moves->hv->loop, "move-hold", hold_task, hold, &err)) {
		log_warning("group=%s %s", move->group_name, err.message);
		free(hold);
	}
}

// One try. With the group's mutex held; it is free while memory is copied. -1, LOCK_LOST, or PRECOPY_MISSED.
static int prepare_once(struct moves *moves, struct group *group, const Holdfast__MovePrepare *request,
	bool gentle, struct rpc_call *call, struct error *err)
{
	char id[MOVE_ID_BYTES], name[64];
	struct move *move = source_make(moves, group, request, err);

	if (!move)
		return -1;
	move->gentle = gentle;
	snprintf(name, sizeof(name), "%s", move->group_name);
	snprintf(id, sizeof(id), "%s", move->id);
	if (move->kind == HOLDFAST__MOVE_KIND__MOVE_LIVE) {
		if (precopy_begin(move, err) < 0) {
			source_drop(move);
			return -1;
		}
		task_unlock(group_mutex(group));
		int result = precopy_run(moves, name, id, call, err);
		if (task_lock(group_mutex(group), LOCK_MS, result < 0 ? NULL : err) < 0)
			return LOCK_LOST;
		if (result < 0)
			return result;
	}
	move = move_find_id(moves, MOVE_SOURCE, id);
	if (!move)
		return error_set(err, ERROR_CANCELLED, "the move of group %s was cancelled", name);
	hold_for_a_while(move);
	return 0;
}

// A change of one of its VMs is let end first: it is soon over.
static int await_change(
	struct moves *moves, const Holdfast__MovePrepare *request, struct rpc_call *call, struct error *err)
{
	int64_t deadline_us = loop_now_us() + CHANGE_MS * 1000LL;

	for (;;) {
		const struct group *group = source_group(moves, request->spec->group->name, err);

		if (!group)
			return -1;
		if (!request->may_wait || !group_change(group) || loop_now_us() > deadline_us)
			return 0;
		rpc_call_progress(call, 0, "waiting for a change of VM %s", group_change(group));
		if (task_pause(LOOK_AGAIN_MS, err) < 0)
			return -1;
	}
}

int source_prepare(
	struct moves *moves, const Holdfast__MovePrepare *request, struct rpc_call *call, struct error *err)
{
	int result = -1;

	if (!request->spec || !request->spec->group || !*request->target || !*request->address)
		return error_set(err, ERROR_USAGE, "a move needs a group, a target and its address");
	if (await_change(moves, request, call, err) < 0)
		return -1;
	struct group *group = source_group(moves, request->spec->group->name, err);
	if (!group || task_lock(group_mutex(group), LOCK_MS, err) < 0)
		return -1;
	struct move *old = move_find(moves, MOVE_SOURCE, group_name(group));
	if (old && (old->state == MOVE_PREPARED || old->state == MOVE_PRECOPY))
		source_drop(old);
	rpc_call_progress(call, 0, "preparing node %s", request->target);
	for (int i = 0; i < TRIES; i++) {
		error_clear(err);
		result = prepare_once(moves, group, request, i > 0, call, err);
		if (result != PRECOPY_MISSED)
			break;
	}
	if (result == LOCK_LOST)
		return -1;
	task_unlock(group_mutex(group));
	return result < 0 ? -1 : 0;
}

int source_cancel(struct moves *moves, const char *name, struct error *err)
{
	struct group *group = source_group(moves, name, err);

	if (!group || task_lock(group_mutex(group), LOCK_MS, err) < 0)
		return -1;
	struct move *move = move_find(moves, MOVE_SOURCE, name);
	int result = 0;
	if (move && (move->state == MOVE_PREPARED || move->state == MOVE_PRECOPY))
		source_drop(move);
	else if (move)
		result = error_set(err, ERROR_BUSY,
			"the move of group %s can no longer be cancelled: it is in state %s", name,
			move_state_name(move->state));
	task_unlock(group_mutex(group));
	return result;
}
