// SPDX-License-Identifier: GPL-3.0-or-later
// From what VMs are promised to what the kernel is told. Pure.
#ifndef HYPERVISOR_CONTROL_PLAN_H
#define HYPERVISOR_CONTROL_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/definition.pb-c.h"

struct control_share {	// of one VM that is up
	double reserve;		// in processors
	uint32_t weight;	// as defined
	uint32_t cpu_weight;	// out: of its scope among the scopes
};

// Fills cpu_weight of each and returns that of the slice among its siblings. In a node of CPUS processors each VM that wants it gets its reserve,
// and what is left goes by weight.
uint32_t control_plan_cpu(struct control_share *shares, size_t count, double cpus);

// cpu.max of its scope.
#define CONTROL_PLAN_MAX_BYTES 48
void control_plan_cpu_max(const Holdfast__Vm *vm, char text[CONTROL_PLAN_MAX_BYTES]);
// memory.max of its scope: the guest's memory and what its QEMU can need besides, generously. PHYSICAL_MIB: of the node.
uint64_t control_plan_memory_mib(const Holdfast__Vm *vm, bool kvm, uint64_t physical_mib);
uint64_t control_plan_pids(const Holdfast__Vm *vm);
// A VM has one weight for its disks in the kernel: that of its weightiest.
uint32_t control_plan_io_weight(const Holdfast__Vm *vm);

// What holds at once of a wanted definition, into that of the running guest: all of it but what memory and processors can grow to.
void control_follow(Holdfast__Vm *running, const Holdfast__Vm *wanted);

#endif
