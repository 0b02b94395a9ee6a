// SPDX-License-Identifier: GPL-3.0-or-later
// What making a VM and changing one have in common: the checks, and the parts that the cluster gives numbers to.
#ifndef CLUSTERD_VM_DEFINE_H
#define CLUSTERD_VM_DEFINE_H

#include "clusterd/cib.h"
#include "clusterd/clusterd.h"

// The definition by itself.
int vm_check(const Holdfast__Vm *vm, struct error *err) MUST_CHECK;
// Against every node that may have to run it. Disks without a volume are new ones; the group's VM of the same name does not count.
int vm_check_nodes(struct clusterd *cd, const struct cib_group *group, const Holdfast__Vm *vm, struct error *err) MUST_CHECK;	// waits
// A volume of GROUP for a new disk.
void vm_name_disk(const Holdfast__Group *group, const Holdfast__Vm *vm, size_t i); // a new one
int vm_add_volume(const struct cib_snapshot *cib, Holdfast__Group *group, const Holdfast__Vm *vm, Holdfast__Disk *disk,
	struct error *err) MUST_CHECK;
uint32_t vm_next_volume(const Holdfast__Group *group);	// the index that the next one gets
// MAC addresses for the NICs that have none; ERROR_EXISTS if one has that of another VM.
int vm_fill_nics(const struct cib_snapshot *cib, Holdfast__Vm *vm, struct error *err) MUST_CHECK;

// ERROR_UNSAFE if it is up.
int vm_check_off(struct clusterd *cd, const struct cib_group *group, const Holdfast__Vm *vm, struct error *err) MUST_CHECK;	// waits
// A VM of a group that runs: its hypervisord learns of its new definition now, the others with the group's next start.
int vm_tell_owner(struct clusterd *cd, const struct cib_group *group, const Holdfast__Vm *vm, struct error *err) MUST_CHECK;	// waits

#endif
