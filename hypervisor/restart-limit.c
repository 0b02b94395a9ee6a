// SPDX-License-Identifier: GPL-3.0-or-later
// Counts a VM's restarts in place within its period. The times live in the guest's record, so that a restart of hypervisord does not
// start the count again. Pure: knows no clock.
#include "hypervisor/restart-limit.h"
#include <string.h>

unsigned restart_limit_most(const Holdfast__Vm *vm)
{
	unsigned limit = vm->restart_limit ? vm->restart_limit : RESTART_LIMIT_DEFAULT;
	return limit > RUNDIR_RESTARTS ? RUNDIR_RESTARTS : limit;
}

unsigned restart_limit_period_s(const Holdfast__Vm *vm)
{
	return vm->restart_period_s ? vm->restart_period_s : RESTART_PERIOD_DEFAULT_S;
}

unsigned restart_limit_count(struct rundir_guest *guest, const Holdfast__Vm *vm, double now_ms)
{
	double period_ms = 1000.0 * restart_limit_period_s(vm);
	unsigned kept = 0;
	for (unsigned i = 0; i < guest->restart_count; i++)
		if (now_ms - guest->restart_ms[i] < period_ms)
			guest->restart_ms[kept++] = guest->restart_ms[i];
	guest->restart_count = kept;
	return kept;
}

bool restart_limit_take(struct rundir_guest *guest, const Holdfast__Vm *vm, double now_ms)
{
	if (restart_limit_count(guest, vm, now_ms) >= restart_limit_most(vm))
		return false;
	guest->restart_ms[guest->restart_count++] = now_ms;
	return true;
}
