// SPDX-License-Identifier: GPL-3.0-or-later
// See shape.h. The defaults by operating system are those of definition.proto.
#include "proto/shape.h"
#include "proto/text.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "common/name.h"

#define WORD_LIMIT 64
#define PATH_LIMIT 1024

#define SATA_DISKS 4 // of the six ports; the last two are for CD-ROMs
#define IDE_UNITS 4
#define PCI_DISKS 12 // places on i440fx

static bool wants_ide(const Holdfast__Vm *vm)
{
	for (size_t i = 0; i < vm->n_disks; i++)
		if (vm->disks[i]->bus == HOLDFAST__DISK_BUS__BUS_IDE)
			return true;
	return false;
}

static bool wants_sata(const Holdfast__Vm *vm)
{
	for (size_t i = 0; i < vm->n_disks; i++)
		if (vm->disks[i]->bus == HOLDFAST__DISK_BUS__BUS_SATA)
			return true;
	return false;
}

static const char *choose_machine(const Holdfast__Vm *vm)
{
	bool old = vm->os == HOLDFAST__OS__OS_OTHER && vm->firmware == HOLDFAST__FIRMWARE__FIRMWARE_BIOS;
	if (wants_ide(vm) || (old && !wants_sata(vm)))
		return SHAPE_MACHINE_I440FX;
	return SHAPE_MACHINE_Q35;
}

const char *shape_machine(const Holdfast__Vm *vm)
{
	return vm->machine[0] ? vm->machine : SHAPE_MACHINE_Q35;
}

bool shape_has_pcie(const Holdfast__Vm *vm)
{
	return strstr(shape_machine(vm), "q35") != NULL;
}

Holdfast__DiskBus shape_disk_bus(const Holdfast__Vm *vm, const Holdfast__Disk *disk)
{
	if (disk->bus != HOLDFAST__DISK_BUS__BUS_AUTO)
		return disk->bus;
	if (vm->os == HOLDFAST__OS__OS_LINUX)
		return HOLDFAST__DISK_BUS__BUS_VIRTIO;
	return shape_has_pcie(vm) ? HOLDFAST__DISK_BUS__BUS_SATA : HOLDFAST__DISK_BUS__BUS_IDE;
}

Holdfast__NicModel shape_nic_model(const Holdfast__Vm *vm, const Holdfast__Nic *nic)
{
	if (nic->model != HOLDFAST__NIC_MODEL__NIC_AUTO)
		return nic->model;
	switch (vm->os) {
	case HOLDFAST__OS__OS_WINDOWS:
		return HOLDFAST__NIC_MODEL__NIC_E1000E;
	case HOLDFAST__OS__OS_OTHER:
		return HOLDFAST__NIC_MODEL__NIC_E1000;
	default:
		return HOLDFAST__NIC_MODEL__NIC_VIRTIO;
	}
}

bool shape_is_bridged(const Holdfast__Nic *nic)
{
	return strcmp(nic->network, SHAPE_NETWORK_USER) != 0;
}

// ---- the boot order

static const char *const boot_words[] = { "disk", "cdrom", "network" };
#define BOOT_WORDS (sizeof(boot_words) / sizeof(boot_words[0]))

int shape_boot_place(const Holdfast__Vm *vm, enum shape_boot what)
{
	if (!vm->n_boot_order)
		return (int)what;
	for (size_t i = 0; i < vm->n_boot_order; i++)
		if (!strcmp(vm->boot_order[i], boot_words[what]))
			return (int)i;
	return -1;
}

static int check_boot_order(const Holdfast__Vm *vm, struct error *err)
{
	for (size_t i = 0; i < vm->n_boot_order; i++) {
		bool known = false;
		for (size_t k = 0; k < BOOT_WORDS; k++)
			known |= !strcmp(vm->boot_order[i], boot_words[k]);
		if (!known)
			return error_set(err, ERROR_USAGE,
				"VM %s: it cannot boot from \"%.30s\": give disk, cdrom or network", vm->name,
				vm->boot_order[i]);
		for (size_t k = 0; k < i; k++)
			if (!strcmp(vm->boot_order[i], vm->boot_order[k]))
				return error_set(err, ERROR_USAGE, "VM %s: \"%s\" is twice in its boot order",
					vm->name, vm->boot_order[i]);
	}
	return 0;
}

