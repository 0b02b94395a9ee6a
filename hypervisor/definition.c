// SPDX-License-Identifier: GPL-3.0-or-later
// What a VM's definition must be like before anything is done with it. Every text that reaches QEMU's command line is checked here.
// Pure: whether the node has room for it is asked elsewhere.
#include "hypervisor/qemu-args.h"
#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include "common/name.h"
#include "hypervisor/rundir.h"
#include "proto/control.h"
#include "proto/health.h"

#define CPUS_MAX 64
#define MEMORY_MIN_MIB 8
#define MEMORY_MAX_MIB (4u << 20)
#define PATH_LIMIT 1024
#define APPEND_LIMIT 2048

// True if TEXT is like PATTERN, in which 'x' stands for a hexadecimal digit.
static bool looks_like(const char *text, const char *pattern)
{
	for (; *pattern; text++, pattern++)
		if (*pattern == 'x' ? !isxdigit((unsigned char)*text) : *text != *pattern)
			return false;
	return *text == '\0';
}

static int check_path(const Holdfast__Vm *vm, const char *what, const char *path, struct error *err)
{
	if (path[0] != '/' || strlen(path) > PATH_LIMIT)
		return error_set(err, ERROR_USAGE, "VM %s: %s must be an absolute path of at most %d bytes",
			vm->name, what, PATH_LIMIT);
	for (const char *c = path; *c; c++)
		if (iscntrl((unsigned char)*c))
			return error_set(err, ERROR_USAGE, "VM %s: the path of %s has a control character",
				vm->name, what);
	return 0;
}

static int check_boot(const Holdfast__Vm *vm, struct error *err)
{
	if (!vm->kernel[0] && (vm->initrd[0] || vm->append[0]))
		return error_set(err, ERROR_USAGE, "VM %s: initrd and append need a kernel", vm->name);
	if (vm->kernel[0] && check_path(vm, "kernel", vm->kernel, err))
		return -1;
	if (vm->initrd[0] && check_path(vm, "initrd", vm->initrd, err))
		return -1;
	if (strlen(vm->append) > APPEND_LIMIT)
		return error_set(
			err, ERROR_USAGE, "VM %s: append is longer than %d bytes", vm->name, APPEND_LIMIT);
	return 0;
}

static int check_disks(const Holdfast__Vm *vm, struct error *err)
{
	if (vm->n_disks > QEMU_DISKS_MAX)
		return error_set(err, ERROR_USAGE, "VM %s has %zu disks; %d are possible", vm->name,
			vm->n_disks, QEMU_DISKS_MAX);
	for (size_t i = 0; i < vm->n_disks; i++) {
		if (name_check("disk", vm->disks[i]->name, err))
			return error_prefix(err, "VM %s", vm->name);
		for (size_t k = 0; k < i; k++)
			if (!strcmp(vm->disks[i]->name, vm->disks[k]->name))
				return error_set(err, ERROR_USAGE, "VM %s has two disks of the name %s",
					vm->name, vm->disks[i]->name);
	}
	return 0;
}

static int check_nics(const Holdfast__Vm *vm, struct error *err)
{
	if (vm->n_nics > SHAPE_NICS_MAX)
		return error_set(err, ERROR_USAGE, "VM %s has %zu NICs; %d are possible", vm->name,
			vm->n_nics, SHAPE_NICS_MAX);
	for (size_t i = 0; i < vm->n_nics; i++) {
		if (vm->plugged && !qemu_nic_there(vm, i))
			continue;
		const char *mac = vm->nics[i]->mac;
		if (mac[0] && !looks_like(mac, "xx:xx:xx:xx:xx:xx"))
			return error_set(
				err, ERROR_USAGE, "VM %s: \"%.31s\" is not a MAC address", vm->name, mac);
	}
	return 0;
}

int qemu_definition_check(const Holdfast__Vm *vm, struct error *err)
{
	if (name_check("VM", vm->name, err))
		return -1;
	if (vm->cpus < 1 || vm->cpus > CPUS_MAX)
		return error_set(err, ERROR_USAGE, "VM %s: cpus must be 1 to %d, not %" PRIu32, vm->name,
			CPUS_MAX, vm->cpus);
	if (vm->memory_mib < MEMORY_MIN_MIB || vm->memory_mib > MEMORY_MAX_MIB)
		return error_set(err, ERROR_USAGE, "VM %s: memory must be %d to %u MiB, not %" PRIu64,
			vm->name, MEMORY_MIN_MIB, MEMORY_MAX_MIB, vm->memory_mib);
	if (check_boot(vm, err) || check_disks(vm, err) || check_nics(vm, err) || shape_check(vm, err) ||
		control_check(vm, err) || health_check(vm, err))
		return -1;
	if (vm->n_serials > QEMU_SERIALS_MAX)
		return error_set(err, ERROR_USAGE, "VM %s has %zu further serial ports; %d are possible",
			vm->name, vm->n_serials, QEMU_SERIALS_MAX);
	for (size_t i = 0; i < vm->n_serials; i++)
		if (check_path(vm, "a serial port", vm->serials[i]->path, err))
			return -1;
	if (vm->restart_limit > RUNDIR_RESTARTS)
		return error_set(err, ERROR_USAGE, "VM %s: the restart limit must be at most %d", vm->name,
			RUNDIR_RESTARTS);
	if (vm->uuid[0] && !looks_like(vm->uuid, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"))
		return error_set(err, ERROR_USAGE, "VM %s: \"%.63s\" is not a UUID", vm->name, vm->uuid);
	return 0;
}
