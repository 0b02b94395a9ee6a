// SPDX-License-Identifier: GPL-3.0-or-later
// The memory of a checkpoint: QEMU's stream in a file, under a SHA-256. It is copied while the guest runs; the guest stands still only for the last
// pages and for what is done at the instant.
#ifndef HYPERVISOR_CHECKPOINT_MEMORY_H
#define HYPERVISOR_CHECKPOINT_MEMORY_H

#include "hypervisor/vm-private.h"

struct checkpoint_memory {
	const char *path;
	int (*at_instant)(void *data, struct error *err);	// while the guest stands still
	void *data;
	uint64_t bytes;		// in, of a load; out, of a save
	char sha256[65];	// the same
	double pause_ms;	// out: how long the guest stood still, at most
};

// The VM is running or paused, and is so again afterwards, whatever happens. A file that is not complete is removed.
int checkpoint_memory_save(struct vm *vm, struct checkpoint_memory *memory, struct error *err) MUST_CHECK;	// waits
// Into a QEMU that was spawned INCOMING and has its disks.
int checkpoint_memory_load(struct vm *vm, struct checkpoint_memory *memory, struct error *err) MUST_CHECK;	// waits
// Whether the file is what was saved. ERROR_UNSAFE.
int checkpoint_memory_verify(const struct checkpoint_memory *memory, struct error *err) MUST_CHECK;		// waits
// What it may need at most.
uint64_t checkpoint_memory_bytes(const struct vm *vm);
// After a save that was interrupted by the end of hypervisord: the guest goes on if it ran.
int checkpoint_memory_settle(struct vm *vm, struct error *err) MUST_CHECK;	// waits

#endif
