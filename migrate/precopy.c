// SPDX-License-Identifier: GPL-3.0-or-later
// The live part of a source: memory is copied while the guests run, until only short passes are left; these are made when the move is carried out.
// copy-rule.c decides from the figures; here they are fetched, and what was decided is told to QEMU.
#include "migrate/internal.h"

#include <stdio.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/log.h"

#define LOOK_MS 10u
#define LOCK_MS 10000u
#define TELL_MS 250.0 // between two words of progress
#define MEASURE_MS 1100.0 // what QEMU needs to measure how fast a guest writes
#define HOLD_BANDWIDTH 10u // a page in 100 ms: as good as nothing
#define FINISH_MS 20000.0 // of the last passes
#define FINISH_LOOK_MS 2u
#define TOGETHER_MS 150.0 // a guest that has stopped first waits no longer for the others
#define NEAR_MS 30.0 // from its end a guest is held back there while others are far from theirs
#define PATIENT_MS 10000.0 // but no longer
#define END_MS 400.0 // that QEMU may take to end the copy by itself; it looks at a new limit after up to 100 ms
#define BOUNDED_PAUSE_MS 15000.0 // of the rest, where Pacemaker waits

// How long the last pause may be: more as time goes on, for a guest whose passes do not get any shorter.
static const struct {
	double after_ms;
	unsigned pause_ms;
} budgets[] = { { 0, 5 }, { 1500, 20 }, { 4000, 60 }, { 8000, 150 }, { 14000, 300 } };

static bool user_paused(const struct move *move, const char *vm)
{
	for (size_t i = 0; i < move->paused_count; i++) {
		if (strcmp(move->paused[i], vm) == 0)
			return true;
	}
	return false;
}

// ---- begin

static int set_up(struct move *move, struct move_vm *entry, struct vm *vm, struct error *err)
{
	const struct qemu_move_params params = {
		.live = true,
		.throttle = move->policy == HOLDFAST__LIVE_POLICY__LIVE_THROTTLE,
		.bandwidth = move->gentle ? HOLD_BANDWIDTH : move_share(move),
	};

	entry->copy.held = move->gentle;
	entry->share = move_share(move);
	entry->copy.limit_bytes_s = entry->share;
	return qemu_move_prepare_source(vm, &params, err);
}

static int start_copy(struct move *move, struct move_vm *entry, struct vm *vm, struct error *err)
{
	if (qemu_move_send(vm, entry->stream, err) < 0)
		return -1;
	cleanup_fd_p(&entry->stream);
	entry->stream = STREAM_WITH_QEMU;
	return 0;
}

int precopy_begin(struct move *move, struct error *err)
{
	if (move_each(move, set_up, err) < 0 || move_advance(move, MOVE_EV_COPY, err) < 0)
		return -1;
	return move_each(move, start_copy, err);
}

// ---- a look

static int look_at(struct move *move, struct move_vm *entry, struct vm *vm, struct error *err)
{
	struct copy_sample sample;

	if (vm_pid(vm) != entry->pid || !vm_qmp(vm))
		return error_set(err, ERROR_CANCELLED,
			"VM %s was ended, or started anew, while its memory was copied", entry->name);
	if (entry->copy.dirty_bytes_s <= 0 && loop_now_ms() - move->begin_ms > MEASURE_MS) {
		double rate = qemu_move_dirty_rate(vm);
		entry->copy.dirty_bytes_s = rate > 0 ? rate : 1;
	}
	if (qemu_move_sample(vm, &sample, err) < 0)
		return -1;
	copy_note(&entry->copy, &sample, loop_now_ms());
	if (sample.status == COPY_FAILED)
		return error_set(err, ERROR_UNREACHABLE,
			"the transfer of VM %s's memory broke: look at the log of node %s", entry->name,
			move->peer);
	return 0;
}

static int hold_back(struct move_vm *entry, struct vm *vm, struct error *err)
{
	if (entry->copy.held)
		return 0;
	entry->copy.held = true;
	return qemu_move_set(vm, HOLD_BANDWIDTH, 1, err);
}

// Other moves that began or ended have changed its share.
static int share_anew(struct move *move, struct move_vm *entry, struct vm *vm, struct error *err)
{
	uint64_t share = move_share(move);

	if (entry->copy.held || entry->share == share)
		return 0;
	entry->share = share;
	entry->copy.limit_bytes_s = share;
	return qemu_move_set(vm, share, 1, err);
}