// ---- the check

// A word that may stand in one of QEMU's option lists.
static int check_word(const Holdfast__Vm *vm, const char *what, const char *word, struct error *err)
{
	bool good = strlen(word) <= WORD_LIMIT;
	for (const char *c = word; *c; c++)
		good &= isalnum((unsigned char)*c) || strchr("._-", *c) != NULL;
	if (good)
		return 0;
	return error_set(err, ERROR_USAGE, "VM %s: \"%.30s\" is no %s", vm->name, word, what);
}

static int check_machine(const Holdfast__Vm *vm, struct error *err)
{
	if (check_word(vm, "machine type", vm->machine, err) ||
		check_word(vm, "CPU model", vm->cpu_model, err))
		return -1;
	if (vm->bits != 0 && vm->bits != 32 && vm->bits != 64)
		return error_set(err, ERROR_USAGE, "VM %s: a processor has 32 or 64 bits, not %u", vm->name,
			(unsigned)vm->bits);
	if (vm->firmware == HOLDFAST__FIRMWARE__FIRMWARE_UEFI && vm->bits == 32)
		return error_set(err, ERROR_USAGE,
			"VM %s: the UEFI firmware needs a 64-bit processor: give it BIOS, or 64 bits",
			vm->name);
	if ((unsigned)vm->os > HOLDFAST__OS__OS_OTHER ||
		(unsigned)vm->firmware > HOLDFAST__FIRMWARE__FIRMWARE_UEFI ||
		(unsigned)vm->vga > HOLDFAST__VGA__VGA_NONE)
		return error_set(err, ERROR_USAGE,
			"VM %s: its os, firmware or vga is not known to this version", vm->name);
	return 0;
}

static int check_buses(const Holdfast__Vm *vm, struct error *err)
{
	bool pcie = shape_has_pcie(vm);
	for (size_t i = 0; i < vm->n_disks; i++) {
		Holdfast__DiskBus bus = shape_disk_bus(vm, vm->disks[i]);
		const char *name = vm->disks[i]->name;
		if ((unsigned)bus > HOLDFAST__DISK_BUS__BUS_IDE)
			return error_set(err, ERROR_USAGE, "VM %s: the bus of %s is not known to this version",
				vm->name, name);
		if (bus == HOLDFAST__DISK_BUS__BUS_IDE && pcie)
			return error_set(err, ERROR_USAGE,
				"VM %s: machine type %s has no IDE for %s: give it bus=sata, or make the VM "
				"with all its disks on ide or virtio",
				vm->name, shape_machine(vm), name);
		if (bus == HOLDFAST__DISK_BUS__BUS_SATA && !pcie)
			return error_set(err, ERROR_USAGE,
				"VM %s: machine type %s has no SATA for %s: give it bus=ide", vm->name,
				shape_machine(vm), name);
		if (bus == HOLDFAST__DISK_BUS__BUS_SATA && i >= SATA_DISKS)
			return error_set(err, ERROR_USAGE,
				"VM %s: %s cannot be on SATA, which has room for the first %d disks: give it "
				"bus=virtio or bus=scsi",
				vm->name, name, SATA_DISKS);
		if (bus == HOLDFAST__DISK_BUS__BUS_VIRTIO && !pcie && i >= PCI_DISKS)
			return error_set(err, ERROR_USAGE,
				"VM %s: machine type %s has no room for %s: %d virtio disks at most", vm->name,
				shape_machine(vm), name, PCI_DISKS);
		if (bus == HOLDFAST__DISK_BUS__BUS_IDE && i + vm->n_cdroms >= IDE_UNITS)
			return error_set(err, ERROR_USAGE,
				"VM %s: there is no room on IDE for %s: disks and CD-ROMs are %d at most; "
				"give it bus=virtio or bus=scsi",
				vm->name, name, IDE_UNITS);
	}
	return 0;
}

