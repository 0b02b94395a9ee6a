// SPDX-License-Identifier: GPL-3.0-or-later
// Brings a group online here: wanted = started, promote, mount, each VM that should run, several at once and in no order; all of it, or nothing.
// Called again it finishes what is missing.
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "common/cleanup.h"
#include "hypervisor/checkpoint.h"
#include "hypervisor/disk-work.h"
#include "hypervisor/file-check.h"
#include "hypervisor/group-private.h"
#include "hypervisor/vm-private.h"

#define END_MS 20000

static bool should_run(const struct vm *vm)
{
	return vm->definition->target == HOLDFAST__VM_TARGET__TARGET_RUNNING && !vm_is_up(vm) &&
		!vm->definition->template_;
}

// 1: it can start; 0: it stays off and says why, and the others of its group are not kept back by it: half of a disk is the same on every node, and a
// machine by itself has no other node; -1: this node lacks a file, and another one, which has it, shall have the whole group.
static int can_start(struct group *group, struct vm *vm, const char *state, struct error *err)
{
	struct error why = ERROR_INIT;
	if (!disk_work_check_start(vm, state, &why)) {
		if (!file_check_vm(group->hv, vm->wanted, &why))
			return 1;
		if (!group->hv->standalone || why.code == ERROR_CANCELLED)
			return error_copy(err, &why);
	}
	vm_reason(vm, "%.240s", why.message);
	host_event(group->hv, "vm-not-started", group->name, vm->name, 0, 0, NULL, 0, "VM %s stays off: %s",
		vm->name, why.message);
	return 0;
}

// ---- several VMs at once

// VMs that are started at the same time: more would only take the processors from each other.
#define AT_ONCE 4
#define WAIT_MS 3600000u // each start has bounds of its own

struct crowd {
	struct group *group;
	const char *state;
	struct vm **vms;		// to be started, none twice
	size_t count, next, left;	// LEFT: workers beside the caller
	struct task *workers[AT_ONCE];
	struct task_wait done;
	struct steps slowest;		// of the worker that ended last
	int result;
	struct error first;
};

struct worker {
	struct crowd *crowd;
	size_t number;
};

// Takes one VM after the other, until there is none or one has failed.
static void work(struct crowd *crowd)
{
	struct steps steps;
	steps_begin(&steps);
	while (crowd->next < crowd->count && !crowd->result) {
		struct error err = ERROR_INIT;
		struct vm *vm = crowd->vms[crowd->next++];
		int failed = group_boot_vm(crowd->group, vm, crowd->state, &steps, &err);
		vm->booting = false;
		if (failed && !crowd->result) {
			crowd->result = -1;
			crowd->first = err;
		}
	}
	crowd->slowest = steps;
}

static void worker_task(void *data)
{
	struct worker *worker = data;
	struct crowd *crowd = worker->crowd;
	work(crowd);
	crowd->workers[worker->number] = NULL;
	if (!--crowd->left)
		task_wake(&crowd->done);
}

// Whoever breaks the start off has cancelled us only. What the workers use is on our stack: they are always waited for.
static void await_workers(struct crowd *crowd)
{
	bool cancelled = task_cancelled(task_self());
	struct error ignored = ERROR_INIT;
	while (crowd->left) {
		for (size_t i = 0; cancelled && i < AT_ONCE; i++)
			if (crowd->workers[i])
				task_cancel(crowd->workers[i]);
		task_uncancel(task_self());
		if (task_wait(&crowd->done, WAIT_MS, "the start of other VMs", &ignored))
			cancelled |= task_cancelled(task_self());
	}
	if (cancelled)
		task_cancel(task_self());
}

static void start_workers(struct crowd *crowd, struct worker workers[AT_ONCE])
{
	struct error ignored = ERROR_INIT;
	for (size_t i = 0; i + 1 < crowd->count && i + 1 < AT_ONCE; i++) {
		workers[i] = (struct worker){ crowd, i };
		crowd->workers[i] =
			task_start(crowd->group->hv->loop, "start-vm", worker_task, &workers[i], &ignored);
		crowd->left += crowd->workers[i] != NULL;
	}
}

static int boot_several(struct crowd *crowd, struct steps *steps, struct error *err)
{
	struct worker workers[AT_ONCE];
	for (size_t i = 0; i < crowd->count; i++)
		crowd->vms[i]->booting = true;
	start_workers(crowd, workers);
	work(crowd);
	await_workers(crowd);
	for (size_t i = 0; i < crowd->count; i++)
		crowd->vms[i]->booting = false;
	steps_take(steps, &crowd->slowest);
	return crowd->result ? error_copy(err, &crowd->first) : 0;
}

