// SPDX-License-Identifier: GPL-3.0-or-later
// Takes a group offline here: each VM by its offline action, then the volumes. It never overruns its time: a save or a shutdown gets what is left
// of it less what turning off and demoting need, and a VM that is not done by then is turned off. A stop that fails means fencing.
#include <string.h>
#include "common/log.h"
#include "hypervisor/disk-work.h"
#include "hypervisor/group-private.h"
#include "hypervisor/vm-private.h"

#define TIMEOUT_DEFAULT_MS 60000
#define DEMOTE_MS 2000 // kept back for the volumes
#define TURN_OFF_MS 4000 // kept back for each VM
#define ACTION_LEAST_MS 1000 // less than this is not worth to begin

static unsigned left_ms(int64_t deadline_us)
{
	int64_t left = (deadline_us - loop_now_us()) / 1000;
	return left > 0 ? (unsigned)left : 0;
}

static bool is_running(const struct vm *vm)
{
	return vm->state == HOLDFAST__VM_STATE__VM_RUNNING || vm->state == HOLDFAST__VM_STATE__VM_PAUSED;
}

static int act(struct group *group, struct vm *vm, const char *state, unsigned timeout_ms, struct error *err)
{
	switch (vm->definition->offline_action) {
	case HOLDFAST__OFFLINE_ACTION__OFFLINE_SAVE:
		if (!state)
			return error_set(err, ERROR_FAILED, "the state volume is not mounted");
		return vm_save(vm, state, timeout_ms, err);
	case HOLDFAST__OFFLINE_ACTION__OFFLINE_SHUT_DOWN:
		return vm_shut_down(vm, timeout_ms, err);
	default:
		return vm_end(vm, timeout_ms, err);
	}
}

static int stop_vm(struct group *group, struct vm *vm, const char *state, unsigned timeout_ms,
	int64_t deadline_us, struct error *err)
{
	struct error why = ERROR_INIT;
	if (is_running(vm)) {
		if (timeout_ms < ACTION_LEAST_MS)
			error_set(&why, ERROR_TIMEOUT, "there is no time left");
		else if (!act(group, vm, state, timeout_ms, &why))
			return 0;
		host_event(group->hv, "vm-turned-off", group->name, vm->name, 0, 0, NULL, 0,
			"VM %s was turned off: %s", vm->name, why.message);
	}
	unsigned rest = left_ms(deadline_us);
	return vm_end(vm, rest > 500 ? rest : 500, err);
}

static int stop_all(struct group *group, int64_t deadline_us, struct error *err)
{
	char *state = NULL;
	struct error ignored = ERROR_INIT;
	size_t left = 0;
	int result = 0;
	bool save = false;
	for (size_t i = 0; i < group->vm_count; i++) {
		left += vm_is_up(group->vms[i]);
		save |= is_running(group->vms[i]) &&
			group->vms[i]->definition->offline_action == HOLDFAST__OFFLINE_ACTION__OFFLINE_SAVE;
	}
	if (save && storage_mount_state(group->hv->storage, group->spec->group, &state, &ignored))
		log_warning("group=%s nothing can be saved: %s", group->name, ignored.message);
	for (size_t i = 0; i < group->vm_count; i++) {
		struct vm *vm = group->vms[i];
		if (!vm_is_up(vm))
			continue;
		// What is left is shared by the VMs that are left.
		unsigned budget = left_ms(deadline_us), kept = (unsigned)left * TURN_OFF_MS;
		budget = budget > kept ? (budget - kept) / (unsigned)left : 0;
		error_clear(&ignored);
		if (stop_vm(group, vm, state, budget, deadline_us, &ignored))
			result = error_copy(err, &ignored);
		vm->guest.restart_count = 0;
		left--;
	}
	error_clear(&ignored);
	if (state && storage_unmount_state(group->hv->storage, group->spec->group, &ignored))
		log_warning("group=%s %s", group->name, ignored.message);
	free(state);
	return result;
}

// A guest that gave up, or switched itself off, is off like the others from now on.
static void forget_failures(struct group *group)
{
	for (size_t i = 0; i < group->vm_count; i++) {
		struct vm *vm = group->vms[i];
		if (vm->state == HOLDFAST__VM_STATE__VM_FAILED)
			vm_event_now(vm, VM_EVENT_ENDED);
		if (!vm_has_process(vm))
			vm_forget_process(vm);
		vm->guest.restart_count = 0;
		vm->guest.phase[0] = '\0';
		vm->reason[0] = '\0';
	}
}

int group_stop(struct group *group, uint64_t generation, unsigned timeout_ms, struct error *err)
{
	const struct move_hooks *hooks = &group->hv->move_hooks;
	unsigned time_ms = timeout_ms ? timeout_ms : TIMEOUT_DEFAULT_MS;
	int64_t begin_us = loop_now_us();
	int64_t deadline_us =
		begin_us + (time_ms > 2 * DEMOTE_MS ? time_ms - DEMOTE_MS : time_ms / 2) * 1000LL;
	if (hooks->before_stop && hooks->before_stop(hooks->moves, group->name, time_ms / 2, err))
		return -1;
	bool was_started = group_wanted(group) == WANTED_STARTED;
	if (disk_works_break_off(group, time_ms / 2, err))
		return -1;
	if (group_want(group, WANTED_STOPPED, generation, err))
		return -1;
	int failed = stop_all(group, deadline_us, err);
	if (!failed)
		failed = storage_demote(group->hv->storage, group->spec->group, err);
	if (failed)
		return error_prefix(
			err, "group %s could not be stopped on node %s", group->name, group->hv->config.node);
	forget_failures(group);
	if (was_started)
		host_event(group->hv, "group-stopped", group->name, NULL,
			(double)(loop_now_us() - begin_us) / 1000, 0, NULL, 0,
			"group %s was stopped on node %s", group->name, group->hv->config.node);
	return 0;
}
