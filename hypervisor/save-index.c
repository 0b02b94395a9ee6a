// SPDX-License-Identifier: GPL-3.0-or-later
// Codec and check of a saved state's index: 16 bytes of magic and count, then 64 bytes a chunk, zeros to the next page. Pure.
#include "hypervisor/save-index.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define ENTRY_BYTES 64
#define ENTRIES_AT 16
#define COUNT_MAX (1u << 24) // 16 TiB

static const char magic[8] = "HFINDEX";

void save_index_done(struct save_index *index)
{
	free(index->chunks);
	*index = (struct save_index){ 0 };
}

static void put32(uint8_t *to, uint32_t value)
{
	value = htole32(value);
	memcpy(to, &value, 4);
}

static void put64(uint8_t *to, uint64_t value)
{
	value = htole64(value);
	memcpy(to, &value, 8);
}

static uint32_t get32(const uint8_t *from)
{
	uint32_t value;
	memcpy(&value, from, 4);
	return le32toh(value);
}

static uint64_t get64(const uint8_t *from)
{
	uint64_t value;
	memcpy(&value, from, 8);
	return le64toh(value);
}

int save_index_encode(const struct save_index *index, uint8_t **bytes, size_t *size, struct error *err)
{
	*size = (ENTRIES_AT + index->count * ENTRY_BYTES + SAVE_PAGE - 1) / SAVE_PAGE * SAVE_PAGE;
	*bytes = index->count <= COUNT_MAX ? aligned_alloc(SAVE_PAGE, *size) : NULL;
	if (!*bytes)
		return error_set(err, ERROR_FAILED, "no memory for the index of a saved state");
	memset(*bytes, 0, *size);
	memcpy(*bytes, magic, sizeof(magic));
	put64(*bytes + 8, index->count);
	for (size_t i = 0; i < index->count; i++) {
		const struct save_chunk *chunk = &index->chunks[i];
		uint8_t *entry = *bytes + ENTRIES_AT + i * ENTRY_BYTES;
		entry[0] = (uint8_t)chunk->kind;
		entry[1] = chunk->backend;
		put32(entry + 4, chunk->number);
		put64(entry + 8, chunk->at);
		put32(entry + 16, chunk->bytes);
		put32(entry + 20, chunk->content);
		put64(entry + 24, chunk->sum);
		memcpy(entry + 32, chunk->pages, sizeof(chunk->pages));
	}
	return 0;
}

static void get_chunk(const uint8_t *entry, struct save_chunk *chunk)
{
	chunk->kind = entry[0];
	chunk->backend = entry[1];
	chunk->number = get32(entry + 4);
	chunk->at = get64(entry + 8);
	chunk->bytes = get32(entry + 16);
	chunk->content = get32(entry + 20);
	chunk->sum = get64(entry + 24);
	memcpy(chunk->pages, entry + 32, sizeof(chunk->pages));
}

static bool ram_chunk_good(const struct save_chunk *chunk, const struct save_header *header)
{
	uint32_t pages = 0;
	if (chunk->backend >= header->ram_count || chunk->content != chunk->bytes)
		return false;
	uint64_t backend_pages = header->rams[chunk->backend].bytes / SAVE_PAGE;
	for (unsigned page = 0; page < SAVE_CHUNK_PAGES; page++) {
		if (!save_page_has(chunk->pages, page))
			continue;
		pages++;
		if ((uint64_t)chunk->number * SAVE_CHUNK_PAGES + page >= backend_pages)
			return false;
	}
	return pages * SAVE_PAGE == chunk->bytes;
}

static bool chunk_good(const struct save_chunk *chunk, const struct save_header *header)
{
	if (chunk->kind >= SAVE_KINDS || !chunk->bytes || chunk->bytes % SAVE_PAGE ||
		chunk->bytes > SAVE_CHUNK_BYTES)
		return false;
	if (chunk->kind == SAVE_RAM)
		return ram_chunk_good(chunk, header);
	return !chunk->backend && chunk->content <= chunk->bytes && chunk->content + SAVE_PAGE > chunk->bytes;
}

static int by_place(const void *a, const void *b)
{
	const struct save_chunk *left = a, *right = b;
	return left->at < right->at ? -1 : left->at > right->at;
}

static int by_meaning(const void *a, const void *b)
{
	const struct save_chunk *left = a, *right = b;
	if (left->kind != right->kind)
		return left->kind < right->kind ? -1 : 1;
	if (left->backend != right->backend)
		return left->backend < right->backend ? -1 : 1;
	return left->number < right->number ? -1 : left->number > right->number;
}

static bool fills_the_file(const struct save_index *index, uint64_t end)
{
	uint64_t at = SAVE_HEADER_BYTES;
	for (size_t i = 0; i < index->count; i++) {
		if (index->chunks[i].at != at)
			return false;
		at += index->chunks[i].bytes;
	}
	return at == end;
}

// Memory: nothing twice. Streams: from 0 on without gap, and only the last piece may be short.
static bool in_order(const struct save_index *index)
{
	for (size_t i = 0; i < index->count; i++) {
		const struct save_chunk *chunk = &index->chunks[i], *last = i ? chunk - 1 : NULL;
		bool same = last && last->kind == chunk->kind && last->backend == chunk->backend;
		if (chunk->kind == SAVE_RAM) {
			if (same && last->number == chunk->number)
				return false;
		} else if (chunk->number != (same ? last->number + 1 : 0) ||
			(same && last->content != last->bytes)) {
			return false;
		}
	}
	return true;
}

int save_index_decode(const uint8_t *bytes, size_t size, const struct save_header *header,
	struct save_index *index, struct error *err)
{
	*index = (struct save_index){ 0 };
	uint64_t count = size >= ENTRIES_AT && !memcmp(bytes, magic, sizeof(magic)) ? get64(bytes + 8) : 0;
	if (!count || count > COUNT_MAX || ENTRIES_AT + count * ENTRY_BYTES > size)
		return error_set(err, ERROR_UNSAFE, "its index is damaged");
	index->chunks = calloc(count, sizeof(*index->chunks));
	if (!index->chunks)
		return error_set(err, ERROR_FAILED, "no memory for the index of a saved state");
	index->count = count;
	bool good = true;
	for (size_t i = 0; i < count && good; i++) {
		get_chunk(bytes + ENTRIES_AT + i * ENTRY_BYTES, &index->chunks[i]);
		good = chunk_good(&index->chunks[i], header);
	}
	if (good) {
		qsort(index->chunks, count, sizeof(*index->chunks), by_place);
		good = fills_the_file(index, header->index_at);
	}
	if (good) {
		qsort(index->chunks, count, sizeof(*index->chunks), by_meaning);
		good = in_order(index);
	}
	if (good)
		return 0;
	save_index_done(index);
	return error_set(err, ERROR_UNSAFE, "its index makes no sense");
}

void save_index_of(
	const struct save_index *index, enum save_kind kind, const struct save_chunk **first, size_t *count)
{
	size_t begin = 0, end;
	while (begin < index->count && index->chunks[begin].kind != kind)
		begin++;
	for (end = begin; end < index->count && index->chunks[end].kind == kind;)
		end++;
	*first = index->chunks + begin;
	*count = end - begin;
}
