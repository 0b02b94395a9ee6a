// SPDX-License-Identifier: GPL-3.0-or-later
// Checkpoints of a VM: memory, devices, disks and configuration, as a tree. Each change is written to the tree
// (checkpoint-store.h) before it is done, so that after a crash anywhere, here or on the node that takes the group over,
// there is the whole checkpoint or none of it. The caller holds the group's mutex; the group is online here, and its
// state volume is mounted at DIRECTORY.
#ifndef HYPERVISOR_CHECKPOINT_H
#define HYPERVISOR_CHECKPOINT_H

#include "hypervisor/checkpoint-tree.h"
#include "hypervisor/vm-private.h"

// A guest that an earlier hypervisord was taking a checkpoint of goes on.
int checkpoint_let_go(struct vm *vm, struct error *err) MUST_CHECK;	// waits
// Finishes or undoes what an earlier hypervisord had begun. Nothing to do for a VM that cannot have checkpoints.
int checkpoint_settle(struct vm *vm, const char *directory, struct error *err) MUST_CHECK;	// waits
// That WANTED leaves the VM the disks that its checkpoints are in.
int checkpoint_check_disks(struct vm *vm, const Holdfast__Vm *wanted, struct error *err) MUST_CHECK;	// waits
Holdfast__CheckpointTree *checkpoint_read(struct vm *vm, const char *directory, struct error *err) MUST_CHECK;	// waits

struct checkpoint_taken {
	char id[24], name[64];
	double duration_ms, pause_ms;
};
// A guest that runs stands still for the last pages only and runs on, also when it fails. NAME "": the id.
int checkpoint_take(struct vm *vm, const char *directory, const char *name, struct checkpoint_taken *taken,
	struct error *err) MUST_CHECK;	// waits
// The VM's disks and configuration are those of WHICH ("": the current one); its QEMU has ended. What was not taken is
// lost. A checkpoint that is damaged is refused before anything is lost. *memory: whether its memory waits for
// checkpoint_resume.
int checkpoint_apply(struct vm *vm, const char *directory, const char *which, bool *memory, struct error *err) MUST_CHECK;	// waits
int checkpoint_delete(struct vm *vm, const char *directory, const char *which, enum checkpoint_extent extent,
	struct error *err) MUST_CHECK;	// waits

// Lets the VM go on with the memory of the checkpoint that was applied. 1: it runs (or is paused, as it was); 0: there
// is none; ERROR_UNSAFE: it is damaged, and is not asked for again.
int checkpoint_resume(struct vm *vm, const char *directory, struct error *err) MUST_CHECK;	// waits
// It is not to go on with it.
int checkpoint_forget_memory(struct vm *vm, const char *directory, struct error *err) MUST_CHECK;	// waits

Holdfast__CheckpointStatus *checkpoint_status(const Holdfast__CheckpointTree *tree, const Holdfast__CheckpointRecord *record);	// the caller frees it

#endif
