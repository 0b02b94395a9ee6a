// SPDX-License-Identifier: GPL-3.0-or-later
// What QEMU itself holds a guest to: the limits of its disks, which sit on the devices, above whatever a disk is on (HOLD, a volume, an image),
// and its balloon.
#include "hypervisor/control.h"
#include <stdio.h>
#include <string.h>
#include "proto/control.h"

#define MIB ((uint64_t)1 << 20)

static json_t *throttle(const char *device, const Holdfast__Throttle *limit)
{
	json_int_t iops = limit ? (json_int_t)limit->iops : 0;
	json_int_t bytes = limit ? (json_int_t)limit->bytes_per_s : 0;
	// A second's worth may be made up for (the _max): QEMU's own tenth is lost whenever the machine makes it wait longer than that.
	json_t *arguments = json_pack("{s:s s:I s:i s:i s:I s:i s:i}", "id", device, "bps", bytes, "bps_rd",
		0, "bps_wr", 0, "iops", iops, "iops_rd", 0, "iops_wr", 0);
	if (bytes)
		json_object_set_new(arguments, "bps_max", json_integer(bytes));
	if (iops)
		json_object_set_new(arguments, "iops_max", json_integer(iops));
	return arguments;
}

// What QEMU calls the part of disk I's device that does its I/O: the device's id, or a path to something inside it. Belongs to BLOCKS, the answer
// of query-block.
static const char *device_of(const json_t *blocks, size_t i)
{
	char id[32], path[64];
	size_t index;
	json_t *block;
	qemu_disk_device_id(i, id);
	int length = snprintf(path, sizeof(path), "/machine/peripheral/%s/", id);
	json_array_foreach (blocks, index, block) {
		const char *name = json_string_value(json_object_get(block, "qdev"));
		if (name && (!strcmp(name, id) || !strncmp(name, path, (size_t)length)))
			return name;
	}
	return NULL;
}

static bool has_limit(const Holdfast__Disk *disk)
{
	return disk->limit && (disk->limit->iops || disk->limit->bytes_per_s);
}

static int set_limits(struct vm *vm, const json_t *blocks, struct error *err)
{
	struct qmp_step steps[QEMU_DISKS_MAX];
	size_t count = 0;
	for (size_t i = 0; i < vm->definition->n_disks && i < QEMU_DISKS_MAX; i++) {
		const Holdfast__Disk *disk = vm->definition->disks[i];
		const char *device = device_of(blocks, i);
		if (device)
			steps[count++] =
				(struct qmp_step){ "block_set_io_throttle", throttle(device, disk->limit) };
	}
	return count ? qmp_batch(vm->qmp, steps, count, QMP_TIMEOUT_MS, err) : 0;
}

int control_throttle(struct vm *vm, struct error *err)
{
	json_t *blocks = NULL;
	bool any = false;
	for (size_t i = 0; i < vm->definition->n_disks; i++)
		any |= has_limit(vm->definition->disks[i]);
	if (!any && !vm->throttled)
		return 0;
	vm->throttled = true;
	int failed = qmp_command(vm->qmp, "query-block", NULL, QMP_TIMEOUT_MS, &blocks, err);
	if (!failed)
		failed = set_limits(vm, blocks, err);
	json_decref(blocks);
	if (failed)
		return error_prefix(err, "VM %s: the limits of its disks", vm->name);
	vm->throttled = any;
	return 0;
}

// QEMU tells of changes only; what it is when we first look has to be asked.
static int query(struct vm *vm, struct error *err)
{
	json_t *result = NULL;
	if (qmp_command(vm->qmp, "query-balloon", NULL, QMP_TIMEOUT_MS, &result, err))
		return -1;
	control_on_balloon(vm, (uint64_t)json_integer_value(json_object_get(result, "actual")));
	json_decref(result);
	return 0;
}

int control_balloon(struct vm *vm, struct error *err)
{
	uint64_t target = vm->definition->control ? vm->definition->control->memory_target_mib : 0;
	uint64_t wanted = target && target < control_memory_max_mib(vm->definition) ? target : BALLOON_ALL;
	if (wanted == vm->balloon_asked)
		return 0;
	// More than the guest has is all of it, whatever has been added to it.
	uint64_t bytes = wanted == BALLOON_ALL ? (uint64_t)1 << 50 : wanted * MIB;
	if (qmp_command(vm->qmp, "balloon", json_pack("{s:I}", "value", (json_int_t)bytes), QMP_TIMEOUT_MS,
		    NULL, err) ||
		(vm->balloon_asked == BALLOON_UNKNOWN && query(vm, err)))
		return error_prefix(err, "VM %s: its balloon", vm->name);
	vm->balloon_asked = wanted;
	return 0;
}
