// SPDX-License-Identifier: GPL-3.0-or-later
// See memory-wire.h. Nothing that comes in is used before it was held against the memory that there is.
#include "migrate/memory-wire.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "migrate/memory-pack.h"

#define MAGIC 0x314d4648u // "HFM1"

static void put32(uint8_t *bytes, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get32(const uint8_t *bytes)
{
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

void memory_head_encode(const struct memory_head *head, uint8_t bytes[MEMORY_HEAD_BYTES])
{
	memset(bytes, 0, MEMORY_HEAD_BYTES);
	put32(bytes, MAGIC);
	bytes[4] = (uint8_t)head->kind;
	bytes[5] = head->backend;
	bytes[6] = head->packed;
	put32(bytes + 8, head->number);
	put32(bytes + 12, head->count);
	if (head->kind == MEMORY_CHUNK) {
		memcpy(bytes + 16, head->pages, RAM_BITMAP_BYTES);
		return;
	}
	put32(bytes + 16, (uint32_t)head->lane_pages);
	put32(bytes + 20, (uint32_t)(head->lane_pages >> 32));
}

static int wrong(struct error *err, const char *what)
{
	return error_set(err, ERROR_PROTOCOL, "the stream of a VM's memory is wrong: %s", what);
}

static int decode_chunk(const struct save_header *rams, struct memory_head *head, struct error *err)
{
	unsigned set = 0, most;

	if (head->backend >= rams->ram_count)
		return wrong(err, "a memory that is not there");
	uint64_t bytes = rams->rams[head->backend].bytes;
	if (head->number >= ram_chunks_of(bytes))
		return wrong(err, "a place behind the memory's end");
	most = ram_chunk_bytes(bytes, head->number) / SAVE_PAGE;
	for (unsigned page = 0; page < SAVE_CHUNK_PAGES; page++) {
		if (!save_page_has(head->pages, page))
			continue;
		if (page >= most)
			return wrong(err, "a page behind the memory's end");
		set++;
	}
	return set && set == head->count ? 0 : wrong(err, "its count of pages");
}

int memory_head_decode(const uint8_t bytes[MEMORY_HEAD_BYTES], const struct save_header *rams,
	struct memory_head *head, struct error *err)
{
	static const uint8_t none[RAM_BITMAP_BYTES];

	*head = (struct memory_head){ .kind = (enum memory_kind)bytes[4],
		.backend = bytes[5],
		.packed = bytes[6],
		.number = get32(bytes + 8),
		.count = get32(bytes + 12) };
	if (get32(bytes) != MAGIC || bytes[6] > (head->kind == MEMORY_CHUNK) || bytes[7])
		return wrong(err, "no head where one should be");
	if (head->kind == MEMORY_CHUNK) {
		memcpy(head->pages, bytes + 16, RAM_BITMAP_BYTES);
		return decode_chunk(rams, head, err);
	}
	if (head->kind != MEMORY_END || head->backend || memcmp(bytes + 24, none, RAM_BITMAP_BYTES - 8))
		return wrong(err, "a head of no known kind");
	head->lane_pages = get32(bytes + 16) | (uint64_t)get32(bytes + 20) << 32;
	return head->count == ram_chunks(rams) ? 0 : wrong(err, "it is of another size");
}

int memory_wire_init(struct memory_wire *wire, const struct save_header *rams, struct error *err)
{
	*wire = (struct memory_wire){ .rams = rams, .lock = PTHREAD_MUTEX_INITIALIZER, .data = { .fd = -1 } };
	wire->seen = calloc(ram_chunks(rams) / 8 + 1, 1);
	return wire->seen ? 0 : error_set(err, ERROR_NO_SPACE, "no memory for a move");
}

void memory_wire_done(struct memory_wire *wire)
{
	free(wire->seen);
	wire->seen = NULL;
}

// ---- out

// Which pages of a chunk have something in them: holes are not looked into, which would fill them.
static int look_at(struct memory_wire *wire, struct memory_head *head, struct error *err)
{
	uint64_t begin = (uint64_t)head->number * SAVE_CHUNK_BYTES, from, to;
	uint64_t end = begin + ram_chunk_bytes(wire->rams->rams[head->backend].bytes, head->number);
	int found = 1;

	for (uint64_t at = begin; at < end; at = to) {
		pthread_mutex_lock(&wire->lock);
		found = ram_data_find(wire->fds[head->backend], at, end, &wire->data, &from, &to, err);
		pthread_mutex_unlock(&wire->lock);
		if (found <= 0)
			break;
		head->count += ram_pages_note(wire->map[head->backend] + from, (uint32_t)(to - from),
			(unsigned)((from - begin) / SAVE_PAGE), head->pages);
	}
	return found < 0 ? -1 : 0;
}

static int send_pages(const struct memory_head *head, const uint8_t *chunk, memory_give_fn *give, void *lane,
	struct error *err)
{
	unsigned page = 0, run;

	for (ram_pages_run(head->pages, &page, &run); run; ram_pages_run(head->pages, &page, &run)) {
		if (give(lane, chunk + page * SAVE_PAGE, run * SAVE_PAGE, err) < 0)
			return -1;
		page += run;
	}
	return 0;
}

static int send_chunk(struct memory_wire *wire, struct memory_head *head, memory_give_fn *give, void *lane,
	struct memory_pack *pack, struct error *err)
{
	uint8_t bytes[MEMORY_HEAD_BYTES];
	const uint8_t *chunk = wire->map[head->backend] + (uint64_t)head->number * SAVE_CHUNK_BYTES;
	uint64_t count = (uint64_t)head->count * SAVE_PAGE;

	head->packed = pack && memory_pack_wants(pack, head, chunk);
	memory_head_encode(head, bytes);
	if (give(lane, bytes, sizeof(bytes), err) < 0)
		return -1;
	if (head->packed) {
		if (memory_pack_send(pack, head, chunk, give, lane, err) < 0)
			return -1;
	} else {
		if (send_pages(head, chunk, give, lane, err) < 0)
			return -1;
		if (pack)
			memory_pack_sent_plain(pack, count, lane);
	}
	atomic_fetch_add(&wire->bytes, count);
	return 0;
}

int memory_send(struct memory_wire *wire, memory_give_fn *give, void *lane, struct memory_pack *pack,
	struct error *err)
{
	uint64_t number, chunks = ram_chunks(wire->rams);
	struct memory_head end = { .kind = MEMORY_END, .count = (uint32_t)chunks };
	uint8_t bytes[MEMORY_HEAD_BYTES];

	while ((number = atomic_fetch_add(&wire->next, 1)) < chunks) {
		struct memory_head head = { .kind = MEMORY_CHUNK };
		head.backend = (uint8_t)ram_chunk_backend(wire->rams, &number);
		head.number = (uint32_t)number;
		if (look_at(wire, &head, err) < 0)
			return -1;
		if (!head.count)
			continue;
		if (send_chunk(wire, &head, give, lane, pack, err) < 0)
			return -1;
		end.number++;
		end.lane_pages += head.count;
	}
	memory_head_encode(&end, bytes);
	return give(lane, bytes, sizeof(bytes), err);
}

// ---- in

// Each chunk comes once, whichever lane brings it.
static int note_seen(struct memory_wire *wire, const struct memory_head *head, struct error *err)
{
	uint64_t number = head->number;

	for (size_t i = 0; i < head->backend; i++)
		number += ram_chunks_of(wire->rams->rams[i].bytes);
	pthread_mutex_lock(&wire->lock);
	bool twice = wire->seen[number / 8] & (1u << number % 8);
	wire->seen[number / 8] |= (uint8_t)(1u << number % 8);
	pthread_mutex_unlock(&wire->lock);
	return twice ? wrong(err, "a piece comes twice") : 0;
}

static int receive_pages(
	const struct memory_head *head, uint8_t *chunk, memory_take_fn *take, void *lane, struct error *err)
{
	unsigned page = 0, run;

	for (ram_pages_run(head->pages, &page, &run); run; ram_pages_run(head->pages, &page, &run)) {
		if (take(lane, chunk + page * SAVE_PAGE, run * SAVE_PAGE, err) < 0)
			return -1;
		page += run;
	}
	return 0;
}

static int receive_chunk(struct memory_wire *wire, const struct memory_head *head, memory_take_fn *take,
	void *lane, struct memory_pack *pack, struct error *err)
{
	uint8_t *chunk = wire->map[head->backend] + (uint64_t)head->number * SAVE_CHUNK_BYTES;

	if (head->packed && !pack)
		return wrong(err, "a packed piece, which was not agreed");
	if (note_seen(wire, head, err) < 0)
		return -1;
	int result = head->packed ? memory_pack_receive(pack, head, chunk, take, lane, err)
				  : receive_pages(head, chunk, take, lane, err);
	if (result == 0)
		atomic_fetch_add(&wire->bytes, (uint64_t)head->count * SAVE_PAGE);
	return result;
}

int memory_receive(struct memory_wire *wire, memory_take_fn *take, void *lane, struct memory_pack *pack,
	struct error *err)
{
	uint8_t bytes[MEMORY_HEAD_BYTES];
	struct memory_head head;
	uint64_t chunks = 0, pages = 0;

	for (;;) {
		if (take(lane, bytes, sizeof(bytes), err) < 0 ||
			memory_head_decode(bytes, wire->rams, &head, err) < 0)
			return -1;
		if (head.kind == MEMORY_END)
			break;
		if (receive_chunk(wire, &head, take, lane, pack, err) < 0)
			return -1;
		chunks++;
		pages += head.count;
	}
	return chunks == head.number && pages == head.lane_pages ? 0
								 : wrong(err, "something of it is missing");
}
