// SPDX-License-Identifier: GPL-3.0-or-later
// Keeps guests up in place: one that died is started again while its group is wanted here with the same generation and its restarts stay within
// their limit; beyond it the VM has failed and the group is not healthy, which is Pacemaker's business. A guest that powers itself off stays off.
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "hypervisor/clock.h"
#include "hypervisor/disk-work.h"
#include "hypervisor/group-private.h"
#include "hypervisor/restart-limit.h"
#include "hypervisor/vm-private.h"

#define LOCK_MS 3600000
#define RETRY_PAUSE_MS 500
#define END_MS 20000

struct keeping { // names, not pointers: both may be gone when the task has its turn
	struct hypervisor *hv;
	char group[64], vm[64];
	bool powered_off;
	double died_ms;
};

static void start_task(struct vm *vm, bool powered_off);

static bool may_start(const struct group *group, const struct vm *vm)
{
	const struct move_hooks *hooks = &group->hv->move_hooks;
	if (vm->state != HOLDFAST__VM_STATE__VM_OFF ||
		vm->definition->target != HOLDFAST__VM_TARGET__TARGET_RUNNING)
		return false;
	if (!strcmp(vm->guest.phase, RUNDIR_PHASE_SHUT_DOWN) ||
		(hooks->holds && hooks->holds(hooks->moves, group->name)))
		return false;
	if (vm->definition->template_ || vm->disks_unfinished || disk_work_on(group, vm->name))
		return false;
	return group_wanted(group) == WANTED_STARTED;
}

static void give_up(struct group *group, struct vm *vm, const char *why)
{
	struct error err = ERROR_INIT;
	vm_event_now(vm, VM_EVENT_GIVE_UP);
	vm_reason(vm, "it was restarted %u times and did not stay up: %.180s", vm->guest.restart_count, why);
	vm->guest.pid = 0;
	if (vm_phase(vm, RUNDIR_PHASE_FAILED, &err))
		log_error("vm=%s %s", vm->name, err.message);
	host_event(group->hv, "vm-failed", group->name, vm->name, 0, 0, NULL, 0,
		"VM %s has failed on node %s: %s", vm->name, group->hv->config.node, vm->reason);
}

static int boot(struct group *group, struct vm *vm, struct error *err)
{
	// A guest that ran has used up any saved state; every other way here may have left one.
	bool ran = !strcmp(vm->guest.phase, RUNDIR_PHASE_RUNNING);
	struct steps steps;
	steps_begin(&steps);
	return ran ? group_boot_vm(group, vm, NULL, &steps, err) : group_boot_one(group, vm, err);
}

// WHY: what was wrong with a guest that was ended for it; NULL: it died.
static void restart(struct group *group, struct vm *vm, double died_ms, const char *why)
{
	struct error err = ERROR_INIT;
	char last[160] = "";
	if (why)
		snprintf(last, sizeof(last), "the guest %s", why);
	else
		vm_last_words(vm, last, sizeof(last));
	if (!restart_limit_take(&vm->guest, vm->definition, clock_boot_ms())) {
		give_up(group, vm, last[0] ? last : vm->reason[0] ? vm->reason : "QEMU ended without a word");
		return;
	}
	if (!boot(group, vm, &err)) {
		host_event(group->hv, "vm-restarted", group->name, vm->name, loop_now_ms() - died_ms, 0, NULL,
			0, "VM %s %s and was started again on node %s (restart %u)%s%s", vm->name, why ? "was ended" : "had died",
			group->hv->config.node, vm->guest.restart_count, last[0] ? ": " : "", last);
		return;
	}
	log_error("vm=%s group=%s could not be started again: %s", vm->name, group->name, err.message);
	vm_reason(vm, "%.200s", err.message);
	error_clear(&err);
	if (vm->disks_unfinished) { // no fault of the guest's: it waits for whoever repeats that
		vm->guest.restart_count = 0;
		return;
	}
	if (task_pause(RETRY_PAUSE_MS, &err))
		return;
	start_task(vm, false); // behind whoever waits for the group meanwhile
}

static void after_power_off(struct group *group, struct vm *vm)
{
	struct error err = ERROR_INIT;
	if (!vm->guest_powered_off || !vm_has_process(vm) || !vm_is_up(vm))
		return;
	if (vm_end(vm, END_MS, &err)) {
		log_error("vm=%s %s", vm->name, err.message);
		return;
	}
	if (vm_phase(vm, RUNDIR_PHASE_SHUT_DOWN, &err))
		log_error("vm=%s %s", vm->name, err.message);
	vm_reason(vm, "the guest shut itself down; start it with: holdfast vm start %s", vm->name);
	host_event(group->hv, "vm-shut-down", group->name, vm->name, 0, 0, NULL, 0,
		"VM %s shut itself down and stays off", vm->name);
}

static void keep(void *data)
{
	struct keeping *keeping = data;
	struct error err = ERROR_INIT;
	struct group *group = group_find(keeping->hv, keeping->group);
	if (group && task_lock(&group->mutex, LOCK_MS, &err)) {
		log_warning("vm=%s %s", keeping->vm, err.message);
	} else if (group) {
		struct vm *vm = group->removed ? NULL : group_vm_find(group, keeping->vm);
		if (vm && keeping->powered_off)
			after_power_off(group, vm);
		else if (vm && may_start(group, vm))
			restart(group, vm, keeping->died_ms, NULL);
		task_unlock(&group->mutex);
	}
	free(keeping);
}

static void start_task(struct vm *vm, bool powered_off)
{
	struct error err = ERROR_INIT;
	struct keeping *keeping = calloc(1, sizeof(*keeping));
	if (keeping) {
		keeping->hv = group_hypervisor(vm->group);
		snprintf(keeping->group, sizeof(keeping->group), "%s", vm->group->name);
		snprintf(keeping->vm, sizeof(keeping->vm), "%s", vm->name);
		keeping->powered_off = powered_off;
		keeping->died_ms = loop_now_ms();
		if (task_start(keeping->hv->loop, "keeper", keep, keeping, &err))
			return;
		free(keeping);
	}
	log_error("vm=%s nobody looks after it now: %s", vm->name, err.message);
}

void keeper_replace(struct group *group, struct vm *vm, const char *why)
{
	struct error err = ERROR_INIT;
	struct rundir_guest history = vm->guest;
	double begin_ms = loop_now_ms();
	if (vm_end(vm, END_MS, &err)) {
		log_error("vm=%s %s", vm->name, err.message);
		vm_reason(vm, "it %s and cannot be ended: %.150s", why, err.message);
		return;
	}
	// A guest that was ended on purpose has no history; this one was not.
	vm->guest.restart_count = history.restart_count;
	memcpy(vm->guest.restart_ms, history.restart_ms, sizeof(history.restart_ms));
	if (may_start(group, vm))
		restart(group, vm, begin_ms, why);
}

void keeper_on_death(struct vm *vm)
{
	log_warning("vm=%s group=%s its QEMU has died", vm->name, vm->group->name);
	if (vm_is_up(vm))
		vm_event_now(vm, VM_EVENT_DIED);
	keeper_schedule(vm);
}

void keeper_on_power_off(struct vm *vm)
{
	log_info("vm=%s group=%s the guest has powered off", vm->name, vm->group->name);
	start_task(vm, true);
}

void keeper_schedule(struct vm *vm)
{
	start_task(vm, false);
}
