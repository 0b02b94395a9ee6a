// SPDX-License-Identifier: GPL-3.0-or-later
// Reads what a VM may take of its node: see vm-control.h. The daemon checks what the figures mean together; here is only what is typed.
#include "ctl/vm-control.h"

#include <stdio.h>
#include <string.h>
#include "common/cleanup.h"
#include "ctl/value.h"

static bool any_given(const struct args *args)
{
	static const char *const names[] = { "cpus-max", "cpu-reserve", "cpu-limit", "cpu-weight", "memory-max",
		"memory-floor", "memory-target" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (args_count(args, names[i]))
			return true;
	return false;
}

static void fill_control(const struct args *args, struct vm_control *parts, Holdfast__Vm *vm)
{
	if (!any_given(args))
		return;
	if (vm->control)
		parts->control = *vm->control;
	else
		holdfast__control__init(&parts->control);
	Holdfast__Control *control = vm->control = &parts->control;
	control->cpus_max = (uint32_t)args_number(args, "cpus-max", control->cpus_max);
	control->cpu_reserve = (uint32_t)args_number(args, "cpu-reserve", control->cpu_reserve);
	control->cpu_limit = (uint32_t)args_number(args, "cpu-limit", control->cpu_limit);
	control->cpu_weight = (uint32_t)args_number(args, "cpu-weight", control->cpu_weight);
	control->memory_max_mib = args_number(args, "memory-max", control->memory_max_mib);
	control->memory_floor_mib = args_number(args, "memory-floor", control->memory_floor_mib);
	control->memory_target_mib = args_number(args, "memory-target", control->memory_target_mib);
}

// Splits NAME=VALUE in a copy of what was typed. *value points into it.
static int split(const char *option, const char *typed, char **copy, char **value, struct error *err)
{
	*copy = strdup(typed);
	*value = *copy ? strchr(*copy, '=') : NULL;
	if (!*copy)
		return error_set(err, ERROR_NO_SPACE, "no memory");
	if (!*value || *value == *copy || !(*value)[1])
		return error_set(err, ERROR_USAGE, "--%s: \"%.60s\" is not NAME=VALUE, like %s", option,
			typed,
			!strcmp(option, "disk-limit")		 ? "disk0=iops:500,bytes:20M"
				: !strcmp(option, "disk-weight") ? "disk0=300"
								 : "nic0=10M");
	*(*value)++ = '\0';
	return 0;
}

static bool called(const char *name, const char *kind, size_t place, const char *typed)
{
	char own[32];
	snprintf(own, sizeof(own), "%s%zu", kind, place);
	return !strcmp(name[0] ? name : own, typed);
}

static Holdfast__Disk *find_disk(
	const Holdfast__Vm *vm, const char *option, const char *name, size_t *place, struct error *err)
{
	for (size_t i = 0; i < vm->n_disks && i < VM_CONTROL_DISKS_MAX; i++) {
		if (!called(vm->disks[i]->name, "disk", i, name))
			continue;
		*place = i;
		return vm->disks[i];
	}
	error_set(err, ERROR_USAGE, "--%s: VM %s has no disk %.60s: disks are called disk0, disk1, ...",
		option, vm->name, name);
	return NULL;
}

// "iops:N", "bytes:SIZE" or both, with a comma; "none".
static int parse_limit(char *text, Holdfast__Throttle *limit, struct error *err)
{
	holdfast__throttle__init(limit);
	if (!strcmp(text, "none"))
		return 0;
	for (char *word; (word = strsep(&text, ","));) {
		if (!strncmp(word, "iops:", 5)) {
			if (value_number(word + 5, 1, 0, &limit->iops, err))
				return -1;
		} else if (!strncmp(word, "bytes:", 6)) {
			if (value_size(word + 6, &limit->bytes_per_s, err))
				return -1;
		} else {
			return error_set(err, ERROR_USAGE,
				"\"%.40s\" is no limit: give iops:N, bytes:SIZE, both with a comma, or none",
				word);
		}
	}
	return 0;
}

static int fill_limits(const struct args *args, struct vm_control *parts, Holdfast__Vm *vm, struct error *err)
{
	for (size_t i = 0; i < args_count(args, "disk-limit"); i++) {
		cleanup_free char *copy = NULL;
		char *value;
		size_t place;
		if (split("disk-limit", args_text_at(args, "disk-limit", i), &copy, &value, err))
			return -1;
		Holdfast__Disk *disk = find_disk(vm, "disk-limit", copy, &place, err);
		if (!disk)
			return -1;
		if (parse_limit(value, &parts->limits[place], err))
			return error_prefix(err, "--disk-limit %.60s", copy);
		disk->limit = &parts->limits[place];
	}
	return 0;
}

static int fill_weights(const struct args *args, Holdfast__Vm *vm, struct error *err)
{
	for (size_t i = 0; i < args_count(args, "disk-weight"); i++) {
		cleanup_free char *copy = NULL;
		char *value;
		size_t place;
		uint64_t weight;
		if (split("disk-weight", args_text_at(args, "disk-weight", i), &copy, &value, err))
			return -1;
		Holdfast__Disk *disk = find_disk(vm, "disk-weight", copy, &place, err);
		if (!disk)
			return -1;
		if (value_number(value, 1, 10000, &weight, err))
			return error_prefix(err, "--disk-weight %.60s", copy);
		disk->weight = (uint32_t)weight;
	}
	return 0;
}

static int fill_nics(const struct args *args, Holdfast__Vm *vm, struct error *err)
{
	for (size_t i = 0; i < args_count(args, "nic-limit"); i++) {
		cleanup_free char *copy = NULL;
		char *value;
		uint64_t bytes = 0;
		Holdfast__Nic *nic = NULL;
		if (split("nic-limit", args_text_at(args, "nic-limit", i), &copy, &value, err))
			return -1;
		for (size_t k = 0; k < vm->n_nics && !nic; k++)
			if (called(vm->nics[k]->name, "nic", k, copy))
				nic = vm->nics[k];
		if (!nic)
			return error_set(err, ERROR_USAGE,
				"--nic-limit: VM %s has no NIC %.60s: NICs are called nic0, nic1, ...",
				vm->name, copy);
		if (strcmp(value, "none") && value_size(value, &bytes, err))
			return error_prefix(err, "--nic-limit %.60s", copy);
		nic->limit_bytes_per_s = bytes;
	}
	return 0;
}

int vm_control_fill(const struct args *args, struct vm_control *parts, Holdfast__Vm *vm, struct error *err)
{
	fill_control(args, parts, vm);
	if (fill_limits(args, parts, vm, err) || fill_weights(args, vm, err))
		return -1;
	return fill_nics(args, vm, err);
}
