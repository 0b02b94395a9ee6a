// SPDX-License-Identifier: GPL-3.0-or-later
// The source of a move: prepare (the target stands ready, the guest never noticed), then commit (quiesce, release, let the target take).
// After RELEASED nothing here runs the guest before the target's answer is known; source-back.c has what follows.
#include "config.h"
#include "migrate/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include "common/cleanup.h"
#include "common/log.h"
#include "proto/json.h"

#define CONNECT_MS 5000u
#define LEASE_MS 7200000u
#define PREPARE_MS 30000u
#define LOCK_MS 10000u
#define TAKE_MS 600000u

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
	size_t vms = group_vm_count(move->group);

	hello->protocol = MOVE_PROTOCOL;
	hello->version = (char *)PACKAGE_VERSION;
	hello->qemu = (char *)"";
	hello->spec = (Holdfast__GroupSpec *)spec;
	hello->kind = move->kind;
	hello->id = move->id;
	hello->source = move->moves->hv->config.node;
	hello->volume_bytes = calloc(spec->group->n_volumes + 1, sizeof(*hello->volume_bytes));
	hello->moving = calloc(vms + 1, sizeof(*hello->moving));
	hello->running = calloc(vms + 1, sizeof(*hello->running));
	if (!hello->volume_bytes || !hello->moving || !hello->running)
		return error_set(err, ERROR_NO_SPACE, "no memory for a move");
	for (size_t i = 0; i < spec->group->n_volumes; i++) {
		if (move_volume_bytes(move->moves, spec->group, i, &hello->volume_bytes[i], err) < 0)
			return -1;
	}
	hello->n_volume_bytes = spec->group->n_volumes;
	hello->paused = move->paused;
	hello->n_paused = move->paused_count;
	for (size_t i = 0; i < vms; i++) {
		struct vm *vm = group_vm(move->group, i);
		if (!moves_along(vm))
			continue;
		hello->moving[hello->n_moving++] = (char *)vm_name(vm);
		hello->running[hello->n_running++] = (Holdfast__Vm *)vm_definition(vm);
		hello->qemu = (char *)qmp_version(vm_qmp(vm));
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
	move->leased = false;
	task_wake(&move->lease_ready);
	task_wake(&move->lease_over);
}

static int open_stream(struct move *move, size_t i, struct error *err)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__MoveStream stream = HOLDFAST__MOVE_STREAM__INIT;
	struct rpc_client *client = rpc_connect_tls(
		move->address, RPC_HYPERVISORD_PORT, move->peer, move->moves->tls, CONNECT_MS, err);

	if (!client)
		return -1;
	stream.id = move->id;
	stream.vm = (char *)vm_name(group_vm(move->group, i));
	request.body_case = HOLDFAST__REQUEST__BODY_MOVE_STREAM;
	request.move_stream = &stream;
	if (rpc_client_do(client, &request, MOVE_CALL_TIMEOUT_MS, err) < 0) {
		rpc_client_free(client);
		return -1;
	}
	return rpc_client_hijack(client, &move->streams[i], err);
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
	for (size_t i = 0; i < group_vm_count(move->group); i++) {
		if (moves_along(group_vm(move->group, i)) && open_stream(move, i, err) < 0)
			return -1;
	}
	return 0;
}

// Closes the lease, so that the target lets go, and forgets the move: nothing was done to the guests.
void source_drop(struct move *move)
{
	struct error err = ERROR_INIT;

	source_close(move);
	if (move_advance(move, MOVE_EV_FAIL, &err) < 0)
		log_error("group=%s %s", move->group_name, err.message);
	move_free(move);
}

// Ends the lease task and the streams.
void source_close(struct move *move)
{
	struct error err = ERROR_INIT;

	for (size_t i = 0; move->streams && i < group_vm_count(move->group); i++) {
		if (move->streams[i] >= 0)
			cleanup_fd_p(&move->streams[i]);
		move->streams[i] = -1;
	}
	rpc_client_close(move->control);
	while (move->leased) {
		if (task_wait(&move->lease_over, LOCK_MS, "the end of a lease", &err) < 0)
			log_error("group=%s %s", move->group_name, err.message);
	}
}

