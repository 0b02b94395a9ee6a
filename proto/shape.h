// SPDX-License-Identifier: GPL-3.0-or-later
// What follows from a VM's definition alone: machine type, buses, models, the order it boots in; and what is filled in when a VM is made. Pure, and
// the same for clusterd, which decides, and hypervisord, which builds. Knows nothing of QEMU's command line.
#ifndef PROTO_SHAPE_H
#define PROTO_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include "common/error.h"
#include "proto/definition.pb-c.h"

// Versioned: a saved or moved guest meets the same devices, also under a newer QEMU.
#define SHAPE_MACHINE_Q35 "pc-q35-7.2"
#define SHAPE_MACHINE_I440FX "pc-i440fx-7.2"	// has IDE, and no PCI Express
#define SHAPE_DISKS_MAX 16
#define SHAPE_NICS_MAX 8
#define SHAPE_CDROMS_MAX 2
#define SHAPE_NETWORK_USER "user"

// The definition's, or what one gets that says nothing.
const char *shape_machine(const Holdfast__Vm *vm);
bool shape_has_pcie(const Holdfast__Vm *vm);
Holdfast__DiskBus shape_disk_bus(const Holdfast__Vm *vm, const Holdfast__Disk *disk);	// never AUTO
Holdfast__NicModel shape_nic_model(const Holdfast__Vm *vm, const Holdfast__Nic *nic);	// never AUTO
// A network of the node's configuration, which each possible node must have.
bool shape_is_bridged(const Holdfast__Nic *nic);

enum shape_boot { SHAPE_BOOT_DISK, SHAPE_BOOT_CDROM, SHAPE_BOOT_NETWORK };
// The place of this class of devices in the boot order, from 0; -1: it is not in it.
int shape_boot_place(const Holdfast__Vm *vm, enum shape_boot what);

// Root ports: for virtio disks, then for NICs; what a VM has at most, and at least when it is made (one more disk or two can be plugged in).
#define SHAPE_DISK_PORTS_MAX 10
#define SHAPE_NIC_PORTS_MAX 6
#define SHAPE_DISK_PORTS_MIN 4
#define SHAPE_NIC_PORTS_MIN 2
size_t shape_disk_ports(const Holdfast__Vm *vm);
size_t shape_nic_ports(const Holdfast__Vm *vm);

// Fills in what is decided once, when a VM is made: the machine type and its ports, and the names of its NICs.
int shape_fill(Holdfast__Vm *vm, struct error *err) MUST_CHECK;
// Whether the parts fit each other; the message names the field. The texts in it are checked too: they reach QEMU's command line.
int shape_check(const Holdfast__Vm *vm, struct error *err) MUST_CHECK;

#define SHAPE_MAC_BYTES 18
void shape_mac(uint32_t random, char mac[SHAPE_MAC_BYTES]);
// Whether a NIC of VM has this MAC address, in whatever case it is written.
bool shape_has_mac(const Holdfast__Vm *vm, const char *mac);

#endif
