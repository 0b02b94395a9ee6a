// SPDX-License-Identifier: GPL-3.0-or-later
// QEMU's command line for a VM, and the JSON of its block nodes. Pure: opens nothing, asks nothing. Everything that both sides of a move must have
// alike (machine type, devices and their order) comes from the definition alone.
#ifndef HYPERVISOR_QEMU_ARGS_H
#define HYPERVISOR_QEMU_ARGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"
#include "proto/definition.pb-c.h"
#include "proto/shape.h"

#define QEMU_DISKS_MAX SHAPE_DISKS_MAX
#define QEMU_SERIALS_MAX 3		// besides the console: a PC has four

struct qemu_params {
	const Holdfast__Vm *vm;
	const char *qemu;		// the program
	bool kvm, incoming;
	bool prealloc;			// touch all memory before the greeting
	const uint64_t *disk_bytes;	// of each disk, as the guest sees it
	int qmp_fd, agent_fd, console_fd;	// listening sockets, as numbered in QEMU
	int log_fd;			// console.log
	int ram_fd;			// its memory (hypervisor/guest-ram.h)
	int serial_fds[QEMU_SERIALS_MAX];
	int guest_agent_fd;		// a listening socket too
	int tap_fds[SHAPE_NICS_MAX];	// of the NICs on bridges
	int cdrom_fds[SHAPE_CDROMS_MAX];	// of the drives with a medium
	int uefi_code_fd, uefi_vars_fd;	// with UEFI: its code, read-only; a private copy of its variables
};

// *argv ends with NULL; freed with qemu_args_free.
int qemu_args_build(const struct qemu_params *params, char ***argv, struct error *err) MUST_CHECK;
void qemu_args_free(char **argv);

// In the definition that a running guest has, the place of a disk or NIC that was taken out stays, empty: those behind it keep their number.
bool qemu_disk_there(const Holdfast__Vm *vm, size_t i);
bool qemu_nic_there(const Holdfast__Vm *vm, size_t i);

// What the definition must be like before anything is done with it; the message names the field.
int qemu_definition_check(const Holdfast__Vm *vm, struct error *err) MUST_CHECK;
// Guest RAM as QEMU gets it. Under TCG 8 KiB more than defined: with a size that is a multiple of 256 KiB migration corrupts it.
uint64_t qemu_ram_kib(const Holdfast__Vm *vm, bool kvm);

// What the guest was started with; memory_mib may be more by now.
uint64_t qemu_boot_memory_mib(const Holdfast__Vm *vm);
uint32_t qemu_boot_cpus(const Holdfast__Vm *vm);
uint32_t qemu_cpus_max(const Holdfast__Vm *vm);	// never less than its cpus
// Size of the virtio-mem device (id QEMU_GROWTH_ID) that it can grow into while it runs, of which memory_mib less the boot memory is in use;
// 0: it has none. A 64-bit Linux has the driver. Linux makes use of it in whole units.
#define QEMU_GROWTH_ID "growth0"
#define QEMU_GROWTH_UNIT_MIB 128u
#define QEMU_GROWTH_STEP_MIB 4
uint64_t qemu_growth_mib(const Holdfast__Vm *vm);

// Block nodes of disk I. What the device sees is always "diskI", and what is below it changes:
//     disk - hold                  no volume. HOLD fails every read and write and keeps the request: a guest that runs on it by mistake stops
//                                  and loses nothing
//     disk - real                  raw data on its volume
//     disk - qcow - real           qcow2 on a device
//     disk - qcow - span - real    qcow2 in a file, which span keeps from growing past its volume
// A differencing disk's qcow node has "pareI", its parent, besides.
// The qcow node exists only while the volume is here, so that it always reads fresh metadata. QMP's snapshot commands take "diskI".
json_t *qemu_hold_node(size_t i, uint64_t bytes);
json_t *qemu_real_node(size_t i, bool device);	// on the fd set qemu_disk_fdset(i)
// With what is below it in one node: added one by one while memory comes in, those before its end would be inactive and those after it not. Over
// PARENT, which is taken, or (NULL) over nothing: whatever the header says.
json_t *qemu_qcow_node(size_t i, bool device, uint64_t bytes, json_t *parent);
json_t *qemu_parent_node(size_t i, bool device, Holdfast__DiskFormat format);	// of a differencing disk, on the fd set qemu_parent_fdset(i)
int qemu_parent_fdset(size_t i);
json_t *qemu_disk_node(size_t i, const char *below);	// BELOW: "hold", "real" or "qcow"
int qemu_disk_fdset(size_t i);
void qemu_disk_device_id(size_t i, char id[32]);	// of the device that is over diskI

// UEFI's variables: "vars" is what the flash device writes to, over "varshold", a private copy that is read at the start, or "varsreal", those of
// the group's state volume.
enum qemu_vars { QEMU_VARS_HOLD, QEMU_VARS_REAL };
json_t *qemu_vars_node(enum qemu_vars below);
json_t *qemu_vars_file_node(enum qemu_vars below);	// on its fd set
int qemu_vars_fdset(enum qemu_vars which);

#endif
