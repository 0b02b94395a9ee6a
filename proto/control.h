// SPDX-License-Identifier: GPL-3.0-or-later
// What a VM's control settings (Control, the limits and weights of disks and NICs) may be and what they mean in figures. Pure; the same for
// clusterd, which takes definitions, and hypervisord, which applies them.
#ifndef PROTO_CONTROL_H
#define PROTO_CONTROL_H

#include <stdint.h>
#include "common/error.h"
#include "proto/definition.pb-c.h"

#define CONTROL_WEIGHT 100	// of who has none
#define CONTROL_WEIGHT_MOST 10000

// ERROR_USAGE with the setting, its value, and what is possible.
int control_check(const Holdfast__Vm *vm, struct error *err) MUST_CHECK;

// What is kept for it, in processors of the node.
double control_reserved_cpus(const Holdfast__Vm *vm);
uint32_t control_weight(uint32_t weight);	// 0 is CONTROL_WEIGHT
// What the balloon must leave the guest at least, and is to leave it now.
uint64_t control_floor_mib(const Holdfast__Vm *vm);
uint64_t control_target_mib(const Holdfast__Vm *vm);
uint64_t control_memory_max_mib(const Holdfast__Vm *vm);	// the most memory that it can have without a restart

#endif
