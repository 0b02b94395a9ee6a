// SPDX-License-Identifier: GPL-3.0-or-later
// The arithmetic of control. The kernel knows weights and ceilings, no reserves: a reserve is made of weights. If all VMs want everything, VM i
// is to get reserve_i + (what is left) * weight_i / (all weights), and these shares are the weights. Whoever wants less leaves the others more, in
// proportion, so nobody's share falls below its reserve.
#include "hypervisor/control-plan.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/control.h"
#include "proto/json.h"

#define PERIOD_US 100000u
#define SIBLING_WEIGHT 100.0 // the kernel's and systemd's default
#define SIBLINGS_BUSY 2 // of the node's own work, at once: the reserves hold against that many
#define OWN_SHARE \
	0.5 // of what is not reserved stays with the node's own work, which the guests live on too, if it wants it
#define QEMU_MIB 384 // measured: 60 to 150 without translated code, more with many connections
#define QEMU_PER_MEMORY 16
#define TRANSLATED_MOST_MIB 1024 // QEMU's own limits for TCG's buffer
#define TRANSLATED_PER_PHYSICAL 8
#define THREADS 512 // worker threads of disks come and go: 64 a pool

uint32_t control_plan_cpu(struct control_share *shares, size_t count, double cpus)
{
	double reserved = 0, weights = 0, most = 0;
	for (size_t i = 0; i < count; i++) {
		reserved += shares[i].reserve;
		weights += control_weight(shares[i].weight);
	}
	if (reserved <= 0) {
		for (size_t i = 0; i < count; i++)
			shares[i].cpu_weight = control_weight(shares[i].weight);
		return (uint32_t)SIBLING_WEIGHT;
	}
	// What the slice gets at least, beside its busy siblings; the reserves must fit into it.
	double sure = reserved + (cpus - reserved) * (1 - OWN_SHARE);
	double ceiling = cpus * CONTROL_WEIGHT_MOST / (CONTROL_WEIGHT_MOST + SIBLINGS_BUSY * SIBLING_WEIGHT);
	sure = sure > ceiling ? ceiling : sure;
	double slice = SIBLINGS_BUSY * SIBLING_WEIGHT * sure / (cpus - sure);
	double left = sure > reserved ? sure - reserved : 0;
	for (size_t i = 0; i < count; i++) {
		double share = shares[i].reserve + left * control_weight(shares[i].weight) / weights;
		most = share > most ? share : most;
	}
	for (size_t i = 0; i < count; i++) {
		double share = shares[i].reserve + left * control_weight(shares[i].weight) / weights;
		double scaled = most > 0 ? share / most * CONTROL_WEIGHT_MOST : 1;
		shares[i].cpu_weight = scaled < 1 ? 1 : (uint32_t)(scaled + 0.5);
	}
	return slice > CONTROL_WEIGHT_MOST ? CONTROL_WEIGHT_MOST : (uint32_t)(slice + 0.5);
}

void control_plan_cpu_max(const Holdfast__Vm *vm, char text[CONTROL_PLAN_MAX_BYTES])
{
	uint32_t limit = vm->control ? vm->control->cpu_limit : 0;
	if (limit == 0 || limit >= 100)
		snprintf(text, CONTROL_PLAN_MAX_BYTES, "max %u", PERIOD_US);
	else
		snprintf(text, CONTROL_PLAN_MAX_BYTES, "%llu %u",
			(unsigned long long)vm->cpus * limit * PERIOD_US / 100, PERIOD_US);
}

uint64_t control_plan_memory_mib(const Holdfast__Vm *vm, bool kvm, uint64_t physical_mib)
{
	uint64_t guest = control_memory_max_mib(vm), translated = physical_mib / TRANSLATED_PER_PHYSICAL;
	if (translated > TRANSLATED_MOST_MIB)
		translated = TRANSLATED_MOST_MIB;
	return guest + guest / QEMU_PER_MEMORY + QEMU_MIB + (kvm ? 0 : translated);
}

uint64_t control_plan_pids(const Holdfast__Vm *vm)
{
	uint32_t most = vm->control && vm->control->cpus_max > vm->cpus ? vm->control->cpus_max : vm->cpus;
	return (uint64_t)most + THREADS;
}

uint32_t control_plan_io_weight(const Holdfast__Vm *vm)
{
	uint32_t most = 0;
	for (size_t i = 0; i < vm->n_disks; i++)
		most = control_weight(vm->disks[i]->weight) > most ? control_weight(vm->disks[i]->weight)
								   : most;
	return most ? most : CONTROL_WEIGHT;
}

static void follow_control(Holdfast__Vm *running, const Holdfast__Vm *wanted)
{
	const Holdfast__Control none = HOLDFAST__CONTROL__INIT;
	const Holdfast__Control *control = wanted->control ? wanted->control : &none;
	if (!running->control && !wanted->control)
		return;
	if (!running->control && (running->control = malloc(sizeof(none))))
		*running->control = none;
	if (!running->control)
		return; // no memory: it is tried again with the next change
	running->control->cpu_reserve = control->cpu_reserve;
	running->control->cpu_limit = control->cpu_limit;
	running->control->cpu_weight = control->cpu_weight;
	running->control->memory_floor_mib = control->memory_floor_mib;
	running->control->memory_target_mib = control->memory_target_mib;
}

void control_follow(Holdfast__Vm *running, const Holdfast__Vm *wanted)
{
	follow_control(running, wanted);
	for (size_t i = 0; i < running->n_disks; i++) {
		for (size_t k = 0; k < wanted->n_disks; k++) {
			Holdfast__Disk *disk = running->disks[i];
			const Holdfast__Disk *other = wanted->disks[k];
			if (strcmp(disk->name, other->name))
				continue;
			disk->weight = other->weight;
			if (disk->limit)
				holdfast__throttle__free_unpacked(disk->limit, NULL);
			disk->limit =
				other->limit ? (Holdfast__Throttle *)proto_copy(&other->limit->base) : NULL;
		}
	}
	for (size_t i = 0; i < running->n_nics; i++)
		for (size_t k = 0; k < wanted->n_nics; k++)
			if (!strcmp(running->nics[i]->mac, wanted->nics[k]->mac))
				running->nics[i]->limit_bytes_per_s = wanted->nics[k]->limit_bytes_per_s;
}
