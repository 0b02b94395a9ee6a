// SPDX-License-Identifier: GPL-3.0-or-later
// The files of saved states in a group's state directory: VM.saved (complete), VM.saving (not yet), VM.used (let run again), VM.refused, and
// VM.generation, the count of the times that the VM's disks began to change: at every cold boot, save and restore. A saved state is of one
// generation. Blocking (fsync): everything here but saved_open and saved_match is for a worker thread.
#ifndef HYPERVISOR_SAVED_STATE_H
#define HYPERVISOR_SAVED_STATE_H

#include <stddef.h>
#include "hypervisor/save-header.h"

struct saved_state {
	const char *directory;
	const char *vm;
};

int saved_path(const struct saved_state *state, const char *suffix, char *path, size_t size, struct error *err) MUST_CHECK;
int saved_generation(const struct saved_state *state, uint64_t *generation, struct error *err) MUST_CHECK;
// The next generation, durable.
int saved_generation_next(const struct saved_state *state, uint64_t *generation, struct error *err) MUST_CHECK;
// VM.saving is complete: writes its head, and it is VM.saved, durably.
int saved_finish(const struct saved_state *state, int fd, const struct save_header *header, struct error *err) MUST_CHECK;
// Opens VM.saved and reads its head. ERROR_NOT_FOUND: there is none; ERROR_UNSAFE: it must not be restored.
int saved_open(const struct saved_state *state, struct save_header *header, int *fd, struct error *err) MUST_CHECK;
// Whether what was opened may be restored into what WANTED describes, whose generation is filled in: else ERROR_UNSAFE.
int saved_match(const struct saved_state *state, const struct save_header *header, struct save_header *wanted, int fd,
	struct error *err) MUST_CHECK;
// VM.saved is VM.used and the generation is past it, durably: from now on nobody restores it.
int saved_mark_used(const struct saved_state *state, struct error *err) MUST_CHECK;
// VM.saved is VM.refused, kept for whoever wants to look.
int saved_refuse(const struct saved_state *state, struct error *err) MUST_CHECK;
// Before a cold boot: no saved state is left, and the generation is the next one.
int saved_discard(const struct saved_state *state, struct error *err) MUST_CHECK;
int saved_exists(const struct saved_state *state);	// 1 or 0

#endif
