// SPDX-License-Identifier: GPL-3.0-or-later
// The register of moves on this node: at most one per group and side. Advances them by the table, recovers them after a restart of
// hypervisord, and answers the requests. What a state does is in source.c, source-back.c and target.c.
#include "migrate/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/fault.h"
#include "common/file.h"
#include "common/log.h"

#define STATE_VOLUME 0
#define SETTLE_RETRY_MS 1000u
#define SETTLE_LOCK_MS 600000u

struct move *move_find(struct moves *moves, enum move_side side, const char *group)
{
	for (struct move *move = moves->first; move; move = move->next) {
		if (move->side == side && strcmp(move->group_name, group) == 0)
			return move;
	}
	return NULL;
}

struct move *move_find_id(struct moves *moves, enum move_side side, const char *id)
{
	for (struct move *move = moves->first; move; move = move->next) {
		if (move->side == side && strcmp(move->id, id) == 0)
			return move;
	}
	return NULL;
}

struct move *move_new(struct moves *moves, enum move_side side, const char *group, const char *id,
	const char *peer, struct error *err)
{
	struct move *move;

	if (move_find(moves, side, group)) {
		error_set(err, ERROR_BUSY, "group %s is being moved already; see `holdfast group show %s`",
			group, group);
		return NULL;
	}
	if (strlen(group) >= sizeof(move->group_name) || strlen(id) != MOVE_ID_BYTES - 1 ||
		strlen(peer) >= sizeof(move->peer)) {
		error_set(err, ERROR_PROTOCOL, "a move with a name or id of a wrong length");
		return NULL;
	}
	move = calloc(1, sizeof(*move));
	if (!move) {
		error_set(err, ERROR_NO_SPACE, "no memory for a move");
		return NULL;
	}
	move->moves = moves;
	move->side = side;
	snprintf(move->group_name, sizeof(move->group_name), "%s", group);
	snprintf(move->id, sizeof(move->id), "%s", id);
	snprintf(move->peer, sizeof(move->peer), "%s", peer);
	move->next = moves->first;
	moves->first = move;
	return move;
}

void move_free(struct move *move)
{
	if (!move)
		return;
	for (struct move **link = &move->moves->first; *link; link = &(*link)->next) {
		if (*link == move) {
			*link = move->next;
			break;
		}
	}
	for (size_t i = 0; i < move->vm_count; i++) {
		cleanup_fd_p(&move->vms[i].stream);
		quick_memory_free(move->vms[i].memory);
		rpc_tunnel_meter_drop(move->vms[i].meter);
	}
	move_pause_clear(move);
	rpc_client_free(move->control);
	free(move->vms);
	free(move->address);
	free(move->boot);
	free(move);
}

int move_volume_bytes(
	struct moves *moves, const Holdfast__Group *group, size_t i, uint64_t *bytes, struct error *err)
{
	*bytes = 0;
	if (group->volumes[i]->index == STATE_VOLUME)
		return 0;
	return storage_volume_bytes(moves->hv->storage, group, group->volumes[i]->index, bytes, err);
}

void move_pause_clear(struct move *move)
{
	for (size_t i = 0; i < move->paused_count; i++)
		free(move->paused[i]);
	free(move->paused);
	move->paused = NULL;
	move->paused_count = 0;
}

int move_pause_add(struct move *move, const char *vm, struct error *err)
{
	char **paused = realloc(move->paused, (move->paused_count + 1) * sizeof(*paused));

	if (!paused)
		return error_set(err, ERROR_NO_SPACE, "no memory for a move");
	move->paused = paused;
	paused[move->paused_count] = strdup(vm);
	if (!paused[move->paused_count])
		return error_set(err, ERROR_NO_SPACE, "no memory for a move");
	move->paused_count++;
	return 0;
}