static int give_up(const struct move *move, const struct move_vm *entry, struct error *err)
{
	char figures[160];
	double pause_ms = copy_pause_ms(&entry->copy);

	copy_explain(&entry->copy, figures, sizeof(figures));
	if (move->policy == HOLDFAST__LIVE_POLICY__LIVE_QUICK)
		return error_set(err, ERROR_FAILED,
			"VM %s cannot be moved live within a pause of %u ms, which would be %.0f ms: %s; "
			"allow more with "
			"--max-pause, or move it with --quick",
			entry->name, move->max_pause_ms, pause_ms, figures);
	return error_set(err, ERROR_FAILED,
		"VM %s cannot be moved live: %s%s; move it with --max-pause MS or --quick, or when it has "
		"less to do",
		entry->name, figures,
		move->policy == HOLDFAST__LIVE_POLICY__LIVE_THROTTLE ? ", slowed down as it is" : "");
}

// 1: ready; 0: not yet; -1: it has to end; PRECOPY_MISSED.
static int look(struct move *move, struct error *err)
{
	bool ready = true, quick = false;

	if (!move->leased || !rpc_client_alive(move->control))
		return error_set(err, ERROR_UNREACHABLE, "node %s has let go of the move", move->peer);
	if (move_each(move, look_at, err) < 0 || move_each(move, share_anew, err) < 0)
		return -1;
	for (size_t i = 0; i < move->vm_count; i++) {
		struct move_vm *entry = &move->vms[i];
		struct vm *vm = move_vm_find(move, i);

		if (entry->copy.now.status == COPY_COMPLETED && !user_paused(move, entry->name))
			return PRECOPY_MISSED;
		if (entry->copy.held || entry->copy.now.status == COPY_COMPLETED)
			continue;
		switch (copy_judge(&entry->copy, move->policy, move->max_pause_ms)) {
		case COPY_GO_ON:
			ready = false;
			break;
		case COPY_GIVE_UP:
			return give_up(move, entry, err);
		case COPY_HOLD_QUICK:
			quick = true;
			// fall through
		case COPY_HOLD:
			if (!vm || hold_back(entry, vm, err) < 0)
				return -1;
		}
	}
	move->rest_quick |= quick;
	return ready;
}

static void tell(struct move *move, struct rpc_call *call)
{
	double total = 0, remaining = 0, link = 0, dirty = 0, pause_ms = 0;
	unsigned throttle = 0;
	char slowed[48] = "";

	for (size_t i = 0; i < move->vm_count; i++) {
		const struct copy_view *view = &move->vms[i].copy;
		double pause = copy_pause_ms(view);

		total += (double)view->now.total;
		remaining += (double)view->now.remaining;
		link += view->link_bytes_s;
		dirty += view->dirty_bytes_s > 1 ? view->dirty_bytes_s : 0;
		pause_ms = pause > pause_ms ? pause : pause_ms;
		throttle = view->now.throttle_percent > throttle ? view->now.throttle_percent : throttle;
	}
	if (throttle)
		snprintf(slowed, sizeof(slowed), ", slowed by %u %%", throttle);
	rpc_call_progress(call, total > 0 ? (total - remaining) * 100 / total : 0,
		"%.0f MiB left at %.0f MiB/s, dirty %.1f MiB/s, pause %.0f ms%s", remaining / (1 << 20),
		link / (1 << 20), dirty / (1 << 20), pause_ms, slowed);
}

// One round with the mutex held: as look(). The move is dropped unless it goes on.
static int round_locked(
	struct moves *moves, const char *id, struct rpc_call *call, double *told_ms, struct error *err)
{
	struct move *move = move_find_id(moves, MOVE_SOURCE, id);

	if (!move || move->state != MOVE_PRECOPY)
		return error_set(err, ERROR_CANCELLED, "the move was cancelled");
	int result = rpc_call_gone(call)
		? error_set(err, ERROR_CANCELLED, "the move was cancelled: nobody waits for it any more")
		: look(move, err);
	if (result < 0) {
		source_drop(move);
		return result;
	}
	if (loop_now_ms() - *told_ms > TELL_MS || result) {
		tell(move, call);
		*told_ms = loop_now_ms();
	}
	move->ready = result;
	return result;
}

int precopy_run(
	struct moves *moves, const char *name, const char *id, struct rpc_call *call, struct error *err)
{
	double told_ms = 0;

