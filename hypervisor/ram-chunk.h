// SPDX-License-Identifier: GPL-3.0-or-later
// Guest memory in chunks of SAVE_CHUNK_BYTES, of which only pages that are not zero travel: how a saved state and a move both see it. Pure, but for
// the look at holes.
#ifndef HYPERVISOR_RAM_CHUNK_H
#define HYPERVISOR_RAM_CHUNK_H

#include "hypervisor/save-index.h"

#define RAM_BITMAP_BYTES (SAVE_CHUNK_PAGES / 8)

uint64_t ram_chunks_of(uint64_t bytes);
uint64_t ram_chunks(const struct save_header *header);	// of all its backends
// Of all chunks, *number is a backend's: which, and *number counts within it.
size_t ram_chunk_backend(const struct save_header *header, uint64_t *number);
uint32_t ram_chunk_bytes(uint64_t backend_bytes, uint64_t number);	// the last one may be shorter
// Notes the pages of BYTES (of COUNT bytes) that are not zero, beginning with page FIRST of the chunk. Returns how many.
unsigned ram_pages_note(const uint8_t *bytes, uint32_t count, unsigned first, uint8_t pages[RAM_BITMAP_BYTES]);
// The next run of noted pages from *page on: *count of them, 0 if there is none.
void ram_pages_run(const uint8_t pages[RAM_BITMAP_BYTES], unsigned *page, unsigned *count);

// What was last found to be data, so that the walk over it is not made again for each chunk.
struct ram_data {
	int fd;		// -1: nothing yet
	uint64_t from, to;
};
// The first piece of [at, end) of FD that is no hole. 1: there is one; it may be cut short at END.
int ram_data_find(int fd, uint64_t at, uint64_t end, struct ram_data *known, uint64_t *from, uint64_t *to, struct error *err) MUST_CHECK;

#endif