static int check_cdroms(const Holdfast__Vm *vm, struct error *err)
{
	if (vm->n_cdroms > SHAPE_CDROMS_MAX)
		return error_set(err, ERROR_USAGE, "VM %s has %zu CD-ROM drives; %d are possible", vm->name,
			vm->n_cdroms, SHAPE_CDROMS_MAX);
	for (size_t i = 0; i < vm->n_cdroms; i++) {
		const char *path = vm->cdroms[i]->path;
		if (path[0] && path[0] != '/')
			return error_set(err, ERROR_USAGE,
				"VM %s: CD-ROM %.60s is no absolute path: the VM may run on other nodes",
				vm->name, path);
		if (strlen(path) > PATH_LIMIT)
			return error_set(err, ERROR_USAGE, "VM %s: the path of a CD-ROM is longer than %d bytes",
				vm->name, PATH_LIMIT);
		for (const char *c = path; *c; c++)
			if (iscntrl((unsigned char)*c))
				return error_set(err, ERROR_USAGE,
					"VM %s: the path of a CD-ROM has a control character", vm->name);
	}
	return 0;
}

static int check_nics(const Holdfast__Vm *vm, struct error *err)
{
	for (size_t i = 0; i < vm->n_nics; i++) {
		const Holdfast__Nic *nic = vm->nics[i];
		if (vm->plugged && !nic->network[0]) // the place of one that was taken out
			continue;
		if (name_check("network", nic->network, err))
			return error_prefix(err, "VM %s", vm->name);
		if ((unsigned)nic->model > HOLDFAST__NIC_MODEL__NIC_RTL8139)
			return error_set(err, ERROR_USAGE,
				"VM %s: the model of a NIC is not known to this version", vm->name);
		if (shape_nic_model(vm, nic) == HOLDFAST__NIC_MODEL__NIC_E1000E && !shape_has_pcie(vm))
			return error_set(err, ERROR_USAGE,
				"VM %s: machine type %s has no PCI Express for an e1000e: give it model=e1000",
				vm->name, shape_machine(vm));
	}
	return 0;
}

int shape_check(const Holdfast__Vm *vm, struct error *err)
{
	if (check_machine(vm, err) || check_boot_order(vm, err) || check_cdroms(vm, err) ||
		check_buses(vm, err))
		return -1;
	return check_nics(vm, err);
}

// ---- made once

static size_t between(size_t least, size_t value, size_t most)
{
	return value < least ? least : value > most ? most : value;
}

size_t shape_disk_ports(const Holdfast__Vm *vm)
{
	return vm->disk_ports ? between(1, vm->disk_ports, SHAPE_DISK_PORTS_MAX) : SHAPE_DISK_PORTS_MAX;
}

size_t shape_nic_ports(const Holdfast__Vm *vm)
{
	return vm->disk_ports ? between(0, vm->nic_ports, SHAPE_NIC_PORTS_MAX) : SHAPE_NIC_PORTS_MAX;
}

int shape_fill(Holdfast__Vm *vm, struct error *err)
{
	bool made = !vm->machine[0];
	if (made && proto_set_text(&vm->machine, choose_machine(vm), err))
		return -1;
	if (made && shape_has_pcie(vm)) {
		vm->disk_ports =
			(uint32_t)between(SHAPE_DISK_PORTS_MIN, vm->n_disks + 2, SHAPE_DISK_PORTS_MAX);
		vm->nic_ports = (uint32_t)between(SHAPE_NIC_PORTS_MIN, vm->n_nics + 1, SHAPE_NIC_PORTS_MAX);
	}
	for (size_t i = 0; i < vm->n_nics; i++) {
		char name[32];
		snprintf(name, sizeof(name), "nic%zu", i);
		if (!vm->nics[i]->name[0] && proto_set_text(&vm->nics[i]->name, name, err))
			return -1;
	}
	return 0;
}

void shape_mac(uint32_t random, char mac[SHAPE_MAC_BYTES])
{
	snprintf(mac, SHAPE_MAC_BYTES, "52:54:00:%02x:%02x:%02x", (unsigned)(random & 0xff),
		(unsigned)(random >> 8 & 0xff), (unsigned)(random >> 16 & 0xff));
}

bool shape_has_mac(const Holdfast__Vm *vm, const char *mac)
{
	for (size_t i = 0; i < vm->n_nics; i++)
		if (!strcasecmp(vm->nics[i]->mac, mac))
			return true;
	return false;
}
