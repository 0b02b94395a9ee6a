// SPDX-License-Identifier: GPL-3.0-or-later
// Long work on the disks of a VM that is off: imports, exports, clones. It goes on without the group's mutex, so that the group's other VMs can be
// used and are restarted meanwhile; its VM cannot be started, deleted or moved. A stop of the group breaks it off and waits for its end.
#ifndef HYPERVISOR_DISK_WORK_H
#define HYPERVISOR_DISK_WORK_H

#include "common/rpc.h"
#include "hypervisor/group-private.h"
#include "hypervisor/image-place.h"

struct disk_work {
	struct disk_work *next;
	struct group *group;
	char vm[64];
	char text[160];			// "import of /x.qcow2"
	struct task *task;
	bool broken_off;		// by a stop of the group, which has its mutex and takes care of the volumes
	struct rpc_call *call;		// progress goes there
};

// One disk of a VM, as it is defined now. VM and GROUP are copies.
struct disk_place {
	Holdfast__Group *group;
	Holdfast__Vm *vm;
	const Holdfast__Disk *disk;	// in vm
};
// With the group's mutex held. NAME is VM.DISK.
int disk_place_find(struct group *group, const char *name, struct disk_place *place, struct error *err) MUST_CHECK;
// A VM, without any one disk.
int disk_place_vm(struct group *group, const char *vm, struct disk_place *place, struct error *err) MUST_CHECK;
void disk_place_done(struct disk_place *place);
// The group here that has a volume of this name, or an error.
struct group *disk_group_of(struct hypervisor *hv, const char *volume, struct error *err) MUST_CHECK;

#define DISK_WORK_ALL "*"	// as REWRITE: all disks of the VM

// Begins work on VM: the group's mutex is held. The VM is off and has no saved state, nothing else is done with it, its disks are whole (unless
// REWRITE names the one that is written anew; it gets its mark), and the volumes are usable here until disk_work_end.
int disk_work_begin(struct disk_work *work, struct group *group, const Holdfast__Vm *vm, const char *rewrite,
	struct error *err) MUST_CHECK;	// waits
// Without the mutex. WHOLE: the disk REWRITE (may be NULL) is whole now, and its mark goes. FAILED says why it is not. If the group is offline its
// volumes are given up again.
int disk_work_end(struct disk_work *work, const Holdfast__Vm *vm, const char *rewrite, const struct error *failed,
	struct error *err) MUST_CHECK;	// waits

void disk_work_end_locked(struct disk_work *work);	// waits; of short work that rewrote nothing, the mutex held all the time

// What is being done with VM (NULL: any VM of the group), or NULL.
const char *disk_work_on(const struct group *group, const char *vm);
// With the mutex held: all work on the group is over afterwards.
int disk_works_break_off(struct group *group, unsigned timeout_ms, struct error *err) MUST_CHECK;	// waits
// Before VM is started: its disks are whole, by the marks in STATE, and nothing is done with them.
int disk_work_check_start(struct vm *vm, const char *state, struct error *err) MUST_CHECK;	// waits

int disk_import(struct hypervisor *hv, struct rpc_call *call, struct group *group, const Holdfast__VolumeImport *import,
	struct error *err) MUST_CHECK;	// waits; takes the group locked and unlocks it
int disk_export(struct hypervisor *hv, struct rpc_call *call, struct group *group, const Holdfast__VolumeExport *export,
	struct error *err) MUST_CHECK;	// the same
// disk-grow.c. SPEC with a disk of BYTES (whole MiB) and a volume for it; PLACE points into it. ERROR_UNSAFE if it would be smaller.
int disk_grow_place(Holdfast__GroupSpec *spec, const char *name, uint64_t bytes, struct disk_place *place, struct error *err) MUST_CHECK;
// The steps of a growth here, with the group's mutex held; PLACE is of the new definition.
int disk_grow_check(const struct group *group, const struct disk_place *place, struct error *err) MUST_CHECK;
int disk_grow_backing(struct group *group, const struct disk_place *place, struct error *err) MUST_CHECK;	// waits
int disk_grow_device(struct group *group, const struct disk_place *place, struct error *err) MUST_CHECK;	// waits

// The disk at PLACE into a new file, under WORK, which has begun.
int disk_export_to(struct disk_work *work, const struct disk_place *place, const struct image_place *to, Holdfast__ImageFormat format,
	struct error *err) MUST_CHECK;	// waits

#endif
