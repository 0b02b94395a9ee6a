// SPDX-License-Identifier: GPL-3.0-or-later
// See memory-pack.h. What comes in is put into no page before it is held against how much of the chunk is still to come.
#include "migrate/memory-pack.h"

#include <stdlib.h>
#include <string.h>
#include "common/pack-stream.h"

#define SAMPLES (PACK_SAMPLE_BYTES / SAVE_PAGE)

struct memory_pack {
	struct pack_out *out;
	struct unpacker *in;
	memory_queue_fn *queue;
	uint8_t piece[PACK_FRAME_BYTES]; // out: with room for a head in front; in: bytes of the stream
	uint8_t stored[PACK_PIECE_BYTES]; // in: of a frame
};

// A place in the pages of a chunk, one after the other.
struct place {
	const uint8_t *pages; // the bitmap
	unsigned page, run; // the present run of pages
	uint32_t used; // bytes of it
	uint64_t left; // bytes of all
};

static struct memory_pack *pack_new(struct error *err)
{
	struct memory_pack *pack = malloc(sizeof(*pack)); // most of it may never be touched

	if (!pack) {
		error_set(err, ERROR_NO_SPACE, "no memory for a move");
		return NULL;
	}
	pack->out = NULL;
	pack->in = NULL;
	pack->queue = NULL;
	return pack;
}

struct memory_pack *memory_pack_out(bool always, memory_queue_fn *queue, struct error *err)
{
	struct memory_pack *pack = pack_new(err);

	if (!pack)
		return NULL;
	pack->queue = queue;
	pack->out = pack_out_new(always, err);
	if (pack->out)
		return pack;
	memory_pack_free(pack);
	return NULL;
}

struct memory_pack *memory_pack_in(struct error *err)
{
	struct memory_pack *pack = pack_new(err);

	if (!pack)
		return NULL;
	pack->in = unpacker_new(err);
	if (pack->in)
		return pack;
	memory_pack_free(pack);
	return NULL;
}

void memory_pack_free(struct memory_pack *pack)
{
	if (!pack)
		return;
	pack_out_free(pack->out);
	unpacker_free(pack->in);
	free(pack);
}

static struct place place_begin(const struct memory_head *head)
{
	struct place place = { .pages = head->pages, .left = (uint64_t)head->count * SAVE_PAGE };

	ram_pages_run(place.pages, &place.page, &place.run);
	return place;
}

// How many bytes, MOST at most, are in one piece at *offset of the chunk; they are passed. 0: there are no more.
static size_t place_next(struct place *place, size_t most, size_t *offset)
{
	size_t count = place->run * SAVE_PAGE - place->used;

	*offset = place->page * SAVE_PAGE + place->used;
	count = count < most ? count : most;
	place->used += (uint32_t)count;
	place->left -= count;
	if (place->run && place->used == place->run * SAVE_PAGE) {
		place->page += place->run;
		place->used = 0;
		ram_pages_run(place->pages, &place->page, &place->run);
	}
	return count;
}

static size_t gather(struct place *place, const uint8_t *chunk, uint8_t *bytes, size_t most)
{
	size_t total = 0, offset, count;

	while (total < most && (count = place_next(place, most - total, &offset)) > 0) {
		memcpy(bytes + total, chunk + offset, count);
		total += count;
	}
	return total;
}

static void scatter(struct place *place, uint8_t *chunk, const uint8_t *bytes, size_t total)
{
	size_t offset, count;

	while (total > 0 && (count = place_next(place, total, &offset)) > 0) {
		memcpy(chunk + offset, bytes, count);
		bytes += count;
		total -= count;
	}
}

// ---- out

bool memory_pack_wants(struct memory_pack *pack, const struct memory_head *head, const uint8_t *chunk)
{
	struct place place = place_begin(head);
	size_t count = 0, offset;

	pack_out_begin(pack->out);
	if (pack_out_asks(pack->out) && head->count >= SAMPLES) {
		// One page of each part of them.
		size_t apart = (head->count / SAMPLES - 1) * SAVE_PAGE;
		while (count < PACK_SAMPLE_BYTES && gather(&place, chunk, pack->piece + count, SAVE_PAGE)) {
			count += SAVE_PAGE;
			for (size_t left = apart, passed; left > 0; left -= passed)
				if (!(passed = place_next(&place, left, &offset)))
					break;
		}
	}
	return pack_out_mode(pack->out, pack->piece, count) == PACK_PACKED;
}

int memory_pack_send(struct memory_pack *pack, const struct memory_head *head, const uint8_t *chunk,
	memory_give_fn *give, void *lane, struct error *err)
{
	struct place place = place_begin(head);
	size_t count, length;

	while ((count = gather(&place, chunk, pack->piece + PACK_HEAD_BYTES, PACK_PIECE_BYTES)) > 0) {
		const uint8_t *frame = pack_out_seal(pack->out, pack->piece, count, &length);
		if (give(lane, frame, length, err) < 0)
			return -1;
		pack_out_gone(pack->out, count, length, pack->queue ? pack->queue(lane) : 0);
	}
	return 0;
}

void memory_pack_sent_plain(struct memory_pack *pack, uint64_t bytes, void *lane)
{
	pack_out_gone(pack->out, bytes, bytes, pack->queue ? pack->queue(lane) : 0);
}

// ---- in

int memory_pack_receive(struct memory_pack *pack, const struct memory_head *head, uint8_t *chunk,
	memory_take_fn *take, void *lane, struct error *err)
{
	struct place place = place_begin(head);
	struct pack_head frame;

	while (place.left > 0) {
		uint8_t bytes[PACK_HEAD_BYTES];
		if (take(lane, bytes, sizeof(bytes), err) < 0 || pack_head_decode(bytes, &frame, err) < 0)
			return -1;
		if (frame.raw > place.left)
			return error_set(err, ERROR_PROTOCOL,
				"the stream of a VM's memory is wrong: more than the pages of a piece");
		if (take(lane, pack->stored, frame.stored, err) < 0 ||
			unpacker_unpack(pack->in, &frame, pack->stored, pack->piece, err) < 0)
			return -1;
		scatter(&place, chunk, pack->piece, frame.raw);
	}
	return 0;
}