int move_add_vm(struct move *move, const char *name, struct error *err)
{
	struct move_vm *vms = reallocarray(move->vms, move->vm_count + 1, sizeof(*vms));

	if (!vms)
		return error_set(err, ERROR_NO_SPACE, "no memory for a move");
	move->vms = vms;
	vms[move->vm_count] = (struct move_vm){ .stream = -1 };
	snprintf(vms[move->vm_count].name, sizeof(vms->name), "%s", name);
	move->vm_count++;
	return 0;
}

// It sends memory now, or is about to.
static bool sends(const struct move *move)
{
	return move->side == MOVE_SOURCE && move->group && move->vms &&
		(move->state == MOVE_PRECOPY || move->state == MOVE_QUIESCE || move->state == MOVE_RELEASED);
}

uint64_t move_share(const struct move *move)
{
	uint64_t whole = move->bandwidth, node = (uint64_t)move->moves->hv->config.move_bandwidth_mib << 20;
	unsigned senders = !sends(move);

	for (const struct move *other = move->moves->first; other; other = other->next)
		senders += sends(other);
	if (node && (!whole || node / senders < whole))
		whole = node / senders;
	return whole ? whole / (move->vm_count ? move->vm_count : 1) + 1 : 0;
}

struct vm *move_vm_find(const struct move *move, size_t i)
{
	for (size_t k = 0; k < group_vm_count(move->group); k++) {
		struct vm *vm = group_vm(move->group, k);
		if (strcmp(vm_name(vm), move->vms[i].name) == 0)
			return vm;
	}
	return NULL;
}

int move_resume(struct move *move, struct vm *vm, struct error *err)
{
	for (size_t i = 0; i < move->paused_count; i++) {
		if (strcmp(move->paused[i], vm_name(vm)) == 0) {
			vm_move_end(vm, HOLDFAST__VM_STATE__VM_PAUSED);
			return 0;
		}
	}
	if (vm_continue(vm, err) < 0)
		return -1;
	vm_move_end(vm, HOLDFAST__VM_STATE__VM_RUNNING);
	return 0;
}

static const char *side_name(enum move_side side)
{
	return side == MOVE_SOURCE ? "source" : "target";
}

int move_advance(struct move *move, enum move_event event, struct error *err)
{
	enum move_state before = move->state;
	int next = move_state_next(move->side, before, event);

	if (next < 0)
		return error_set(err, ERROR_FAILED,
			"the move of group %s is in state %s, which %s does not lead on from",
			move->group_name, move_state_name(before), move_event_name(event));
	fault_point("move:%s:before-%s", side_name(move->side), move_state_name(next));
	move->state = next;
	if (move_state_journaled(move->side, next) && move_journal_write(move, err) < 0) {
		move->state = before;
		return error_prefix(
			err, "cannot write the journal of the move of group %s", move->group_name);
	}
	log_info("group=%s move=%s %s: %s -> %s", move->group_name, move->id, side_name(move->side),
		move_state_name(before), move_state_name(next));
	fault_point("move:%s:%s", side_name(move->side), move_state_name(next));
	return 0;
}

void move_end(struct move *move)
{
	struct error err = ERROR_INIT;

	fault_point("move:%s:before-end", side_name(move->side));
	if (move_journal_remove(move->moves, move->side, move->group_name, &err) < 0)
		log_warning(
			"group=%s the journal of a finished move stays: %s", move->group_name, err.message);
	move_free(move);
}

void move_steps_begin(struct move_steps *steps)
{
	steps->count = 0;
	steps->lap_ms = loop_now_ms();
}

void move_steps_add(struct move_steps *steps, const char *name, double ms)
{
	if (steps->count == MOVE_STEPS)
		return;
	Holdfast__Step *step = &steps->step[steps->count++];
	holdfast__step__init(step);
	step->name = (char *)name;
	step->ms = ms;
}

void move_steps_lap(struct move_steps *steps, const char *name)
{
	double now = loop_now_ms();

	move_steps_add(steps, name, now - steps->lap_ms);
	steps->lap_ms = now;
}

// ---- recovery

