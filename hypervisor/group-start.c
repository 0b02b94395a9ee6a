// SPDX-License-Identifier: GPL-3.0-or-later
// Brings a group online here: wanted = started, promote, mount, each VM that should run; all of it, or nothing. Called again it finishes what is
// missing.
#include <string.h>
#include "common/log.h"
#include "hypervisor/disk-work.h"
#include "hypervisor/group-private.h"
#include "hypervisor/vm-private.h"

#define END_MS 20000

static bool should_run(const struct vm *vm)
{
	return vm->definition->target == HOLDFAST__VM_TARGET__TARGET_RUNNING && !vm_is_up(vm);
}

// A VM with half a disk stays off and says why; the others of its group are not kept back by it.
static bool disks_whole(struct group *group, struct vm *vm, const char *state)
{
	struct error why = ERROR_INIT;
	if (!disk_work_check_start(vm, state, &why))
		return true;
	vm_reason(vm, "%.200s", why.message);
	host_event(group->hv, "vm-not-started", group->name, vm->name, 0, 0, NULL, 0, "VM %s stays off: %s",
		vm->name, why.message);
	return false;
}

static int boot_all(struct group *group, struct steps *steps, struct error *err)
{
	char *state = NULL;
	struct error ignored = ERROR_INIT;
	int result = 0;
	bool any = false;
	for (size_t i = 0; i < group->vm_count; i++)
		any |= should_run(group->vms[i]);
	if (!any)
		return 0;
	if (storage_mount_state(group->hv->storage, group->spec->group, &state, err))
		return -1;
	steps_mark(steps, "mount");
	for (size_t i = 0; i < group->vm_count && !result; i++)
		if (should_run(group->vms[i]) && disks_whole(group, group->vms[i], state))
			result = group_boot_vm(group, group->vms[i], state, steps, err);
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