// With the group's mutex held.
static struct move *prepare(
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
	if (random_id(id, err) < 0)
		return NULL;
	struct move *move = move_new(moves, MOVE_SOURCE, group_name(group), id, request->target, err);
	if (!move)
		return NULL;
	move->group = group;
	move->kind = request->kind;
	move->address = strdup(request->address);
	move->streams = malloc((group_vm_count(group) + 1) * sizeof(*move->streams));
	if (!move->address || !move->streams) {
		move_free(move);
		error_set(err, ERROR_NO_SPACE, "no memory for a move");
		return NULL;
	}
	for (size_t i = 0; i < group_vm_count(group); i++) {
		struct vm *vm = group_vm(group, i);
		move->streams[i] = -1;
		if (vm_state(vm) == HOLDFAST__VM_STATE__VM_PAUSED &&
			move_pause_add(move, vm_name(vm), err) < 0) {
			move_free(move);
			return NULL;
		}
	}
	if (move_advance(move, MOVE_EV_PREPARE, err) == 0 && prepare_peer(move, err) == 0 &&
		move_advance(move, MOVE_EV_READY, err) == 0)
		return move;
	error_prefix(err, "node %s cannot take group %s", request->target, group_name(group));
	source_drop(move);
	return NULL;
}

static struct group *find_group(struct moves *moves, const char *name, struct error *err)
{
	struct group *group = group_find(moves->hv, name);

	if (!group)
		error_set(err, ERROR_NOT_FOUND, "group %s is not on this node", name);
	return group;
}

int source_prepare(
	struct moves *moves, const Holdfast__MovePrepare *request, struct rpc_call *call, struct error *err)
{
	if (!request->spec || !request->spec->group || !*request->target || !*request->address)
		return error_set(err, ERROR_USAGE, "a move needs a group, a target and its address");
	if (request->kind != HOLDFAST__MOVE_KIND__MOVE_QUICK)
		return error_set(err, ERROR_USAGE, "only quick moves are in this version: use --quick");
	struct group *group = find_group(moves, request->spec->group->name, err);
	if (!group || task_lock(group_mutex(group), LOCK_MS, err) < 0)
		return -1;
	struct move *old = move_find(moves, MOVE_SOURCE, group_name(group));
	if (old && old->state == MOVE_PREPARED)
		source_drop(old);
	rpc_call_progress(call, -1, "preparing node %s", request->target);
	struct move *move = prepare(moves, group, request, err);
	task_unlock(group_mutex(group));
	return move ? 0 : -1;
}

int source_cancel(struct moves *moves, const char *name, struct error *err)
{
	struct group *group = find_group(moves, name, err);

	if (!group || task_lock(group_mutex(group), LOCK_MS, err) < 0)
		return -1;
	struct move *move = move_find(moves, MOVE_SOURCE, name);
	int result = 0;
	if (move && move->state == MOVE_PREPARED)
		source_drop(move);
	else if (move)
		result = error_set(err, ERROR_BUSY,
			"the move of group %s can no longer be cancelled: it is in state %s", name,
			move_state_name(move->state));
	task_unlock(group_mutex(group));
	return result;
}

// ---- commit

static int quiesce(struct move *move, struct error *err)
{
	size_t vms = group_vm_count(move->group);

	for (size_t i = 0; i < vms; i++) {
		struct vm *vm = group_vm(move->group, i);
		if (move->streams[i] >= 0 &&
			(vm_move_begin(vm, HOLDFAST__VM_STATE__VM_MOVING_OUT, err) < 0 ||
				qemu_move_prepare_source(vm, err) < 0))
			return -1;
	}
	move_steps_begin(&move->steps);
	for (size_t i = 0; i < vms; i++) {
		if (move->streams[i] >= 0 && vm_stop_cpus(group_vm(move->group, i), err) < 0)
			return -1;
	}
	move_steps_lap(&move->steps, "stop");
	for (size_t i = 0; i < vms; i++) {
		if (move->streams[i] >= 0 && vm_detach_disks(group_vm(move->group, i), err) < 0)
			return -1;
	}
	move_steps_lap(&move->steps, "close");
	return 0;
}