// ---- all of the group

// What was begun with a VM's checkpoints may still change the group's definition, which must not happen while others are started by it: first, and
// one after the other.
static int boot_unsettled(struct group *group, struct vm *vm, const char *state, struct steps *steps, struct error *err)
{
	struct error unsettled = ERROR_INIT;
	if (!checkpoint_settle(vm, state, &unsettled))
		return 0;
	return group_boot_vm(group, vm, state, steps, err);
}

static int boot_mounted(struct group *group, struct vm **vms, const char *state, struct steps *steps, struct error *err)
{
	struct crowd crowd = { .group = group, .state = state, .vms = vms };
	int possible = 1;
	for (size_t i = 0; i < group->vm_count; i++) {
		struct vm *vm = group->vms[i];
		if (!should_run(vm) || !(possible = can_start(group, vm, state, err)))
			continue;
		if (possible < 0 || boot_unsettled(group, vm, state, steps, err))
			return -1;
		if (should_run(vm))
			vms[crowd.count++] = vm;
	}
	return crowd.count ? boot_several(&crowd, steps, err) : 0;
}

static int boot_all(struct group *group, struct steps *steps, struct error *err)
{
	char *state = NULL;
	struct error ignored = ERROR_INIT;
	bool any = false;
	for (size_t i = 0; i < group->vm_count; i++)
		any |= should_run(group->vms[i]);
	if (!any)
		return 0;
	cleanup_free struct vm **vms = calloc(group->vm_count, sizeof(struct vm *));
	if (!vms)
		return error_set(err, ERROR_FAILED, "no memory for a start of group %s", group->name);
	if (storage_mount_state(group->hv->storage, group->spec->group, &state, err))
		return -1;
	steps_mark(steps, "mount");
	int result = boot_mounted(group, vms, state, steps, err);
	free(state);
	if (storage_unmount_state(group->hv->storage, group->spec->group, &ignored))
		log_warning("group=%s %s", group->name, ignored.message);
	steps_mark(steps, "unmount");
	return result;
}

// After a start that failed: nothing of it is left here, so that it can be tried elsewhere.
static void undo(struct group *group, uint64_t generation)
{
	struct error err = ERROR_INIT;
	task_uncancel(task_self());
	for (size_t i = 0; i < group->vm_count; i++)
		if (vm_is_up(group->vms[i]) && vm_end(group->vms[i], END_MS, &err))
			log_error("group=%s after a start that failed: %s", group->name, err.message);
	error_clear(&err);
	if (storage_demote(group->hv->storage, group->spec->group, &err))
		log_error("group=%s after a start that failed: %s", group->name, err.message);
	error_clear(&err);
	if (group_want(group, WANTED_STOPPED, generation, &err))
		log_error("group=%s after a start that failed: %s", group->name, err.message);
}

static int set_current(struct group *group, const char *current, struct error *err)
{
	char *copy = strdup(current ? current : "");
	if (!copy)
		return error_set(err, ERROR_FAILED, "no memory for group %s", group->name);
	free(group->current);
	group->current = copy;
	return 0;
}

static void report(struct group *group, const struct steps *steps, Holdfast__StartResult *result)
{
	size_t count;
	Holdfast__Step **messages = steps_messages(steps, &count);
	double total = steps_total(steps);
	host_event(group->hv, "group-started", group->name, NULL, total, 0,
		(const Holdfast__Step *const *)messages, count, "group %s was started on node %s in %.0f ms",
		group->name, group->hv->config.node, total);
	if (!result) {
		steps_messages_free(messages, count);
		return;
	}
	result->steps = messages;
	result->n_steps = count;
	result->duration_ms = total;
}

int group_start(struct group *group, const Holdfast__HostGroupStart *request, Holdfast__StartResult *result,
	struct error *err)
{
	const struct move_hooks *hooks = &group->hv->move_hooks;
	struct steps steps;
	steps_begin(&steps);
	if (hooks->before_start && hooks->before_start(hooks->moves, group->name, err))
		return -1;
	if (set_current(group, request->current, err) ||
		group_want(group, WANTED_STARTED, request->generation, err))
		return -1;
	steps_mark(&steps, "prepare");
	int failed = group_promote(group, request->force_old_data, err);
	steps_mark(&steps, "promote");
	if (!failed)
		failed = boot_all(group, &steps, err);
	if (failed) {
		undo(group, request->generation);
		return error_prefix(
			err, "group %s could not be started on node %s", group->name, group->hv->config.node);
	}
	report(group, &steps, result);
	return 0;
}
