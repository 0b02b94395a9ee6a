// SPDX-License-Identifier: GPL-3.0-or-later
// The same work for all VMs of a move at once: a group stands still for as long as its slowest VM needs, not for the sum.
#include "migrate/internal.h"

#include <stdlib.h>
#include "common/cleanup.h"

#define WAIT_MS 3600000u // each piece of work has bounds of its own

struct crowd {
	struct move *move;
	move_work_fn *work;
	struct vm **vms; // NULL: those of the move
	size_t next, end; // VMs that nobody has begun with
	size_t left; // tasks beside the caller
	bool ends_early; // once one has failed
	int result;
	struct error first;
	struct task_wait done;
};

static void work_on(struct crowd *crowd)
{
	while (crowd->next < crowd->end && !(crowd->ends_early && crowd->result < 0)) {
		struct error err = ERROR_INIT;
		size_t index = crowd->next++;
		struct move_vm *entry = crowd->vms ? NULL : &crowd->move->vms[index];
		struct vm *vm = entry ? move_vm_find(crowd->move, index) : crowd->vms[index];
		int result = vm ? crowd->work(crowd->move, entry, vm, &err)
				: error_set(&err, ERROR_NOT_FOUND, "VM %s is gone", entry->name);
		if (result < 0 && crowd->result == 0) {
			crowd->result = -1;
			crowd->first = err;
		}
	}
}

static void member_task(void *data)
{
	struct crowd *crowd = data;

	work_on(crowd);
	if (--crowd->left == 0)
		task_wake(&crowd->done);
}

static int run(struct crowd *crowd, size_t at_once, struct error *err)
{
	struct error ignored = ERROR_INIT;

	// The caller is one of them, and what no task can be started for is left to it.
	for (size_t i = 1; i < at_once && i < crowd->end; i++)
		if (task_start(crowd->move->moves->hv->loop, "move-vm", member_task, crowd, &ignored))
			crowd->left++;
	work_on(crowd);
	while (crowd->left > 0) { // they use what is on the caller's stack, whoever cancels it
		if (task_wait(&crowd->done, WAIT_MS, "the VMs of a move", &ignored) < 0)
			task_uncancel(task_self());
	}
	if (crowd->result < 0)
		error_copy(err, &crowd->first);
	return crowd->result;
}

int move_each(struct move *move, move_work_fn *work, struct error *err)
{
	struct crowd crowd = { .move = move, .work = work, .end = move->vm_count };

	return run(&crowd, crowd.end, err);
}

int move_each_few(struct move *move, size_t at_once, move_work_fn *work, struct error *err)
{
	struct crowd crowd = { .move = move, .work = work, .end = move->vm_count, .ends_early = true };

	return run(&crowd, at_once, err);
}

int move_each_in(struct move *move, Holdfast__VmState state, move_work_fn *work, struct error *err)
{
	size_t count = group_vm_count(move->group);
	cleanup_free struct vm **vms = calloc(count + 1, sizeof(struct vm *));
	struct crowd crowd = { .move = move, .work = work, .vms = vms };

	if (!vms)
		return error_set(err, ERROR_NO_SPACE, "no memory for a move");
	for (size_t i = 0; i < count; i++)
		if (vm_state(group_vm(move->group, i)) == state)
			vms[crowd.end++] = group_vm(move->group, i);
	return run(&crowd, crowd.end, err);
}