	for (;;) {
		struct group *group = group_find(moves->hv, name);

		if (!group)
			return error_set(err, ERROR_NOT_FOUND, "group %s is not on this node any more", name);
		if (task_lock(group_mutex(group), LOCK_MS, err) < 0)
			return -1;
		int result = round_locked(moves, id, call, &told_ms, err);
		task_unlock(group_mutex(group));
		if (result != 0)
			return result < 0 ? result : 0;
		if (task_pause(LOOK_MS, err) < 0)
			return -1;
	}
}

int precopy_run_bounded(struct move *move, struct rpc_call *call, double deadline_ms, struct error *err)
{
	double told_ms = 0;
	int result;

	while ((result = look(move, err)) == 0 && loop_now_ms() < deadline_ms) {
		if (loop_now_ms() - told_ms > TELL_MS) {
			tell(move, call);
			told_ms = loop_now_ms();
		}
		if (task_pause(LOOK_MS, err) < 0)
			return -1;
	}
	if (result == PRECOPY_MISSED) // it stands still already, and Pacemaker waits
		return 0;
	if (result == 0) {
		log_info("group=%s its memory could not be copied in time while it ran: the rest is copied "
			 "while it stands "
			 "still",
			move->group_name);
		move->rest_quick = true;
		move->max_pause_ms = (unsigned)BOUNDED_PAUSE_MS;
	}
	return result < 0 ? -1 : 0;
}

int precopy_check(struct move *move, struct error *err)
{
	int result = look(move, err);

	return result == PRECOPY_MISSED
		? error_set(err, ERROR_CANCELLED, "a guest was resumed after its memory was copied")
		: (result < 0 ? -1 : 0);
}

// ---- the last passes

static int speed_up(
	struct move *move, struct move_vm *entry, struct vm *vm, unsigned pause_ms, struct error *err)
{
	entry->copy.held = false;
	entry->copy.mark_ms = 0;
	return qemu_move_set(vm, move_share(move), pause_ms, err);
}

static int full_speed(struct move *move, struct move_vm *entry, struct vm *vm, struct error *err)
{
	return speed_up(move, entry, vm, budgets[0].pause_ms, err);
}

static int allow_pause(struct move *move, unsigned pause_ms, struct error *err)
{
	for (size_t i = 0; i < move->vm_count; i++) {
		struct vm *vm = move_vm_find(move, i);

		if (!vm)
			return error_set(err, ERROR_NOT_FOUND, "VM %s is gone", move->vms[i].name);
		if (move->vms[i].copy.now.status == COPY_ACTIVE && !move->vms[i].copy.held &&
			qemu_move_set(vm, move_share(move), pause_ms, err) < 0)
			return -1;
	}
	return 0;
}

static bool has_stopped(const struct move *move, size_t i)
{
	const struct vm *vm = move_vm_find(move, i);

	if (move->vms[i].copy.now.status == COPY_COMPLETED)
		return true;
	return vm && !user_paused(move, move->vms[i].name) && vm_stopped_ms(vm) > 0;
}

struct last { // what a round of the last passes has shown
	size_t stopped;
	double worst_ms; // expected pause of those that have not stopped
	size_t worst;
	bool all_near;
};

static struct last survey(const struct move *move, const uint64_t *passes, unsigned budget_ms)
{
	struct last last = { .all_near = true };

	for (size_t i = 0; i < move->vm_count; i++) {
		const struct copy_view *view = &move->vms[i].copy;
		double pause_ms = copy_pause_ms(view);

		if (has_stopped(move, i)) {
			last.stopped++;
			continue;
		}
		if (view->held)
			continue;
		if (pause_ms < 0 || pause_ms > budget_ms || view->now.passes <= passes[i])
			last.all_near = false;
		if (pause_ms > last.worst_ms || pause_ms < 0) {
			last.worst_ms = pause_ms < 0 ? 1e9 : pause_ms;
			last.worst = i;
		}
	}
	return last;
}

// The first guest that stops makes all others stop, and on a slow link they may have much left. QEMU looks at a new limit after up to 100 ms: nobody
// is held for less, nor so long that what it writes meanwhile is much.
static int wait_for_the_far(
	struct move *move, const struct last *last, bool patient, unsigned budget_ms, struct error *err)
{
	for (size_t i = 0; i < move->vm_count; i++) {
		struct move_vm *entry = &move->vms[i];
		struct vm *vm = move_vm_find(move, i);
		double pause_ms = copy_pause_ms(&entry->copy);

		if (!vm || has_stopped(move, i))
			continue;
		if (entry->copy.held && (!patient || pause_ms > TOGETHER_MS)) {
			if (speed_up(move, entry, vm, budget_ms, err) < 0)
				return -1;
		} else if (patient && last->worst_ms > TOGETHER_MS && pause_ms >= 0 && pause_ms <= NEAR_MS &&
			hold_back(entry, vm, err) < 0) {
			return -1;
		}
	}
	return 0;
}

