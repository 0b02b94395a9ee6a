// SPDX-License-Identifier: GPL-3.0-or-later
// A whole VM in a directory: vm.json (its definition), DISK.qcow2 for each disk, and SHA256SUMS of all of them, written last and in the form of
// sha256sum(1). What does not agree with it is refused.
#ifndef HYPERVISOR_VM_IMAGE_H
#define HYPERVISOR_VM_IMAGE_H

#include "hypervisor/disk-work.h"

// Takes the group locked and unlocks it. The VM is off. Nothing is left behind when it fails.
int vm_image_write(struct rpc_call *call, struct group *group, const Holdfast__VmExport *wish, struct error *err) MUST_CHECK;	// waits
// The definition, after everything there has been checked by its sum; the caller frees it.
int vm_image_read(const struct hypervisor *hv, const char *directory, Holdfast__Vm **vm, struct error *err) MUST_CHECK;	// waits
// Opens DISK's file in it, for reading.
int vm_image_open(const struct hypervisor *hv, const char *directory, const char *disk, int *fd,
	struct error *err) MUST_CHECK;	// waits

// disk-fill.c: the disks of the new VM WISH->name, from another VM of the group or from a directory. Takes the group locked and unlocks it.
int disk_fill(struct rpc_call *call, struct group *group, const Holdfast__VmFill *wish, struct error *err) MUST_CHECK;	// waits

#endif
