// SPDX-License-Identifier: GPL-3.0-or-later
// See running.h. vm->definition points at vm->running while that is there, so that everybody who deals with a QEMU reads what it has.
#include "hypervisor/running.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "hypervisor/hotplug.h"
#include "hypervisor/vm-private.h"
#include "proto/json.h"
#include "proto/shape.h"

#define FILE_NAME "running.json"
#define FILE_LIMIT (1u << 20)

static Holdfast__Vm *copy_of(const Holdfast__Vm *definition, struct error *err)
{
	Holdfast__Vm *copy = (Holdfast__Vm *)proto_copy(&definition->base);
	if (copy && !copy->plugged) {
		copy->plugged = calloc(1, sizeof(*copy->plugged));
		if (copy->plugged)
			holdfast__plugged__init(copy->plugged);
	}
	if (copy && copy->plugged)
		return copy;
	if (copy)
		holdfast__vm__free_unpacked(copy, NULL);
	error_set(err, ERROR_FAILED, "no memory for VM %s", definition->name);
	return NULL;
}

void running_drop(struct vm *vm)
{
	if (vm->running)
		holdfast__vm__free_unpacked(vm->running, NULL);
	vm->running = NULL;
	vm->definition = vm->wanted;
}

int running_set(struct vm *vm, const Holdfast__Vm *definition, struct error *err)
{
	Holdfast__Vm *copy = copy_of(definition ? definition : vm->wanted, err);
	if (!copy)
		return -1;
	running_drop(vm);
	hotplug_follow(copy, vm->wanted);
	if (!copy->plugged->boot_memory_mib)
		copy->plugged->boot_memory_mib = copy->memory_mib;
	if (!copy->plugged->boot_cpus)
		copy->plugged->boot_cpus = copy->cpus;
	for (size_t i = 0; i < copy->n_disks; i++)
		copy->plugged->scsi |= qemu_disk_there(copy, i) &&
			shape_disk_bus(copy, copy->disks[i]) == HOLDFAST__DISK_BUS__BUS_SCSI;
	vm->running = copy;
	vm->definition = copy;
	return 0;
}

int running_keep(struct vm *vm, struct error *err)
{
	char path[512];
	cleanup_free char *text = proto_to_json_text(&vm->running->base);
	if (!text)
		return error_set(err, ERROR_FAILED, "no memory for VM %s", vm->name);
	return vm_path(vm, FILE_NAME, path, sizeof(path), err)
		? -1
		: file_write_atomic(path, text, strlen(text), 0600, err);
}

int running_begin(struct vm *vm, enum vm_spawn kind, struct error *err)
{
	if ((kind == VM_SPAWN_BOOT || !vm->running) && running_set(vm, NULL, err))
		return -1;
	return running_keep(vm, err);
}

void running_follow(struct vm *vm, const Holdfast__Vm *wanted)
{
	struct error err = ERROR_INIT;
	vm->wanted = wanted;
	if (!vm->running) {
		vm->definition = wanted;
		return;
	}
	hotplug_follow(vm->running, wanted);
	if (vm_has_process(vm) && running_keep(vm, &err))
		log_warning("vm=%s %s", vm->name, err.message);
}

// An older hypervisord wrote none, and changed nothing of what it had started.
static int read_file(struct vm *vm, const char *path, struct error *err)
{
	cleanup_free char *text = NULL;
	struct error local = ERROR_INIT;
	if (file_read(path, FILE_LIMIT, &text, NULL, &local))
		return local.code == ERROR_NOT_FOUND ? running_set(vm, NULL, err) : error_copy(err, &local);
	ProtobufCMessage *read = proto_from_json_text(&holdfast__vm__descriptor, text, err);
	if (!read)
		return error_prefix(err, "%s", path);
	int result = running_set(vm, (Holdfast__Vm *)read, err);
	protobuf_c_message_free_unpacked(read, NULL);
	return result;
}

int running_load(struct vm *vm, struct error *err)
{
	char path[512];
	return vm_path(vm, FILE_NAME, path, sizeof(path), err) ? -1 : read_file(vm, path, err);
}

int running_settle(struct vm *vm, struct error *err)
{
	if (!vm->running)
		return 0;
	return hotplug_settle(vm, err) ? -1 : running_keep(vm, err);
}
