// SPDX-License-Identifier: GPL-3.0-or-later
// The index of a saved state: whatever is accepted stays inside the file and the memory that the head describes, and is read back the same.
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "hypervisor/save-index.h"

static void check(const struct save_index *index, const struct save_header *header)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < index->count; i++) {
		const struct save_chunk *chunk = &index->chunks[i];
		fuzz_assert(chunk->at >= SAVE_HEADER_BYTES && chunk->at + chunk->bytes <= header->index_at);
		fuzz_assert(chunk->bytes <= SAVE_CHUNK_BYTES && chunk->content <= chunk->bytes);
		bytes += chunk->bytes;
		if (chunk->kind != SAVE_RAM)
			continue;
		fuzz_assert(chunk->backend < header->ram_count);
		fuzz_assert((uint64_t)chunk->number * SAVE_CHUNK_BYTES < header->rams[chunk->backend].bytes);
	}
	fuzz_assert(bytes == header->index_at - SAVE_HEADER_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct save_header header = { .ram_count = 2,
		.rams = { { "ram0", 5 * SAVE_CHUNK_BYTES + 8192 }, { "dimm1", 2 * SAVE_CHUNK_BYTES } },
		.index_at = SAVE_HEADER_BYTES + 3 * SAVE_PAGE };
	struct save_index index, twice;
	struct error err = ERROR_INIT;
	uint8_t *again;
	size_t size;
	if (save_index_decode(bytes, count, &header, &index, &err)) {
		fuzz_assert(err.code == ERROR_UNSAFE);
		return 0;
	}
	check(&index, &header);
	fuzz_assert(save_index_encode(&index, &again, &size, &err) == 0);
	fuzz_assert(save_index_decode(again, size, &header, &twice, &err) == 0 && twice.count == index.count);
	fuzz_assert(!memcmp(index.chunks, twice.chunks, index.count * sizeof(*index.chunks)));
	free(again);
	save_index_done(&index);
	save_index_done(&twice);
	return 0;
}
