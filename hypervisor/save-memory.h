// SPDX-License-Identifier: GPL-3.0-or-later
// Guest memory to and from a saved state, by several threads: each takes the next chunk, leaves zero pages out, sums and writes the rest; or reads,
// checks and puts it back. Touches only its struct, for task_offload. The guest stands still meanwhile.
#ifndef HYPERVISOR_SAVE_MEMORY_H
#define HYPERVISOR_SAVE_MEMORY_H

#include "hypervisor/save-file.h"

struct save_memory {
	int fds[SAVE_RAMS_MAX];		// of the backends, in the head's order (hypervisor/guest-ram.h); their owner closes them
	const struct save_header *header;
	struct save_writer *writer;	// of a save
	int file;			// of a restore
	const struct save_chunk *chunks;	// of a restore: save_index_of(SAVE_RAM)
	size_t chunk_count;
	int64_t deadline_us;		// of a restore
};

void save_memory_init(struct save_memory *memory, const struct save_header *header);
void save_memory_done(struct save_memory *memory);	// closes the fds
uint64_t save_memory_used(const struct save_memory *memory);	// bytes that are allocated: no more than this will be written
int save_memory_write(void *memory, struct error *err);
// Into memory that is all zero.
int save_memory_read(void *memory, struct error *err);

#endif
