// SPDX-License-Identifier: GPL-3.0-or-later
// The files of a VM's checkpoints in its group's state directory: VM.checkpoints (the tree, always written whole and durably: the journal of
// everything that is done with checkpoints), VM.memory-ID, and VM.vars-ID, UEFI's variables.
#ifndef HYPERVISOR_CHECKPOINT_STORE_H
#define HYPERVISOR_CHECKPOINT_STORE_H

#include <stddef.h>
#include "hypervisor/checkpoint-tree.h"

struct checkpoint_store {
	const char *directory;	// mounted
	const char *vm, *uuid;
};

// An empty one if there is none, or if it is of an earlier VM of that name. ERROR_UNSAFE if it is damaged.
int checkpoint_load(const struct checkpoint_store *store, Holdfast__CheckpointTree **tree, struct error *err) MUST_CHECK;
int checkpoint_save(const struct checkpoint_store *store, const Holdfast__CheckpointTree *tree, struct error *err) MUST_CHECK;	// waits
int checkpoint_memory_path(const struct checkpoint_store *store, const char *id, char *path, size_t size, struct error *err) MUST_CHECK;
// UEFI's variables of the VM (hypervisor/vm-uefi.h) are kept for ID, and are again what was kept for it. Without any there is nothing to do.
int checkpoint_keep_vars(const struct checkpoint_store *store, const char *id, struct error *err) MUST_CHECK;	// waits
int checkpoint_put_vars(const struct checkpoint_store *store, const char *id, struct error *err) MUST_CHECK;	// waits
// What is in the directory and not in TREE goes.
int checkpoint_sweep(const struct checkpoint_store *store, const Holdfast__CheckpointTree *tree, struct error *err) MUST_CHECK;
// ERROR_NO_SPACE with the figures unless BYTES fit and KEEP_BYTES are free after that.
int checkpoint_room(const struct checkpoint_store *store, const Holdfast__Group *group, uint64_t bytes, uint64_t keep_bytes,
	struct error *err) MUST_CHECK;

#endif
