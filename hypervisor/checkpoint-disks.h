// SPDX-License-Identifier: GPL-3.0-or-later
// The part of a checkpoint that is in a VM's disks: a snapshot in each qcow2 image, called holdfast-ID. With a QEMU it is asked (all disks at one
// instant), without one the images are at rest and qemu-img works on them.
#ifndef HYPERVISOR_CHECKPOINT_DISKS_H
#define HYPERVISOR_CHECKPOINT_DISKS_H

#include "hypervisor/vm-private.h"

// Whether all disks of DEFINITION that the guest can write can have checkpoints; what to do if not.
int checkpoint_disks_possible(const Holdfast__Vm *definition, struct error *err) MUST_CHECK;
int checkpoint_disks_take(struct vm *vm, const char *id, struct error *err) MUST_CHECK;		// waits
// THEN: the definition that the checkpoint was taken of. Its disks need not be the VM's any more, as long as their volumes are there.
// ERROR_UNSAFE if a disk has no snapshot of ID.
int checkpoint_disks_have(struct vm *vm, const Holdfast__Vm *then, const char *id, struct error *err) MUST_CHECK;	// waits
// What is not there is fine.
int checkpoint_disks_delete(struct vm *vm, const Holdfast__Vm *then, const char *id, struct error *err) MUST_CHECK;	// waits
// Sets the disks to what they were; the VM has no QEMU. May be done again.
int checkpoint_disks_apply(struct vm *vm, const Holdfast__Vm *then, const char *id, struct error *err) MUST_CHECK;	// waits
// The volume that DISK was made with; NULL: it was deleted since, whoever has its number now.
const Holdfast__Volume *checkpoint_disk_volume(const Holdfast__Group *group, const struct vm *vm, const Holdfast__Disk *disk);

#endif
