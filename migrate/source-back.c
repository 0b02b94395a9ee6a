// SPDX-License-Identifier: GPL-3.0-or-later
// What follows on the source when the hand-over has an outcome, or none yet: asking the target, taking the guests back, or letting
// them go. Also how recovery after a restart of hypervisord ends a move. With the group's mutex held.
#include "migrate/internal.h"

#include <string.h>
#include "common/log.h"

#define CONNECT_MS 3000u
#define RETRY_MS 300u
#define END_MS 10000u
#define BACK_MS 60000u

static int ask(struct move *move, enum move_state *state, struct error *err)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__MoveStep step = HOLDFAST__MOVE_STEP__INIT;
	Holdfast__Reply *reply = NULL;
	struct rpc_client *client = rpc_connect_tls(
		move->address, RPC_HYPERVISORD_PORT, move->peer, move->moves->tls, CONNECT_MS, err);

	if (!client)
		return -1;
	step.id = move->id;
	step.group = move->group_name;
	request.body_case = HOLDFAST__REQUEST__BODY_MOVE_QUERY;
	request.move_query = &step;
	int result = rpc_client_call(client, &request, MOVE_CALL_TIMEOUT_MS, NULL, NULL, &reply, err);
	rpc_client_free(client);
	if (result < 0)
		return -1;
	*state = reply->body_case == HOLDFAST__REPLY__BODY_MOVE_ANSWER
		? move_state_parse(reply->move_answer->state)
		: MOVE_NONE;
	holdfast__reply__free_unpacked(reply, NULL);
	if (*state != MOVE_RUNNING && *state != MOVE_ABORTED && *state != MOVE_LOST)
		return error_set(
			err, ERROR_PROTOCOL, "node %s gave an answer that makes no sense", move->peer);
	return 0;
}

int source_settle(struct move *move, unsigned timeout_ms, struct error *err)
{
	double deadline = loop_now_ms() + timeout_ms;
	enum move_state state;

	while (ask(move, &state, err) < 0) {
		if (loop_now_ms() >= deadline || task_pause(RETRY_MS, err) < 0)
			return -1;
		error_clear(err);
	}
	if (state == MOVE_RUNNING)
		return move_advance(move, MOVE_EV_PEER_RUNS, err) < 0 ? -1 : source_finish(move, err);
	if (state == MOVE_LOST)
		return move_advance(move, MOVE_EV_PEER_LOST, err) < 0 ? -1 : source_finish(move, err);
	return move_advance(move, MOVE_EV_PEER_ABORTED, err) < 0 ? -1 : source_take_back(move, err);
}

static int promote_again(struct move *move, struct error *err)
{
	struct hypervisor *hv = move->moves->hv;
	struct storage_promote promote = { .node = hv->config.node };
	double deadline = loop_now_ms() + BACK_MS;

	// The target may still be closing its side.
	while (storage_promote(hv->storage, group_spec(move->group)->group, &promote, err) < 0) {
		log_warning(
			"group=%s cannot be taken back yet: %s", move->group_name, err ? err->message : "");
		if (loop_now_ms() >= deadline || task_pause(RETRY_MS, err) < 0)
			return -1;
		error_clear(err);
	}
	return 0;
}

static int guest_back(struct move *move, struct vm *vm, struct error *err)
{
	if (!vm_qmp(vm))
		return error_set(err, ERROR_FAILED, "its QEMU has ended");
	if (qemu_move_cancel(vm, err) < 0 || vm_attach_disks(vm, err) < 0)
		return -1;
	return move_resume(move, vm, err);
}

int source_take_back(struct move *move, struct error *err)
{
	struct group *group = move->group;
	int result = promote_again(move, err);

	for (size_t i = 0; i < group_vm_count(group); i++) {
		struct vm *vm = group_vm(group, i);
		struct error why = ERROR_INIT;

		if (vm_state(vm) != HOLDFAST__VM_STATE__VM_MOVING_OUT)
			continue;
		if (result == 0 && guest_back(move, vm, &why) == 0)
			continue;
		// A guest that cannot go on is started again from its disks: by the keeper here, or by Pacemaker if the disks are not to be had.
		log_error("vm=%s does not go on after a move that failed, and is started again: %s",
			vm_name(vm),
			result == 0   ? why.message
				: err ? err->message
				      : "");
		if (vm_end(vm, END_MS, &why) < 0)
			log_error("vm=%s %s", vm_name(vm), why.message);
		vm_move_end(vm, HOLDFAST__VM_STATE__VM_OFF);
	}
	if (result < 0)
		group_set_offline(group, move->generation);
	host_event(move->moves->hv, "move-failed", move->group_name, NULL, 0, 0, NULL, 0,
		"the move to %s failed%s%s; the group %s", move->peer, move->why.code ? ": " : "",
		move->why.message,
		result == 0 ? "runs on here" : "could not get its disks back and waits for a restart");
	move_end(move);
	return result;
}

static void forget(struct move *move)
{
	struct error err = ERROR_INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__MoveStep step = HOLDFAST__MOVE_STEP__INIT;

	if (!move->control || !rpc_client_alive(move->control)) {
		log_info("group=%s the target keeps its record of the move: the connection is gone",
			move->group_name);
		return;
	}
	step.id = move->id;
	step.group = move->group_name;
	request.body_case = HOLDFAST__REQUEST__BODY_MOVE_FORGET;
	request.move_forget = &step;
	if (rpc_client_do(move->control, &request, MOVE_CALL_TIMEOUT_MS, &err) < 0)
		log_info("group=%s the target keeps its record of the move: %s", move->group_name,
			err.message);
}

static int end_left(struct move *move, struct move_vm *entry, struct vm *vm, struct error *err)
{
	if (vm_end(vm, END_MS, err) < 0) {
		log_error("vm=%s %s", vm_name(vm), err->message);
		return -1;
	}
	vm_move_end(vm, HOLDFAST__VM_STATE__VM_OFF);
	return 0;
}

int source_finish(struct move *move, struct error *err)
{
	int result = move_each_in(move, HOLDFAST__VM_STATE__VM_MOVING_OUT, end_left, err);

	group_set_offline(move->group, move->generation);
	if (result < 0)
		return -1;
	forget(move);
	source_close(move);
	move_end(move);
	return 0;
}
