// SPDX-License-Identifier: GPL-3.0-or-later
// See qemu-devices.h, which has the map of places.
#include "hypervisor/qemu-devices.h"
#include <stdio.h>
#include "hypervisor/qemu-args.h"
#include "proto/shape.h"
#include "proto/health.h"

enum { FDSET_CDROM = 32 };
enum { PORTS_PER_SLOT = 8, PORT_SLOT = 0x10, DISK_PORTS = SHAPE_DISK_PORTS_MAX, PORTS = DISK_PORTS + SHAPE_NIC_PORTS_MAX };
enum { BOOT_CLASS_SIZE = 32 };	// more than there are devices of a class: a disk that is plugged in takes no NIC's place

static void set_string(json_t *device, const char *key, const char *text)
{
	json_object_set_new(device, key, json_string(text));
}

static void set_number(json_t *device, const char *key, const char *format, size_t number)
	__attribute__((format(printf, 3, 0)));
static void set_number(json_t *device, const char *key, const char *format, size_t number)
{
	char text[QEMU_ID_BYTES];
	snprintf(text, sizeof(text), format, number);
	set_string(device, key, text);
}

static json_t *new_device(const char *driver, const char *id_format, size_t i)
{
	json_t *device = json_pack("{s:s}", "driver", driver);
	set_number(device, "id", id_format, i);
	return device;
}

// ---- places

static void put_at(const Holdfast__Vm *vm, json_t *device, unsigned slot)
{
	set_string(device, "bus", shape_has_pcie(vm) ? "pcie.0" : "pci.0");
	set_number(device, "addr", "%zx", slot);
}

static void put_fixed(const Holdfast__Vm *vm, json_t *device, unsigned q35, unsigned i440fx)
{
	put_at(vm, device, shape_has_pcie(vm) ? q35 : i440fx);
}

static void put_at_port(json_t *device, size_t port)
{
	char place[QEMU_ID_BYTES];
	snprintf(place, sizeof(place), "%zx.%zu", PORT_SLOT + port / PORTS_PER_SLOT, port % PORTS_PER_SLOT);
	set_string(device, "bus", "pcie.0");
	set_string(device, "addr", place);
}

static bool has_port(const Holdfast__Vm *vm, size_t port)
{
	if (!shape_has_pcie(vm))
		return false;
	if (port % PORTS_PER_SLOT == 0) // a slot's first function, without which no other one is found
		return true;
	return port < DISK_PORTS ? port < shape_disk_ports(vm) : port - DISK_PORTS < shape_nic_ports(vm);
}

static void put_virtio_disk(const Holdfast__Vm *vm, json_t *device, size_t i)
{
	if (!shape_has_pcie(vm))
		put_at(vm, device, 0xc + (unsigned)i);
	else if (i < DISK_PORTS && has_port(vm, i))
		set_number(device, "bus", "port%zu", i);
	else if (i < DISK_PORTS)
		put_at_port(device, i);
	else
		put_at(vm, device, i < 14 ? 0xc + (unsigned)i - DISK_PORTS : 0x1a + (unsigned)i - 14);
}

static bool nic_has_port(const Holdfast__Vm *vm, size_t i)
{
	Holdfast__NicModel model = shape_nic_model(vm, vm->nics[i]);
	bool express = model == HOLDFAST__NIC_MODEL__NIC_VIRTIO || model == HOLDFAST__NIC_MODEL__NIC_E1000E;
	return express && i < PORTS - DISK_PORTS && has_port(vm, DISK_PORTS + i);
}

static void set_boot_index(const Holdfast__Vm *vm, json_t *device, enum shape_boot what, size_t i)
{
	int place = shape_boot_place(vm, what);
	if (place >= 0)
		json_object_set_new(
			device, "bootindex", json_integer(1 + place * BOOT_CLASS_SIZE + (json_int_t)i));
}

// ---- disks

bool qemu_disk_has_iothread(const Holdfast__Vm *vm, size_t i)
{
	return shape_disk_bus(vm, vm->disks[i]) == HOLDFAST__DISK_BUS__BUS_VIRTIO;
}

json_t *qemu_disk_iothread(size_t i)
{
	json_t *object = json_pack("{s:s}", "qom-type", "iothread");
	set_number(object, "id", "io%zu", i);
	return object;
}

