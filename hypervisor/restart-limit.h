// SPDX-License-Identifier: GPL-3.0-or-later
// How often a VM may be restarted in place before its group is given to another node. Pure.
#ifndef HYPERVISOR_RESTART_LIMIT_H
#define HYPERVISOR_RESTART_LIMIT_H

#include <stdbool.h>
#include "hypervisor/rundir.h"
#include "proto/definition.pb-c.h"

#define RESTART_LIMIT_DEFAULT 3
#define RESTART_PERIOD_DEFAULT_S 900

unsigned restart_limit_most(const Holdfast__Vm *vm);
unsigned restart_limit_period_s(const Holdfast__Vm *vm);
// Forgets the restarts that are older than the period, and says how many are left in it.
unsigned restart_limit_count(struct rundir_guest *guest, const Holdfast__Vm *vm, double now_ms);
// True, and the restart is noted, if one more is within the limit.
bool restart_limit_take(struct rundir_guest *guest, const Holdfast__Vm *vm, double now_ms);

#endif
