// SPDX-License-Identifier: GPL-3.0-or-later
// See hotplug.h: what is refused, and which piece of a change comes when.
#include "hypervisor/hotplug.h"
#include <inttypes.h>
#include <stdlib.h>
#include "hypervisor/checkpoint.h"
#include "hypervisor/control-plan.h"
#include "hypervisor/control.h"
#include "hypervisor/group-private.h"
#include "hypervisor/vm-private.h"
#include "proto/control.h"
#include "proto/pending.h"

static int check_saved(const struct vm *vm, const Holdfast__Vm *wanted, struct error *err)
{
	for (size_t i = 0; i < vm->wanted->n_disks; i++)
		if (!pending_disk_in(wanted, vm->wanted->disks[i]))
			return error_set(err, ERROR_UNSAFE,
				"VM %s is saved, and disk %s belongs to its saved state: start it, or throw "
				"the "
				"state away with 'holdfast vm stop %s --force'",
				vm->name, vm->wanted->disks[i]->name, vm->name);
	return 0;
}

int hotplug_check(struct vm *vm, const Holdfast__Vm *wanted, struct error *err)
{
	const Holdfast__Vm *running = vm->running;
	if (checkpoint_check_disks(vm, wanted, err))
		return -1;
	if (vm->state == HOLDFAST__VM_STATE__VM_SAVED)
		return check_saved(vm, wanted, err);
	if (!running || !vm_has_process(vm))
		return 0;
	if (wanted->cpus < running->cpus)
		return error_set(err, ERROR_UNSAFE,
			"VM %s runs with %" PRIu32
			" virtual processors, and vCPU removal crashes QEMU 7.2: stop it "
			"first, then give it less",
			vm->name, running->cpus);
	if (hotplug_check_cdroms(vm, wanted, err))
		return -1;
	if (hotplug_memory_goes(running, wanted->memory_mib) && wanted->memory_mib > running->memory_mib)
		return group_admit(group_hypervisor(vm->group), wanted, err);
	return control_admit(group_hypervisor(vm->group), wanted, err);
}

int hotplug_remove(struct vm *vm, const Holdfast__Vm *wanted, struct error *err)
{
	return vm->running && vm->qmp ? hotplug_remove_devices(vm, wanted, err) : 0;
}

int hotplug_apply(struct vm *vm, struct error *err)
{
	struct error why = ERROR_INIT;
	if (!vm->running || !vm->qmp)
		return 0;
	if (!hotplug_cpus(vm, &why) && !hotplug_memory(vm, &why) && !hotplug_add_devices(vm, &why) &&
		!hotplug_cdroms(vm, &why) && !control_apply(vm, &why))
		return 0;
	return error_set(err, ERROR_FAILED,
		"the definition of VM %s is changed, its guest is not, and gets it at its next start: %s",
		vm->name, why.message);
}

// ---- what needs no QEMU

static void follow_health(Holdfast__Vm *running, const Holdfast__Vm *wanted)
{
	static const Holdfast__Health none = HOLDFAST__HEALTH__INIT;
	const Holdfast__Health *from = wanted->health ? wanted->health : &none;
	Holdfast__Health *to = running->health;
	if (!to && wanted->health) {
		to = running->health = malloc(sizeof(*to));
		if (to)
			holdfast__health__init(to);
	}
	if (!to)
		return;
	to->on_hang = from->on_hang;
	to->on_panic = from->on_panic;
	to->heartbeat_s = from->heartbeat_s;
}

// Memory that the guest was started with only its balloon can take: down to what is wanted, within the floor.
static void follow_memory(Holdfast__Vm *running, const Holdfast__Vm *wanted)
{
	uint64_t floor = control_floor_mib(wanted);
	if (wanted->memory_mib >= running->memory_mib || hotplug_memory_goes(running, wanted->memory_mib))
		return;
	if (!running->control) {
		running->control = malloc(sizeof(*running->control));
		if (!running->control)
			return;
		holdfast__control__init(running->control);
	}
	running->control->memory_floor_mib = floor;
	if (!running->control->memory_target_mib || running->control->memory_target_mib > wanted->memory_mib)
		running->control->memory_target_mib = wanted->memory_mib;
}

void hotplug_follow(Holdfast__Vm *running, const Holdfast__Vm *wanted)
{
	running->target = wanted->target;
	running->offline_action = wanted->offline_action;
	running->restart_limit = wanted->restart_limit;
	running->restart_period_s = wanted->restart_period_s;
	control_follow(running, wanted);
	follow_memory(running, wanted);
	follow_health(running, wanted);
}

int hotplug_settle(struct vm *vm, struct error *err)
{
	return hotplug_settle_devices(vm, err) || hotplug_settle_size(vm, err) ? -1 : 0;
}