static int too_late(struct move *move, const struct last *last, struct error *err)
{
	if (move->policy == HOLDFAST__LIVE_POLICY__LIVE_QUICK && last->worst_ms <= move->max_pause_ms)
		return 0;
	return give_up(move, &move->vms[last->worst], err);
}

// The one guest is near its end (several are stopped by us, in one step). QEMU looks once more for what was written and then stops it: told to stop
// it first, it would look twice while the guest stands still, which takes 8 ms with 2 GiB under TCG (a look at every page). So whatever is left is
// allowed now.
static int let_end(struct move *move, double *end_ms, struct error *err)
{
	if (*end_ms > 0)
		return 0;
	*end_ms = loop_now_ms() + END_MS;
	return allow_pause(move, QEMU_MOVE_ANY_DOWNTIME_MS, err);
}

static int last_passes(struct move *move, uint64_t *passes, struct error *err)
{
	double begin_ms = loop_now_ms(), first_ms = 0, end_ms = 0;
	size_t step = 0;

	for (;;) {
		if (!move->leased || !rpc_client_alive(move->control))
			return error_set(
				err, ERROR_UNREACHABLE, "node %s has let go of the move", move->peer);
		if (move_each(move, look_at, err) < 0)
			return -1;
		struct last last = survey(move, passes, budgets[step].pause_ms);
		double now_ms = loop_now_ms();
		bool alone = move->vm_count == 1 && !move->vms[0].copy.held;
		if (last.stopped == move->vm_count || (last.all_near && !alone) ||
			(end_ms > 0 && now_ms > end_ms))
			return 0;
		if (last.all_near && let_end(move, &end_ms, err) < 0)
			return -1;
		bool patient = now_ms - begin_ms < PATIENT_MS;
		if (wait_for_the_far(move, &last, patient, budgets[step].pause_ms, err) < 0)
			return -1;
		if (last.stopped && first_ms <= 0)
			first_ms = now_ms;
		if (last.stopped && (last.worst_ms <= TOGETHER_MS || now_ms - first_ms > TOGETHER_MS))
			return 0;
		if (now_ms - begin_ms > FINISH_MS)
			return too_late(move, &last, err);
		if (end_ms <= 0 && step + 1 < sizeof(budgets) / sizeof(budgets[0]) &&
			now_ms - begin_ms > budgets[step + 1].after_ms &&
			allow_pause(move, budgets[++step].pause_ms, err) < 0)
			return -1;
		if (task_pause(FINISH_LOOK_MS, err) < 0)
			return -1;
	}
}

int precopy_finish(struct move *move, struct rpc_call *call, struct error *err)
{
	uint64_t passes[MOVE_VMS_MAX];

	if (move->rest_quick)
		return 0;
	if (move->vm_count > MOVE_VMS_MAX)
		return error_set(
			err, ERROR_USAGE, "a group of more than %d VMs cannot be moved live", MOVE_VMS_MAX);
	rpc_call_progress(call, 99, "the last passes");
	for (size_t i = 0; i < move->vm_count; i++)
		passes[i] = move->vms[i].copy.now.passes;
	if (move_each(move, full_speed, err) < 0)
		return -1;
	return last_passes(move, passes, err);
}

// ---- back

static int cancel_one(struct move *move, struct move_vm *entry, struct vm *vm, struct error *err)
{
	if (!vm_qmp(vm))
		return 0;
	if (qemu_move_cancel(vm, err) < 0)
		return -1;
	return qemu_move_went_on(vm, user_paused(move, entry->name), err);
}

void precopy_cancel(struct move *move)
{
	struct error err = ERROR_INIT;

	// After a restart of hypervisord: those that are here.
	for (size_t i = 0; move->vm_count == 0 && i < group_vm_count(move->group); i++) {
		if (move_add_vm(move, vm_name(group_vm(move->group, i)), &err) < 0)
			break;
	}
	if (move_each(move, cancel_one, &err) < 0)
		log_error("group=%s the copying of its memory does not end well: %s", move->group_name,
			err.message);
}
