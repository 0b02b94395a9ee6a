// SPDX-License-Identifier: GPL-3.0-or-later
// QEMU's devices for a VM, as JSON for -device and device_add alike, each at a fixed place: the same definition gives the same guest on each node,
// and what is plugged in while it runs gets the place that it has after the next start. Pure.
//
// q35, bus pcie.0                                   i440fx, bus pci.0
//   01-07  left to QEMU                               02-03, 08-09  left to QEMU
//   08 VGA, 09 rng, 0a virtio-serial, 0b virtio-scsi  04 VGA, 05 rng, 06 virtio-serial, 07 virtio-scsi
//   1c balloon, 1d watchdog                           0b balloon, 0a watchdog
//   10.0-11.7  root ports "port0" to "port15": virtio disks 0 to 9, then virtio and e1000e NICs 0 to 5; what they do not use is for hot-plug.
//              A VM has the first of each kind only (shape_disk_ports, shape_nic_ports), and port 8, function 0 of its slot, always; a disk
//              without a port stands in its place, a NIC at its number's
//   0c-0f, 1a-1b  virtio disks 10 to 15               0c-17  virtio disks 0 to 11
//   12-19  all other NICs, by number                  18-1f  NICs, by number
//   SATA ports 0 to 3 disks, 5 and 4 CD-ROMs          IDE units from 0 on disks, from 3 down CD-ROMs
#ifndef HYPERVISOR_QEMU_DEVICES_H
#define HYPERVISOR_QEMU_DEVICES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "proto/definition.pb-c.h"

#define QEMU_ID_BYTES 32

// Disk I: block node "diskI", device "vdiskI"; a virtio disk's I/O is done in the iothread "ioI".
json_t *qemu_disk_device(const Holdfast__Vm *vm, size_t i);
bool qemu_disk_has_iothread(const Holdfast__Vm *vm, size_t i);
json_t *qemu_disk_iothread(size_t i);		// for -object and object-add
bool qemu_disk_pluggable(const Holdfast__Vm *vm, size_t i);	// while the guest runs, in and out

// NIC I: device "nicI" on the back end "netI". FD: of its tap, as a number or as getfd has named it; NULL for the user-mode network.
json_t *qemu_nic_device(const Holdfast__Vm *vm, size_t i);
json_t *qemu_nic_backend(const Holdfast__Vm *vm, size_t i, const char *fd);	// for -netdev and netdev_add
bool qemu_nic_pluggable(const Holdfast__Vm *vm, size_t i);

// CD-ROM drive I: device "cdI"; with a medium in it the block node "cdromI" over an fd set: qemu_cdrom_fdset(I, 0)
// for the one that it is started with, and another one of the drive's for each that follows.
#define QEMU_CDROM_FDSETS 16
json_t *qemu_cdrom_device(const Holdfast__Vm *vm, size_t i, bool medium);
json_t *qemu_cdrom_node(size_t i, int fdset);
int qemu_cdrom_fdset(size_t i, size_t medium);

// What every VM has, in the order that it is created in: root ports, controllers, rng, balloon, the guest agent's channel (chardev "guestagent"),
// VGA, pvpanic, the watchdog.
json_t *qemu_fixed_devices(const Holdfast__Vm *vm);	// an array

#endif