// A source whose outcome is open keeps asking, in the background, until it knows, or until a start or stop of the group has ended it.
static void settle_task(void *data)
{
	struct group *group = data;
	struct moves *moves = group_hypervisor(group)->move_hooks.moves;

	for (;;) {
		struct error err = ERROR_INIT;

		if (task_pause(SETTLE_RETRY_MS, &err) < 0 ||
			task_lock(group_mutex(group), SETTLE_LOCK_MS, &err) < 0)
			return;
		struct move *move = move_find(moves, MOVE_SOURCE, group_name(group));
		bool open = move && move->state == MOVE_RELEASED &&
			source_settle(move, MOVE_CALL_TIMEOUT_MS, &err) < 0;
		task_unlock(group_mutex(group));
		if (!open)
			return;
		log_warning("group=%s the outcome of its move is not known yet: %s", group_name(group),
			err.message);
	}
}

void moves_settle_later(struct move *move)
{
	struct error err = ERROR_INIT;

	if (!task_start(move->moves->hv->loop, "settle-move", settle_task, move->group, &err))
		log_error("group=%s cannot go on asking for the outcome of its move: %s", move->group_name,
			err.message);
}

static void recover_source(struct move *move)
{
	struct error err = ERROR_INIT;
	int done = 0;

	switch (move->state) {
	case MOVE_PRECOPY:
		source_drop(move);
		return;
	case MOVE_QUIESCE:
		done = move_advance(move, MOVE_EV_FAIL, &err);
		if (done == 0)
			done = source_take_back(move, &err);
		break;
	case MOVE_BACK:
		done = source_take_back(move, &err);
		break;
	case MOVE_DONE:
	case MOVE_DEAD:
		done = source_finish(move, &err);
		break;
	default:
		moves_settle_later(move);
		return;
	}
	if (done < 0)
		log_error("group=%s a move that was interrupted could not be ended: %s", move->group_name,
			err.message);
}

static void recover_target(struct move *move)
{
	struct error err = ERROR_INIT;

	if (move->state == MOVE_RUNNING)
		return;
	if (move->state == MOVE_COMMITTED) {
		if (target_forward(move, &err) < 0)
			log_error("group=%s a committed move could not be carried on: %s", move->group_name,
				err.message);
		return;
	}
	target_let_go(move);
}

int moves_recover(struct moves *moves, struct error *err)
{
	if (move_journal_load(moves, err) < 0)
		return -1;
	for (struct move *move = moves->first, *next; move; move = next) {
		bool this_boot = strcmp(move->boot, moves->boot) == 0;

		next = move->next;
		move->group = group_find(moves->hv, move->group_name);
		if (!this_boot) {
			// The guests of that boot are gone. A target's commit is remembered until the source has asked.
			if (move->side == MOVE_TARGET &&
				(move->state == MOVE_COMMITTED || move->state == MOVE_RUNNING))
				continue;
			move_end(move);
		} else if (!move->group) {
			log_warning("group=%s a move's journal without guests: dropped", move->group_name);
			move_end(move);
		} else if (move->side == MOVE_SOURCE) {
			recover_source(move);
		} else {
			recover_target(move);
		}
	}
	return 0;
}

// ---- hooks for start, stop and monitor: called with the group's mutex held, as every source_* and target_* here

static void drop_uncommitted(struct move *target)
{
	if (target && target->group && target->state != MOVE_RUNNING && target->state != MOVE_COMMITTED &&
		target->state != MOVE_ABORTED)
		target_let_go(target);
}

static int before_start(void *data, const char *group, struct error *err)
{
	struct moves *moves = data;
	struct move *target = move_find(moves, MOVE_TARGET, group);
	struct move *source = move_find(moves, MOVE_SOURCE, group);

	drop_uncommitted(target);
	if (!source)
		return 0;
	if (source->state == MOVE_PREPARING || source->state == MOVE_PREPARED ||
		source->state == MOVE_PRECOPY) {
		source_drop(source);
		return 0;
	}
	if (source->state != MOVE_RELEASED)
		return error_set(err, ERROR_BUSY, "a move of group %s is being brought to its end", group);
	if (source_settle(source, MOVE_CALL_TIMEOUT_MS, err) == 0)
		return 0;
	// Pacemaker starts it here only after the other node was fenced. It may have run the guest: the memory here is old.
	log_warning("group=%s the other side of its move is gone: starting from the disks", group);
	error_clear(err);
	if (move_advance(source, MOVE_EV_PEER_LOST, err) < 0)
		return -1;
	return source_finish(source, err);
}

