// SPDX-License-Identifier: GPL-3.0-or-later
// The same work for all VMs of a move at once: a group stands still for as long as its slowest VM needs, not for the sum.
#include "migrate/internal.h"

#include <stdlib.h>

#define WAIT_MS 3600000u // each piece of work has bounds of its own

struct crowd {
	struct move *move;
	move_work_fn *work;
	size_t left;
	int result;
	struct error first;
	struct task_wait done;
};

struct member {
	struct crowd *crowd;
	size_t index;
};

static void run_one(struct crowd *crowd, size_t index)
{
	struct error err = ERROR_INIT;
	struct vm *vm = move_vm_find(crowd->move, index);
	int result = vm ? crowd->work(crowd->move, &crowd->move->vms[index], vm, &err)
			: error_set(&err, ERROR_NOT_FOUND, "VM %s is gone", crowd->move->vms[index].name);

	if (result < 0 && crowd->result == 0) {
		crowd->result = -1;
		crowd->first = err;
	}
}

static void member_task(void *data)
{
	struct member *member = data;
	struct crowd *crowd = member->crowd;

	run_one(crowd, member->index);
	if (--crowd->left == 0)
		task_wake(&crowd->done);
}

int move_each(struct move *move, move_work_fn *work, struct error *err)
{
	struct crowd crowd = { .move = move, .work = work };
	struct member *members = calloc(move->vm_count + 1, sizeof(*members));
	struct error ignored = ERROR_INIT;

	for (size_t i = 0; i < move->vm_count; i++) {
		// The last one, which is often the only one, needs no task of its own.
		if (members && i + 1 < move->vm_count) {
			members[i] = (struct member){ &crowd, i };
			crowd.left++;
			if (task_start(move->moves->hv->loop, "move-vm", member_task, &members[i], &ignored))
				continue;
			crowd.left--;
		}
		run_one(&crowd, i);
	}
	while (crowd.left > 0) { // they use what is on this stack, whoever cancels us
		if (task_wait(&crowd.done, WAIT_MS, "the VMs of a move", &ignored) < 0)
			task_uncancel(task_self());
	}
	free(members);
	if (crowd.result < 0)
		error_copy(err, &crowd.first);
	return crowd.result;
}