// The memory starts to flow; meanwhile the disks are let go.
static int release(struct move *move, struct error *err)
{
	const Holdfast__Group *group = group_spec(move->group)->group;
	struct storage *storage = move->moves->hv->storage;

	for (size_t i = 0; i < group_vm_count(move->group); i++) {
		if (move->streams[i] < 0)
			continue;
		if (qemu_move_send(group_vm(move->group, i), move->streams[i], err) < 0)
			return -1;
		cleanup_fd_p(&move->streams[i]);
		move->streams[i] = STREAM_WITH_QEMU;
	}
	if (group_release_state(move->group, err) < 0 || storage_demote(storage, group, err) < 0)
		return -1;
	move_steps_lap(&move->steps, "demote");
	if (!rpc_client_alive(move->control) || !move->leased)
		return error_set(err, ERROR_UNREACHABLE, "node %s has let go of the move", move->peer);
	return move_advance(move, MOVE_EV_RELEASE, err);
}

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
		static const char *const known[] = { "promote", "open", "memory", "commit", "run" };
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

	for (size_t i = 0; i < group_vm_count(move->group); i++) {
		struct vm *vm = group_vm(move->group, i);
		if (vm_state(vm) == HOLDFAST__VM_STATE__VM_MOVING_OUT && vm_qmp(vm))
			sum += qemu_move_bytes(vm);
	}
	return sum;
}

static void report(struct move *move, double begin_ms, double pause_begin_ms)
{
	const Holdfast__Step *steps[MOVE_STEPS];
	double now = loop_now_ms();

	for (size_t i = 0; i < move->steps.count; i++)
		steps[i] = &move->steps.step[i];
	host_event(move->moves->hv, "move", move->group_name, NULL, now - begin_ms, now - pause_begin_ms,
		steps, move->steps.count, "quick move from %s to %s, %.1f MiB of memory",
		move->moves->hv->config.node, move->peer, (double)memory_bytes(move) / (1 << 20));
}

// With the group's mutex held and the move prepared.
static int commit(struct move *move, double begin_ms, struct error *err)
{
	struct moves *moves = move->moves;
	char group[64], peer[64];

	memcpy(group, move->group_name, sizeof(group));
	memcpy(peer, move->peer, sizeof(peer));
	if (move_advance(move, MOVE_EV_STOP, err) < 0) {
		source_drop(move);
		return -1;
	}
	double pause_begin_ms = loop_now_ms();
	if (quiesce(move, err) < 0 || release(move, err) < 0) {
		struct error back = ERROR_INIT;
		error_prefix(err, "group %s stays here", group);
		source_close(move);
		if (move_advance(move, MOVE_EV_FAIL, &back) < 0 || source_take_back(move, &back) < 0)
			return error_set(err, ERROR_FAILED, "%s", back.message);
		return -1;
	}
	if (let_take(move, err) == 0) {
		report(move, begin_ms, pause_begin_ms);
		if (move_advance(move, MOVE_EV_PEER_RUNS, err) < 0)
			return -1;
		return source_finish(move, err);
	}
	// An error alone does not say what the target did: it is asked.
	struct error open = ERROR_INIT;
	struct error why = *err;
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

int source_commit(
	struct moves *moves, const Holdfast__MoveCommit *request, struct rpc_call *call, struct error *err)
{
	double begin_ms = loop_now_ms();
	struct group *group = find_group(moves, request->group, err);

	if (!group || task_lock(group_mutex(group), LOCK_MS, err) < 0)
		return -1;
	struct move *move = move_find(moves, MOVE_SOURCE, request->group);
	if (move && move->state == MOVE_PREPARED &&
		(strcmp(move->peer, request->target) != 0 || !move->leased)) {
		source_drop(move);
		move = NULL;
	}
	int result = -1;
	if (move && move->state != MOVE_PREPARED) {
		error_set(err, ERROR_BUSY, "the last move of group %s has not ended: it is in state %s",
			request->group, move_state_name(move->state));
	} else {
		if (!move) { // Pacemaker moves by itself: nothing is prepared
			Holdfast__MovePrepare prepare_request = HOLDFAST__MOVE_PREPARE__INIT;
			prepare_request.spec = request->spec;
			prepare_request.target = request->target;
			prepare_request.address = request->address;
			rpc_call_progress(call, -1, "preparing node %s", request->target);
			move = prepare(moves, group, &prepare_request, err);
		}
		if (move)
			result = commit(move, begin_ms, err);
	}
	task_unlock(group_mutex(group));
	return result;
}
