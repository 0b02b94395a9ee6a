// SPDX-License-Identifier: GPL-3.0-or-later
// The connections of a target that bring memory, as they come in: QEMU's stream of each VM goes to its QEMU, and shared memory into place
// (quick-memory.h). None of it counts before the take has seen the whole. Everything may change across a wait: the move is looked up again.
#include "migrate/internal.h"

#include <string.h>
#include "common/cleanup.h"
#include "common/pack.h"

#define STREAM_WAIT_MS 5000u

bool target_waiting(const struct move *move)
{
	return move->state == MOVE_PREPARED || move->state == MOVE_PRECOPY;
}

// The move that still waits for this stream, and its VM; NULL: it has ended.
static struct move *still(
	struct moves *moves, const Holdfast__MoveStream *stream, struct move_vm **entry, struct vm **vm)
{
	struct move *move = move_find_id(moves, MOVE_TARGET, stream->id);

	for (size_t i = 0; move && target_waiting(move) && i < move->vm_count; i++) {
		if (strcmp(move->vms[i].name, stream->vm) != 0)
			continue;
		*entry = &move->vms[i];
		*vm = move_vm_find(move, i);
		return move;
	}
	return NULL;
}

static int has_ended(struct error *err)
{
	return error_set(err, ERROR_CANCELLED, "the move has ended");
}

// Until QEMU has it, the entry's stream is one that nobody else may bring.
static int take_stream(struct move *move, struct move_vm *entry, struct vm *vm, int fd, struct error *err)
{
	char id[MOVE_ID_BYTES];
	struct moves *moves = move->moves;

	memcpy(id, move->id, sizeof(id));
	if (move->kind == HOLDFAST__MOVE_KIND__MOVE_LIVE && move->state == MOVE_PREPARED &&
		move_advance(move, MOVE_EV_COPY, err) < 0)
		return -1;
	entry->stream = fd;
	int result = qemu_move_prepare_target(vm, fd, entry->memory != NULL, err);
	// Everything may have changed while that waited; then the descriptor was closed with the move.
	if (move_find_id(moves, MOVE_TARGET, id) != move)
		return has_ended(err);
	cleanup_fd_p(&entry->stream);
	entry->stream = result < 0 ? -1 : STREAM_WITH_QEMU;
	task_wake(&move->stream_came);
	return result;
}

static int open_memory(
	struct moves *moves, const Holdfast__MoveStream *stream, struct vm *vm, struct error *err)
{
	struct quick_memory *memory;
	struct move_vm *entry;

	if (quick_memory_target(vm, stream, &memory, err) < 0)
		return -1;
	if (!still(moves, stream, &entry, &vm) || entry->memory) {
		quick_memory_free(memory);
		return has_ended(err);
	}
	entry->memory = memory;
	return 0;
}

static int open_tunnel(struct rpc_call *call, const Holdfast__MoveStream *stream, int *fd, struct error *err)
{
	struct tls_session *tls;

	if (rpc_call_hijack_tls(call, &tls, err) < 0)
		return -1;
	return rpc_tunnel_start_packed(
		tls, stream->packing ? RPC_TUNNEL_UNPACKS : RPC_TUNNEL_PLAIN, NULL, fd, err);
}

static int bring_qemu_stream(
	struct moves *moves, struct rpc_call *call, const Holdfast__MoveStream *stream, struct error *err)
{
	struct move_vm *entry;
	struct vm *vm;
	struct move *move = still(moves, stream, &entry, &vm);
	cleanup_fd int fd = -1;

	if (!vm || vm_state(vm) != HOLDFAST__VM_STATE__VM_MOVING_IN || entry->stream != -1 || entry->memory)
		return error_set(err, ERROR_BUSY, "VM %s has a stream already, or does not move", stream->vm);
	if (stream->lanes > 0 && move->kind != HOLDFAST__MOVE_KIND__MOVE_QUICK)
		return error_set(err, ERROR_PROTOCOL, "only a quick move's memory goes past QEMU");
	if (stream->packing > PACK_ZSTD)
		return error_set(err, ERROR_PROTOCOL,
			"a stream that is packed in a way that this node does not know (%u)",
			stream->packing);
	if ((stream->lanes > 0 && open_memory(moves, stream, vm, err) < 0) ||
		open_tunnel(call, stream, &fd, err) < 0)
		return -1;
	move = still(moves, stream, &entry, &vm);
	if (!move || !vm || entry->stream != -1)
		return has_ended(err);
	return take_stream(move, entry, vm, steal_fd(&fd), err);
}

static int bring_lane(
	struct moves *moves, struct rpc_call *call, const Holdfast__MoveStream *stream, struct error *err)
{
	struct move_vm *entry;
	struct tls_session *tls;
	struct vm *vm;

	if (!still(moves, stream, &entry, &vm) || !entry->memory)
		return error_set(
			err, ERROR_PROTOCOL, "nobody has said what memory of VM %s comes", stream->vm);
	if (rpc_call_hijack_tls(call, &tls, err) < 0)
		return -1;
	struct move *move = still(moves, stream, &entry, &vm);
	if (!move || !entry->memory) {
		tls_session_free(tls);
		return has_ended(err);
	}
	int result = quick_memory_lane(entry->memory, stream->lane, tls, err);
	task_wake(&move->stream_came);
	return result;
}

int target_stream(
	struct moves *moves, struct rpc_call *call, const Holdfast__MoveStream *stream, struct error *err)
{
	const struct move *move = move_find_id(moves, MOVE_TARGET, stream->id);
	struct move_vm *entry;
	struct vm *vm;

	if (!move || !target_waiting(move))
		return error_set(err, ERROR_NOT_FOUND, "no move %s is prepared here", stream->id);
	if (!still(moves, stream, &entry, &vm))
		return error_set(err, ERROR_NOT_FOUND, "VM %s of group %s does not move", stream->vm,
			move->group_name);
	return stream->lane ? bring_lane(moves, call, stream, err)
			    : bring_qemu_stream(moves, call, stream, err);
}

static bool complete(const struct move_vm *entry)
{
	return entry->stream == STREAM_WITH_QEMU && (!entry->memory || quick_memory_listens(entry->memory));
}

int target_await_streams(struct move *move, struct error *err)
{
	for (size_t i = 0; i < move->vm_count; i++) {
		while (!complete(&move->vms[i])) {
			if (task_wait(&move->stream_came, STREAM_WAIT_MS, "the stream of a VM's memory",
				    err) < 0)
				return -1;
		}
	}
	return 0;
}

void target_peer_gone(struct move *move)
{
	move->peer_gone = true;
	if (move->state == MOVE_COMMITTED || move->state == MOVE_RUNNING)
		return;
	for (size_t i = 0; i < move->vm_count; i++)
		quick_memory_stop(move->vms[i].memory);
}
