// SPDX-License-Identifier: GPL-3.0-or-later
// The index of a saved state: where each chunk is, what it is of and its sum. Pure; an index is believed only if its chunks fill the file between
// head and index without gap or overlap, no page comes twice, and streams are whole.
#ifndef HYPERVISOR_SAVE_INDEX_H
#define HYPERVISOR_SAVE_INDEX_H

#include "hypervisor/save-header.h"

#define SAVE_PAGE 4096u
#define SAVE_CHUNK_PAGES 256u
#define SAVE_CHUNK_BYTES (SAVE_CHUNK_PAGES * SAVE_PAGE)

enum save_kind {
	SAVE_RAM,		// the pages of PAGES of memory NUMBER * SAVE_CHUNK_BYTES onwards, one behind the other; the others are zero
	SAVE_DEVICES,		// piece NUMBER of QEMU's stream
	SAVE_DEFINITION,	// piece NUMBER of the VM's definition, as JSON
	SAVE_KINDS
};

struct save_chunk {
	enum save_kind kind;
	uint8_t backend;	// SAVE_RAM: of header.rams
	uint32_t number;
	uint64_t at;		// in the file
	uint32_t bytes;		// there, a multiple of SAVE_PAGE, up to SAVE_CHUNK_BYTES
	uint32_t content;	// of them that mean something; the rest are zeros
	uint64_t sum;		// XXH3 of bytes
	uint8_t pages[SAVE_CHUNK_PAGES / 8];
};

struct save_index {
	struct save_chunk *chunks;	// sorted by kind, backend, number once decoded
	size_t count;
};

void save_index_done(struct save_index *index);
// *bytes is aligned for direct I/O and the caller's to free; its size is a multiple of SAVE_PAGE.
int save_index_encode(const struct save_index *index, uint8_t **bytes, size_t *size, struct error *err) MUST_CHECK;
// ERROR_UNSAFE: it is damaged. Of HEADER the backends and index_at are used.
int save_index_decode(const uint8_t *bytes, size_t size, const struct save_header *header, struct save_index *index,
	struct error *err) MUST_CHECK;
// The chunks of one kind, in order.
void save_index_of(const struct save_index *index, enum save_kind kind, const struct save_chunk **first, size_t *count);

static inline bool save_page_has(const uint8_t *pages, unsigned page)
{
	return pages[page / 8] & (1u << page % 8);
}

#endif