bool qemu_disk_pluggable(const Holdfast__Vm *vm, size_t i)
{
	Holdfast__DiskBus bus = shape_disk_bus(vm, vm->disks[i]);
	if (bus == HOLDFAST__DISK_BUS__BUS_VIRTIO)
		return !shape_has_pcie(vm) || (i < DISK_PORTS && has_port(vm, i));
	return bus == HOLDFAST__DISK_BUS__BUS_SCSI;
}

static json_t *place_disk(const Holdfast__Vm *vm, size_t i)
{
	json_t *device;
	switch (shape_disk_bus(vm, vm->disks[i])) {
	case HOLDFAST__DISK_BUS__BUS_SCSI:
		device = new_device("scsi-hd", "vdisk%zu", i);
		set_string(device, "bus", "scsi0.0");
		json_object_set_new(device, "scsi-id", json_integer((json_int_t)i));
		return device;
	case HOLDFAST__DISK_BUS__BUS_SATA:
		device = new_device("ide-hd", "vdisk%zu", i);
		set_number(device, "bus", "ide.%zu", i);
		return device;
	case HOLDFAST__DISK_BUS__BUS_IDE:
		device = new_device("ide-hd", "vdisk%zu", i);
		set_number(device, "bus", "ide.%zu", i / 2);
		json_object_set_new(device, "unit", json_integer((json_int_t)(i % 2)));
		return device;
	default:
		device = new_device("virtio-blk-pci", "vdisk%zu", i);
		put_virtio_disk(vm, device, i);
		set_number(device, "iothread", "io%zu", i);
		return device;
	}
}

json_t *qemu_disk_device(const Holdfast__Vm *vm, size_t i)
{
	json_t *device = place_disk(vm, i);
	set_number(device, "drive", "disk%zu", i);
	set_boot_index(vm, device, SHAPE_BOOT_DISK, i);
	set_string(device, "werror", "stop");
	set_string(device, "rerror", "stop");
	// Block sizes are explicit: the placeholder cannot report the real device's.
	json_object_set_new(device, "logical_block_size", json_integer(512));
	json_object_set_new(device, "physical_block_size", json_integer(512));
	set_string(device, "write-cache", "on");
	return device;
}

// ---- NICs

bool qemu_nic_pluggable(const Holdfast__Vm *vm, size_t i)
{
	return !shape_has_pcie(vm) || nic_has_port(vm, i);
}

json_t *qemu_nic_device(const Holdfast__Vm *vm, size_t i)
{
	static const char *const drivers[] = {
		[HOLDFAST__NIC_MODEL__NIC_VIRTIO] = "virtio-net-pci",
		[HOLDFAST__NIC_MODEL__NIC_E1000] = "e1000",
		[HOLDFAST__NIC_MODEL__NIC_E1000E] = "e1000e",
		[HOLDFAST__NIC_MODEL__NIC_RTL8139] = "rtl8139",
	};
	json_t *device = new_device(drivers[shape_nic_model(vm, vm->nics[i])], "nic%zu", i);
	set_number(device, "netdev", "net%zu", i);
	if (nic_has_port(vm, i))
		set_number(device, "bus", "port%zu", DISK_PORTS + i);
	else
		put_fixed(vm, device, 0x12 + (unsigned)i, 0x18 + (unsigned)i);
	if (vm->nics[i]->mac[0])
		set_string(device, "mac", vm->nics[i]->mac);
	// The ROM is for booting from the network only, and slow to start.
	if (vm->kernel[0] || shape_boot_place(vm, SHAPE_BOOT_NETWORK) < 0)
		set_string(device, "romfile", "");
	else
		set_boot_index(vm, device, SHAPE_BOOT_NETWORK, i);
	return device;
}

json_t *qemu_nic_backend(const Holdfast__Vm *vm, size_t i, const char *fd)
{
	json_t *backend = json_pack("{s:s}", "type", fd ? "tap" : "user");
	set_number(backend, "id", "net%zu", i);
	if (fd)
		set_string(backend, "fd", fd);
	return backend;
}

// ---- CD-ROMs

int qemu_cdrom_fdset(size_t i, size_t medium)
{
	return FDSET_CDROM + (int)(medium * SHAPE_CDROMS_MAX + i);
}

