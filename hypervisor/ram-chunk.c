// SPDX-License-Identifier: GPL-3.0-or-later
// See ram-chunk.h.
#include "hypervisor/ram-chunk.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

uint64_t ram_chunks_of(uint64_t bytes)
{
	return (bytes + SAVE_CHUNK_BYTES - 1) / SAVE_CHUNK_BYTES;
}

uint64_t ram_chunks(const struct save_header *header)
{
	uint64_t count = 0;
	for (size_t i = 0; i < header->ram_count; i++)
		count += ram_chunks_of(header->rams[i].bytes);
	return count;
}

size_t ram_chunk_backend(const struct save_header *header, uint64_t *number)
{
	size_t backend = 0;
	while (*number >= ram_chunks_of(header->rams[backend].bytes))
		*number -= ram_chunks_of(header->rams[backend++].bytes);
	return backend;
}

uint32_t ram_chunk_bytes(uint64_t backend_bytes, uint64_t number)
{
	uint64_t left = backend_bytes - number * SAVE_CHUNK_BYTES;
	return left < SAVE_CHUNK_BYTES ? (uint32_t)left : SAVE_CHUNK_BYTES;
}

static bool is_zero(const uint8_t *page)
{
	uint64_t first;
	memcpy(&first, page, sizeof(first));
	return !first && !memcmp(page, page + sizeof(first), SAVE_PAGE - sizeof(first));
}

unsigned ram_pages_note(const uint8_t *bytes, uint32_t count, unsigned first, uint8_t pages[RAM_BITMAP_BYTES])
{
	unsigned used = 0;
	for (unsigned page = 0; page < count / SAVE_PAGE; page++) {
		if (is_zero(bytes + page * SAVE_PAGE))
			continue;
		pages[(first + page) / 8] |= (uint8_t)(1u << (first + page) % 8);
		used++;
	}
	return used;
}

void ram_pages_run(const uint8_t pages[RAM_BITMAP_BYTES], unsigned *page, unsigned *count)
{
	while (*page < SAVE_CHUNK_PAGES && !save_page_has(pages, *page))
		++*page;
	for (*count = 0; *page + *count < SAVE_CHUNK_PAGES && save_page_has(pages, *page + *count);)
		++*count;
}

int ram_data_find(int fd, uint64_t at, uint64_t end, struct ram_data *known, uint64_t *from, uint64_t *to,
	struct error *err)
{
	if (known->fd != fd || at < known->from || at >= known->to) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA);
		off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
		if (data < 0 && errno == ENXIO)
			return 0;
		if (data < 0 || hole < 0)
			return error_set_errno(err, errno, "cannot read the guest's memory");
		*known = (struct ram_data){ fd, (uint64_t)data, (uint64_t)hole };
	}
	*from = at > known->from ? at : known->from;
	*to = end < known->to ? end : known->to;
	return *from < end;
}
