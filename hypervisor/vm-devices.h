// SPDX-License-Identifier: GPL-3.0-or-later
// What QEMU gets as descriptors for a VM's devices besides its disks: media of CD-ROM drives, taps, UEFI's firmware. Opened before the spawn, closed
// here after it.
#ifndef HYPERVISOR_VM_DEVICES_H
#define HYPERVISOR_VM_DEVICES_H

#include "common/spawn.h"
#include "hypervisor/qemu-args.h"
#include "hypervisor/vm.h"

struct vm_devices {
	int taps[SHAPE_NICS_MAX], cdroms[SHAPE_CDROMS_MAX];
	int uefi_code, uefi_vars;
};
#define VM_DEVICES_FDS (SHAPE_NICS_MAX + SHAPE_CDROMS_MAX + 2)

int vm_devices_open(const struct vm *vm, enum vm_spawn kind, struct vm_devices *devices, struct error *err) MUST_CHECK;	// waits
void vm_devices_close(struct vm_devices *devices);
// Numbers them from NEXT on, in PARAMS and in the list of descriptors, which has COUNT entries and gets more.
void vm_devices_pass(const struct vm_devices *devices, int next, struct qemu_params *params, struct spawn_fd *fds, size_t *count);

// An image for a CD-ROM drive, read-only. ERROR_NOT_FOUND, ERROR_USAGE: no file or block device.
int vm_cdrom_open(const char *vm, const char *path, int *fd, struct error *err) MUST_CHECK;

// Once QEMU answers: it listens for VNC at vnc.sock in the VM's run directory, which is root's.
int vm_vnc_listen(struct vm *vm, struct error *err) MUST_CHECK;	// waits

#endif
