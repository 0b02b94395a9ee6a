// SPDX-License-Identifier: GPL-3.0-or-later
// The rules of control settings: see control.h. A value that could only be a slip (bytes where megabytes were meant) is refused with the
// smallest sensible one.
#include "proto/control.h"
#include <inttypes.h>

#define RATE_LEAST_BYTES 65536u // less would hold up single requests for seconds

uint32_t control_weight(uint32_t weight)
{
	return weight ? weight : CONTROL_WEIGHT;
}

double control_reserved_cpus(const Holdfast__Vm *vm)
{
	uint32_t cpus = vm->cpus ? vm->cpus : 1;
	return vm->control ? cpus * (vm->control->cpu_reserve / 100.0) : 0;
}

uint64_t control_memory_max_mib(const Holdfast__Vm *vm)
{
	uint64_t most = vm->control ? vm->control->memory_max_mib : 0;
	return most > vm->memory_mib ? most : vm->memory_mib;
}

uint64_t control_floor_mib(const Holdfast__Vm *vm)
{
	uint64_t floor = vm->control ? vm->control->memory_floor_mib : 0;
	return floor ? floor : vm->memory_mib;
}

uint64_t control_target_mib(const Holdfast__Vm *vm)
{
	uint64_t target = vm->control ? vm->control->memory_target_mib : 0;
	return target ? target : vm->memory_mib;
}

static int check_weight(const char *vm, const char *what, uint32_t weight, struct error *err)
{
	if (weight <= CONTROL_WEIGHT_MOST)
		return 0;
	return error_set(err, ERROR_USAGE, "VM %s: %s must be 1 to %d, not %" PRIu32, vm, what,
		CONTROL_WEIGHT_MOST, weight);
}

static int check_cpu(const Holdfast__Vm *vm, struct error *err)
{
	const Holdfast__Control *control = vm->control;
	if (control->cpu_reserve > 100 || control->cpu_limit > 100)
		return error_set(err, ERROR_USAGE,
			"VM %s: CPU reserve and limit are percent of its virtual processors, 0 to 100, not "
			"%" PRIu32,
			vm->name, control->cpu_reserve > 100 ? control->cpu_reserve : control->cpu_limit);
	if (control->cpu_limit && control->cpu_reserve > control->cpu_limit)
		return error_set(err, ERROR_USAGE,
			"VM %s: a CPU reserve of %" PRIu32 " %% is more than its limit of %" PRIu32
			" %%: lower the one or raise the other",
			vm->name, control->cpu_reserve, control->cpu_limit);
	return check_weight(vm->name, "CPU weight", control->cpu_weight, err);
}

static int check_memory(const Holdfast__Vm *vm, struct error *err)
{
	const Holdfast__Control *control = vm->control;
	uint64_t floor = control_floor_mib(vm), target = control->memory_target_mib;
	if (control->memory_max_mib && control->memory_max_mib < vm->memory_mib)
		return error_set(err, ERROR_USAGE,
			"VM %s: memory can grow to %" PRIu64 " MiB, which is less than the %" PRIu64
			" MiB that it has",
			vm->name, control->memory_max_mib, vm->memory_mib);
	if (floor > vm->memory_mib)
		return error_set(err, ERROR_USAGE,
			"VM %s: the memory floor of %" PRIu64 " MiB is more than the %" PRIu64
			" MiB that it has",
			vm->name, floor, vm->memory_mib);
	if (target && target < floor)
		return error_set(err, ERROR_USAGE,
			"VM %s: a memory target of %" PRIu64 " MiB is below its floor of %" PRIu64 " MiB%s",
			vm->name, target, floor,
			control->memory_floor_mib ? "" : ", which is all of its memory until one is set");
	if (target > control_memory_max_mib(vm))
		return error_set(err, ERROR_USAGE,
			"VM %s: a memory target of %" PRIu64 " MiB is more than the %" PRIu64
			" MiB that it can have",
			vm->name, target, control_memory_max_mib(vm));
	return 0;
}

static int check_rate(const char *vm, const char *device, uint64_t bytes, struct error *err)
{
	if (!bytes || bytes >= RATE_LEAST_BYTES)
		return 0;
	return error_set(err, ERROR_USAGE,
		"VM %s: a limit of %" PRIu64
		" bytes a second for %.63s is too low: 64K at least, or 0 for none",
		vm, bytes, device);
}

static int check_devices(const Holdfast__Vm *vm, struct error *err)
{
	for (size_t i = 0; i < vm->n_disks; i++) {
		const Holdfast__Disk *disk = vm->disks[i];
		if (check_weight(vm->name, "a disk's weight", disk->weight, err) ||
			(disk->limit && check_rate(vm->name, disk->name, disk->limit->bytes_per_s, err)))
			return -1;
	}
	for (size_t i = 0; i < vm->n_nics; i++)
		if (check_rate(vm->name, vm->nics[i]->name[0] ? vm->nics[i]->name : "a NIC",
			    vm->nics[i]->limit_bytes_per_s, err))
			return -1;
	return 0;
}

int control_check(const Holdfast__Vm *vm, struct error *err)
{
	if (vm->control && (check_cpu(vm, err) || check_memory(vm, err)))
		return -1;
	return check_devices(vm, err);
}