static int before_stop(void *data, const char *group, unsigned timeout_ms, struct error *err)
{
	struct moves *moves = data;
	struct move *target = move_find(moves, MOVE_TARGET, group);
	struct move *source = move_find(moves, MOVE_SOURCE, group);

	drop_uncommitted(target);
	if (source &&
		(source->state == MOVE_PREPARING || source->state == MOVE_PREPARED ||
			source->state == MOVE_PRECOPY))
		source_drop(source);
	else if (source && source->state == MOVE_RELEASED && source_settle(source, timeout_ms / 2, err) < 0) {
		log_warning("group=%s stopped while the outcome of its move is not known: %s", group,
			err ? err->message : "");
		error_clear(err);
		if (move_advance(source, MOVE_EV_PEER_LOST, err) < 0)
			return -1;
		return source_finish(source, err);
	}
	return 0;
}

// Something else is to be done with a guest that a copy is in the way of.
static void give_way(void *data, const char *group)
{
	struct move *source = move_find(data, MOVE_SOURCE, group);

	if (source && (source->state == MOVE_PREPARED || source->state == MOVE_PRECOPY))
		source_drop(source);
}

static int not_moving(void *data, const char *group, struct error *err)
{
	const struct move *source = move_find(data, MOVE_SOURCE, group);

	if (!source)
		return 0;
	return error_set(err, ERROR_BUSY,
		"group %s is being moved to node %s: change its VMs when it is there, or cancel the move "
		"first",
		group, source->peer);
}

static bool holds(void *data, const char *group)
{
	struct moves *moves = data;
	struct move *source = move_find(moves, MOVE_SOURCE, group);
	struct move *target = move_find(moves, MOVE_TARGET, group);

	if (source && source->state != MOVE_PREPARING && source->state != MOVE_PREPARED &&
		source->state != MOVE_PRECOPY && source->state != MOVE_QUIESCE)
		return true;
	return target && target->group && target->state != MOVE_COMMITTED && target->state != MOVE_RUNNING &&
		target->state != MOVE_ABORTED;
}

static bool may_not_exit(void *data)
{
	struct moves *moves = data;

	for (struct move *move = moves->first; move; move = move->next) {
		if (!move->group)
			continue;
		if (move->state == MOVE_QUIESCE || move->state == MOVE_RELEASED || move->state == MOVE_BACK ||
			move->state == MOVE_TAKING || move->state == MOVE_COMMITTED)
			return true;
	}
	return false;
}

struct moves *moves_open(
	struct hypervisor *hv, struct tls_context *tls, const char *state_directory, struct error *err)
{
	struct moves *moves = calloc(1, sizeof(*moves));

	if (!moves || asprintf(&moves->directory, "%s/moves", state_directory) < 0) {
		free(moves);
		error_set(err, ERROR_NO_SPACE, "no memory for the register of moves");
		return NULL;
	}
	moves->hv = hv;
	moves->tls = tls;
	if (move_boot_id(moves->boot, err) < 0 || file_make_directory(moves->directory, 0700, err) < 0) {
		moves_close(moves);
		return NULL;
	}
	hv->move_hooks = (struct move_hooks){
		.moves = moves,
		.before_start = before_start,
		.before_stop = before_stop,
		.give_way = give_way,
		.not_moving = not_moving,
		.holds = holds,
		.may_not_exit = may_not_exit,
	};
	return moves;
}

void moves_close(struct moves *moves)
{
	if (!moves)
		return;
	while (moves->first)
		move_free(moves->first);
	moves->hv->move_hooks = (struct move_hooks){ 0 };
	free(moves->directory);
	free(moves);
}