json_t *qemu_cdrom_node(size_t i, int fdset)
{
	char path[QEMU_ID_BYTES];
	json_t *file = json_pack("{s:s s:b}", "driver", "file", "read-only", 1);
	json_t *node = json_pack("{s:s s:b}", "driver", "raw", "read-only", 1);
	snprintf(path, sizeof(path), "/dev/fdset/%d", fdset);
	set_string(file, "filename", path);
	set_number(file, "node-name", "cdfile%zu", i);
	set_number(node, "node-name", "cdrom%zu", i);
	json_object_set_new(node, "file", file);
	return node;
}

json_t *qemu_cdrom_device(const Holdfast__Vm *vm, size_t i, bool medium)
{
	json_t *device = new_device("ide-cd", "cd%zu", i);
	if (shape_has_pcie(vm)) {
		set_number(device, "bus", "ide.%zu", 5 - i);
	} else {
		set_number(device, "bus", "ide.%zu", (3 - i) / 2);
		json_object_set_new(device, "unit", json_integer((json_int_t)((3 - i) % 2)));
	}
	if (medium)
		set_number(device, "drive", "cdrom%zu", i);
	set_boot_index(vm, device, SHAPE_BOOT_CDROM, i);
	return device;
}

// ---- what every VM has

static json_t *root_port(size_t i)
{
	json_t *device = new_device("pcie-root-port", "port%zu", i);
	put_at_port(device, i);
	json_object_set_new(device, "chassis", json_integer(1 + (json_int_t)i));
	json_object_set_new(device, "port", json_integer((json_int_t)i));
	if (i % PORTS_PER_SLOT == 0)
		json_object_set_new(device, "multifunction", json_true());
	return device;
}

static bool has_scsi(const Holdfast__Vm *vm)
{
	if (vm->plugged && vm->plugged->scsi)
		return true;
	for (size_t i = 0; i < vm->n_disks; i++)
		if (shape_disk_bus(vm, vm->disks[i]) == HOLDFAST__DISK_BUS__BUS_SCSI)
			return true;
	return false;
}

// What tells of a guest in trouble. A panic notifier costs nothing; without it a panic looks like an idle guest.
static void add_health(const Holdfast__Vm *vm, json_t *list)
{
	if (health_on_panic(vm) != HOLDFAST__HEALTH_ACTION__HEALTH_IGNORE)
		json_array_append_new(list, json_pack("{s:s s:s}", "driver", "pvpanic", "id", "pvpanic0"));
	if (!health_watchdog(vm))
		return;
	json_t *device = json_pack("{s:s s:s}", "driver", "i6300esb", "id", "watchdog0");
	put_fixed(vm, device, 0x1d, 0xa);
	json_array_append_new(list, device);
}

json_t *qemu_fixed_devices(const Holdfast__Vm *vm)
{
	json_t *list = json_array(), *device;
	for (size_t i = 0; i < PORTS; i++)
		if (has_port(vm, i))
			json_array_append_new(list, root_port(i));
	device = json_pack("{s:s s:s s:s}", "driver", "virtio-rng-pci", "id", "vrng0", "rng", "rng0");
	put_fixed(vm, device, 0x9, 0x5);
	json_array_append_new(list, device);
	// A guest that runs out of memory takes some of it back.
	device = json_pack("{s:s s:s s:b}", "driver", "virtio-balloon-pci", "id", "balloon0", "deflate-on-oom", 1);
	put_fixed(vm, device, 0x1c, 0xb);
	json_array_append_new(list, device);
	device = json_pack("{s:s s:s}", "driver", "virtio-serial-pci", "id", "vserial0");
	put_fixed(vm, device, 0xa, 0x6);
	json_array_append_new(list, device);
	json_array_append_new(list,
		json_pack("{s:s s:s s:s s:i s:s s:s}", "driver", "virtserialport", "id", "guestagent0", "bus",
			"vserial0.0", "nr", 1, "chardev", "guestagent", "name", "org.qemu.guest_agent.0"));
	if (has_scsi(vm)) {
		device = json_pack("{s:s s:s}", "driver", "virtio-scsi-pci", "id", "scsi0");
		put_fixed(vm, device, 0xb, 0x7);
		json_array_append_new(list, device);
	}
	if (vm->vga == HOLDFAST__VGA__VGA_STD) {
		device = json_pack("{s:s s:s}", "driver", "VGA", "id", "vga0");
		put_fixed(vm, device, 0x8, 0x4);
		json_array_append_new(list, device);
	}
	add_health(vm, list);
	return list;
}
