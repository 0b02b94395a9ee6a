// SPDX-License-Identifier: GPL-3.0-or-later
// See hotplug.h: which piece of a change comes when.
#include "hypervisor/hotplug.h"
#include <inttypes.h>
#include "hypervisor/control-plan.h"
#include "hypervisor/vm-private.h"

int hotplug_check(const Holdfast__Vm *running, const Holdfast__Vm *wanted, struct error *err)
{
	if (wanted->cpus < running->cpus)
		return error_set(err, ERROR_UNSAFE,
			"VM %s runs with %" PRIu32 " virtual processors: vCPU removal crashes QEMU 7.2; stop "
						   "the VM first, or leave it at %" PRIu32,
			wanted->name, running->cpus, running->cpus);
	return 0;
}

int hotplug_apply(struct vm *vm, struct error *err)
{
	if (!vm->running || !vm->qmp)
		return 0;
	return hotplug_cpus(vm, err) || hotplug_memory(vm, err) ? -1 : 0;
}

void hotplug_follow(Holdfast__Vm *running, const Holdfast__Vm *wanted)
{
	control_follow(running, wanted);
}

int hotplug_settle(struct vm *vm, struct error *err)
{
	return hotplug_settle_size(vm, err);
}
