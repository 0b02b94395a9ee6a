// SPDX-License-Identifier: GPL-3.0-or-later
// Virtual processors and memory of a running guest: more of them within what it was started with room for. QEMU is asked what there is, before
// and after, so that nothing is counted twice. Processors are never taken away: that crashes QEMU 7.2.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "hypervisor/group-private.h"
#include "hypervisor/hotplug.h"
#include "hypervisor/vm-private.h"

#define MIB ((uint64_t)1 << 20)

// ---- processors

static int query_slots(struct vm *vm, json_t **slots, uint32_t *used, struct error *err)
{
	json_t *slot;
	size_t index;
	*used = 0;
	if (qmp_command(vm->qmp, "query-hotpluggable-cpus", NULL, QMP_TIMEOUT_MS, slots, err))
		return error_prefix(err, "VM %s", vm->name);
	json_array_foreach (*slots, index, slot)
		*used += json_object_get(slot, "qom-path") != NULL;
	return 0;
}

// The free place with the lowest numbers: QEMU lists them from the highest down, and a restored guest has the first ones.
static json_t *lowest_free(const json_t *slots)
{
	for (size_t i = json_array_size(slots); i-- > 0;) {
		json_t *slot = json_array_get(slots, i);
		if (!json_object_get(slot, "qom-path"))
			return slot;
	}
	return NULL;
}

static int keep_type(struct vm *vm, const char *type, struct error *err)
{
	Holdfast__Plugged *plugged = vm->running->plugged;
	if (!type || !strcmp(plugged->cpu_type, type))
		return 0;
	char *copy = strdup(type);
	if (!copy)
		return error_set(err, ERROR_FAILED, "no memory for VM %s", vm->name);
	if (plugged->cpu_type != (const char *)protobuf_c_empty_string)
		free(plugged->cpu_type);
	plugged->cpu_type = copy;
	return running_keep(vm, err);
}

static int add_one(struct vm *vm, uint32_t number, struct error *err)
{
	json_t *slots = NULL;
	uint32_t used;
	char id[32];
	if (query_slots(vm, &slots, &used, err))
		return -1;
	json_t *slot = lowest_free(slots);
	json_t *arguments = slot ? json_deep_copy(json_object_get(slot, "props")) : NULL;
	if (!arguments) {
		json_decref(slots);
		return error_set(err, ERROR_FAILED, "VM %s has no place for a further processor", vm->name);
	}
	snprintf(id, sizeof(id), "cpu%" PRIu32, number);
	json_object_set(arguments, "driver", json_object_get(slot, "type"));
	json_object_set_new(arguments, "id", json_string(id));
	json_object_del(arguments, "node-id"); // QEMU's own to choose, as for an incoming guest
	int failed = keep_type(vm, json_string_value(json_object_get(slot, "type")), err);
	json_decref(slots);
	if (failed) {
		json_decref(arguments);
		return -1;
	}
	return qmp_command(vm->qmp, "device_add", arguments, QMP_TIMEOUT_MS, NULL, err);
}

int hotplug_cpus(struct vm *vm, struct error *err)
{
	json_t *slots = NULL;
	uint32_t used, wanted = vm->wanted->cpus;
	if (wanted <= vm->running->cpus || wanted > qemu_cpus_max(vm->running))
		return 0;
	if (query_slots(vm, &slots, &used, err))
		return -1;
	json_decref(slots);
	for (; used < wanted; used++) {
		if (add_one(vm, used, err))
			return error_prefix(err, "VM %s gets no processor %" PRIu32, vm->name, used + 1);
		vm->running->cpus = used + 1;
		if (running_keep(vm, err))
			return -1;
	}
	return 0;
}

// ---- memory

static bool find_growth(const json_t *devices, uint64_t *requested_mib)
{
	json_t *device;
	size_t index;
	json_array_foreach (devices, index, device) {
		const json_t *data = json_object_get(device, "data");
		const char *id = json_string_value(json_object_get(data, "id"));
		if (!id || strcmp(id, QEMU_GROWTH_ID))
			continue;
		*requested_mib = (uint64_t)json_integer_value(json_object_get(data, "requested-size")) / MIB;
		return true;
	}
	return false;
}

static int query_growth(struct vm *vm, uint64_t *requested_mib, bool *found, struct error *err)
{
	json_t *devices = NULL;
	if (qmp_command(vm->qmp, "query-memory-devices", NULL, QMP_TIMEOUT_MS, &devices, err))
		return error_prefix(err, "VM %s", vm->name);
	*found = find_growth(devices, requested_mib);
	json_decref(devices);
	return 0;
}

// In the steps of the device, and within what it was made for.
bool hotplug_memory_goes(const Holdfast__Vm *running, uint64_t memory_mib)
{
	uint64_t boot = qemu_boot_memory_mib(running);
	return memory_mib >= boot && memory_mib - boot <= qemu_growth_mib(running) &&
		(memory_mib - boot) % QEMU_GROWTH_STEP_MIB == 0;
}

int hotplug_memory(struct vm *vm, struct error *err)
{
	uint64_t wanted = vm->wanted->memory_mib, before = vm->running->memory_mib;
	uint64_t mib = wanted - qemu_boot_memory_mib(vm->running);
	if (wanted == before || !qemu_growth_mib(vm->running) || !hotplug_memory_goes(vm->running, wanted))
		return 0;
	if (wanted > before && group_admit(group_hypervisor(vm->group), vm->wanted, err))
		return -1;
	if (qmp_command(vm->qmp, "qom-set",
		    json_pack("{s:s s:s s:I}", "path", "/machine/peripheral/" QEMU_GROWTH_ID, "property",
			    "requested-size", "value", (json_int_t)(mib * MIB)),
		    QMP_TIMEOUT_MS, NULL, err))
		return error_prefix(err, "VM %s: memory", vm->name);
	vm->running->memory_mib = wanted;
	return running_keep(vm, err);
}

int hotplug_settle_size(struct vm *vm, struct error *err)
{
	json_t *slots = NULL;
	uint32_t used;
	uint64_t mib = 0;
	bool found = false;
	if (query_slots(vm, &slots, &used, err))
		return -1;
	json_decref(slots);
	if (query_growth(vm, &mib, &found, err))
		return -1;
	vm->running->cpus = used;
	if (found)
		vm->running->memory_mib = qemu_boot_memory_mib(vm->running) + mib;
	return 0;
}
