// SPDX-License-Identifier: GPL-3.0-or-later
// See vm-devices.h. Whether the parts fit each other is checked by the daemon.
#include "ctl/vm-devices.h"

#include <string.h>

static int fill_cdroms(const struct args *args, struct vm_devices_parts *parts, Holdfast__Vm *vm, struct error *err)
{
	vm->n_cdroms = args_count(args, "cdrom");
	if (vm->n_cdroms > VM_CDROMS_MAX)
		return error_set(err, ERROR_USAGE, "--cdrom is given %zu times: %d are possible", vm->n_cdroms,
			VM_CDROMS_MAX);
	for (size_t i = 0; i < vm->n_cdroms; i++) {
		char *path = args_text_at(args, "cdrom", i);
		bool empty = !strcmp(path, "empty");
		if (!empty && path[0] != '/')
			return error_set(err, ERROR_USAGE,
				"--cdrom: \"%.60s\" is no absolute path, nor \"empty\" for a drive with nothing in "
				"it",
				path);
		holdfast__cdrom__init(&parts->cdroms[i]);
		if (!empty)
			parts->cdroms[i].path = path;
		parts->cdrom_list[i] = &parts->cdroms[i];
	}
	vm->cdroms = parts->cdrom_list;
	return 0;
}

static int fill_boot(const struct args *args, struct vm_devices_parts *parts, Holdfast__Vm *vm, struct error *err)
{
	vm->n_boot_order = args_count(args, "boot");
	if (vm->n_boot_order > VM_BOOT_MAX)
		return error_set(err, ERROR_USAGE, "--boot: give disk, cdrom and network, each once at most");
	for (size_t i = 0; i < vm->n_boot_order; i++)
		parts->boot[i] = args_text_at(args, "boot", i);
	vm->boot_order = parts->boot;
	return 0;
}

int vm_devices_fill(const struct args *args, struct vm_devices_parts *parts, Holdfast__Vm *vm, struct error *err)
{
	vm->os = (Holdfast__Os)args_number(args, "os", HOLDFAST__OS__OS_LINUX);
	vm->firmware = (Holdfast__Firmware)args_number(args, "firmware", HOLDFAST__FIRMWARE__FIRMWARE_BIOS);
	vm->bits = args_number(args, "bits", 0) == 1 ? 32 : 64; // its place among the choices
	vm->cpu_model = args_text(args, "cpu-model");
	vm->vga = (Holdfast__Vga)args_number(args, "vga", HOLDFAST__VGA__VGA_STD);
	vm->agent = args_flag(args, "agent");
	return fill_cdroms(args, parts, vm, err) || fill_boot(args, parts, vm, err) ? -1 : 0;
}
