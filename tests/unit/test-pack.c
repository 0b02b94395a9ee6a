// SPDX-License-Identifier: GPL-3.0-or-later
// A packed stream: what comes out is what went in, however it is cut; and what is cut off, false or a bomb is refused with nothing written behind
// its place.
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include "common/pack-stream.h"

#define STREAM_BYTES (3u << 20)
#define GUARD 64 // bytes behind an output that must stay as they are

static uint32_t next(uint32_t *seed)
{
	*seed += !*seed; // xorshift stays at 0
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed >> 4;
}

// Text in one part of each four, random bytes in one, zeros in one, and one mixed.
static void fill(uint8_t *bytes, size_t count, uint32_t seed)
{
	for (size_t i = 0; i < count; i++) {
		switch (i >> 17 & 3) {
		case 0:
			bytes[i] = (uint8_t) "a guest's memory, mostly "[i % 25];
			break;
		case 1:
			bytes[i] = (uint8_t)next(&seed);
			break;
		case 2:
			bytes[i] = 0;
			break;
		default:
			bytes[i] = next(&seed) % 3 ? (uint8_t)(i >> 6) : (uint8_t)next(&seed);
		}
	}
}

struct world {
	struct packer *packer;
	struct unpacker *unpacker;
	uint8_t *raw; // PACK_PIECE_BYTES of text
	uint8_t *frame;
	uint8_t *output; // PACK_PIECE_BYTES and a guard
};

static int begin(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct error err = ERROR_INIT;

	assert_non_null(world->packer = packer_new(&err));
	assert_non_null(world->unpacker = unpacker_new(&err));
	world->raw = malloc(PACK_PIECE_BYTES);
	world->frame = malloc(PACK_FRAME_BYTES);
	world->output = malloc(PACK_PIECE_BYTES + GUARD);
	for (size_t i = 0; i < PACK_PIECE_BYTES; i++)
		world->raw[i] = (uint8_t)(i / 100);
	memset(world->output, 0xa5, PACK_PIECE_BYTES + GUARD);
	*state = world;
	return 0;
}

static int end(void **state)
{
	struct world *world = *state;

	packer_free(world->packer);
	unpacker_free(world->unpacker);
	free(world->raw);
	free(world->frame);
	free(world->output);
	free(world);
	return 0;
}

static void lengths_of_all_kinds_come_back(void **state)
{
	struct world *world = *state;
	static const size_t lengths[] = { 1, 2, 15, 16, 17, 100, 4095, 4096, 65536, PACK_PIECE_BYTES - 1,
		PACK_PIECE_BYTES };
	struct pack_head head;
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		size_t length = packer_pack(world->packer, world->raw, lengths[i], world->frame);
		assert_true(length < PACK_HEAD_BYTES + lengths[i]);
		if (!length)
			continue; // too short to shrink
		assert_ok(pack_head_decode(world->frame, &head, &err), err);
		assert_true(head.packed && head.raw == lengths[i] && head.stored == length - PACK_HEAD_BYTES);
		assert_ok(unpacker_unpack(world->unpacker, &head, world->frame + PACK_HEAD_BYTES,
				  world->output, &err),
			err);
		assert_memory_equal(world->output, world->raw, lengths[i]);
	}
	assert_true(packer_pack(world->packer, world->raw, PACK_PIECE_BYTES, world->frame) > 0);
}

static void what_does_not_shrink_stays_as_it_is(void **state)
{
	struct world *world = *state;
	uint32_t seed = 1;

	assert_true(packer_try(world->packer, world->raw, PACK_PIECE_BYTES));
	for (size_t i = 0; i < PACK_PIECE_BYTES; i++)
		world->raw[i] = (uint8_t)next(&seed);
	assert_int_equal(packer_pack(world->packer, world->raw, PACK_PIECE_BYTES, world->frame), 0);
	assert_false(packer_try(world->packer, world->raw, PACK_PIECE_BYTES));
	assert_false(packer_try(world->packer, world->raw, 1000));
	assert_false(packer_try(world->packer, world->raw, 0));
}

static void head_refused(const struct pack_head *head)
{
	struct error err = ERROR_INIT;
	struct pack_head decoded;
	uint8_t bytes[PACK_HEAD_BYTES];

	pack_head_encode(head, bytes);
	assert_fails(pack_head_decode(bytes, &decoded, &err), err, ERROR_PROTOCOL);
}

static void hostile_lengths_are_refused(void **state)
{
	static const struct pack_head heads[] = {
		{ false, 0, 0 },
		{ true, 0, 0 },
		{ true, 1000, 0 },
		{ true, 1000, 1000 },
		{ true, 1000, 1001 },
		{ true, 1000, UINT32_MAX },
		{ false, 1000, 999 },
		{ false, 1000, 1001 },
		{ false, PACK_PIECE_BYTES + 1, PACK_PIECE_BYTES + 1 },
		{ true, PACK_PIECE_BYTES + 1, 1000 },
		{ true, UINT32_MAX, 1000 },
		{ false, UINT32_MAX, UINT32_MAX },
		{ true, 0x80000000u, 0x7fffffffu },
	};
	uint8_t bytes[PACK_HEAD_BYTES];
	struct pack_head head = { false, 10, 10 };
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		head_refused(&heads[i]);
	for (size_t i = 0; i < 4; i++) {
		pack_head_encode(&head, bytes);
		bytes[i] ^= 0x80;
		assert_fails(pack_head_decode(bytes, &head, &err), err, ERROR_PROTOCOL);
		head = (struct pack_head){ false, 10, 10 };
	}
}

static void unpack_refused(struct world *world, const struct pack_head *head)
{
	struct error err = ERROR_INIT;

	memset(world->output, 0xa5, PACK_PIECE_BYTES + GUARD);
	assert_fails(
		unpacker_unpack(world->unpacker, head, world->frame + PACK_HEAD_BYTES, world->output, &err),
		err, ERROR_PROTOCOL);
	for (size_t i = head->raw; i < PACK_PIECE_BYTES + GUARD; i++)
		assert_int_equal(world->output[i], 0xa5);
}

// A frame whose head says less, or more, than what it unpacks to.
static void a_bomb_is_refused(void **state)
{
	struct world *world = *state;
	struct error err = ERROR_INIT;
	struct pack_head head;
	uint8_t *much = calloc(1, 16u << 20);

	assert_true(packer_pack(world->packer, world->raw, PACK_PIECE_BYTES, world->frame) > 0);
	assert_ok(pack_head_decode(world->frame, &head, &err), err);
	for (uint32_t raw = head.stored + 1; raw < PACK_PIECE_BYTES; raw += 9973)
		unpack_refused(world, &(struct pack_head){ true, raw, head.stored });
	for (uint32_t stored = 1; stored < head.stored; stored += stored < 20 ? 1 : 97)
		unpack_refused(world, &(struct pack_head){ true, head.raw, stored });
	// 16 MiB of zeros in less than 2 KiB; with and without saying so itself
	head.stored =
		(uint32_t)ZSTD_compress(world->frame + PACK_HEAD_BYTES, PACK_PIECE_BYTES, much, 16u << 20, 1);
	assert_true(head.stored < 4096);
	unpack_refused(world, &(struct pack_head){ true, 8192, head.stored });
	ZSTD_CCtx *context = ZSTD_createCCtx();
	ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
	head.stored = (uint32_t)ZSTD_compress2(
		context, world->frame + PACK_HEAD_BYTES, PACK_PIECE_BYTES, much, 16u << 20);
	unpack_refused(world, &(struct pack_head){ true, 8192, head.stored });
	ZSTD_freeCCtx(context);
	free(much);
}

static void damaged_frames_write_nothing_behind(void **state)
{
	struct world *world = *state;
	struct error err = ERROR_INIT;
	struct pack_head head;
	uint32_t seed = 7;
	uint8_t *good = malloc(PACK_FRAME_BYTES);

	size_t length = packer_pack(world->packer, world->raw, 100000, good);
	assert_ok(pack_head_decode(good, &head, &err), err);
	for (int i = 0; i < 3000; i++) {
		memcpy(world->frame, good, length);
		for (unsigned damage = 0; damage <= next(&seed) % 3; damage++)
			world->frame[PACK_HEAD_BYTES + next(&seed) % head.stored] ^= 1u << next(&seed) % 8;
		memset(world->output + head.raw, 0xa5, PACK_PIECE_BYTES + GUARD - head.raw);
		error_clear(&err);
		if (unpacker_unpack(
			    world->unpacker, &head, world->frame + PACK_HEAD_BYTES, world->output, &err) < 0)
			assert_int_equal(err.code, ERROR_PROTOCOL);
		for (size_t at = head.raw; at < head.raw + 4096; at++)
			assert_int_equal(world->output[at], 0xa5);
	}
	free(good);
}

// ---- the stream

struct stream {
	uint8_t *bytes;
	size_t used, packed;
};

// As frames of random lengths.
static struct stream make_stream(const uint8_t *raw, uint32_t seed)
{
	struct error err = ERROR_INIT;
	struct stream stream = { .bytes = malloc(2 * STREAM_BYTES) };
	struct pack_out *out = pack_out_new(true, &err);
	uint8_t *buffer = malloc(PACK_FRAME_BYTES);
	size_t count, length;

	for (size_t at = 0; at < STREAM_BYTES; at += count) {
		count = next(&seed) % 5 ? 1 + next(&seed) % PACK_PIECE_BYTES : 1 + next(&seed) % 50;
		count = count < STREAM_BYTES - at ? count : STREAM_BYTES - at;
		memcpy(buffer + PACK_HEAD_BYTES, raw + at, count);
		const uint8_t *frame = pack_out_seal(out, buffer, count, &length);
		assert_true(length <= PACK_HEAD_BYTES + count);
		stream.packed += frame != buffer;
		memcpy(stream.bytes + stream.used, frame, length);
		stream.used += length;
		pack_out_gone(out, count, length, 0);
	}
	pack_out_free(out);
	free(buffer);
	return stream;
}

// Takes BYTES apart in pieces of at most MOST, into an output of ROOM bytes that is emptied when it is full, or when nothing more fits.
static int take_apart(
	const uint8_t *bytes, size_t count, size_t most, uint8_t *all, size_t *total, uint32_t seed)
{
	struct error err = ERROR_INIT;
	struct pack_in *in = pack_in_new(&err);
	uint8_t *output = malloc(PACK_PIECE_BYTES), *into;
	size_t used = 0, at = 0, made;
	int result = 0;

	*total = 0;
	while (at < count && result == 0) {
		size_t wants = pack_in_wants(in, output + used, PACK_PIECE_BYTES - used, &into);
		if (!wants) {
			assert_true(used > 0);
			memcpy(all + *total, output, used);
			*total += used;
			used = 0;
			continue;
		}
		size_t now = 1 + next(&seed) % most;
		now = now < wants ? now : wants;
		now = now < count - at ? now : count - at;
		memcpy(into, bytes + at, now);
		at += now;
		result = pack_in_came(in, output + used, now, &made, &err);
		if (result == 0)
			used += made;
	}
	memcpy(all + *total, output, used);
	*total += used;
	if (result == 0 && !pack_in_between(in))
		result = 1;
	pack_in_free(in);
	free(output);
	return result;
}

static void a_stream_comes_back_however_it_is_cut(void **state)
{
	static const size_t most[] = { 7, 1000, 16384, 1u << 20 };
	uint8_t *raw = malloc(STREAM_BYTES), *all = malloc(STREAM_BYTES + PACK_PIECE_BYTES);
	size_t total;

	fill(raw, STREAM_BYTES, 3);
	for (uint32_t i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
		struct stream stream = make_stream(raw, i + 1);
		assert_true(stream.packed > 2);
		assert_true(stream.used < STREAM_BYTES * 3 / 4);
		assert_int_equal(take_apart(stream.bytes, stream.used, most[i], all, &total, i), 0);
		assert_int_equal(total, STREAM_BYTES);
		assert_memory_equal(all, raw, STREAM_BYTES);
		free(stream.bytes);
	}
	free(raw);
	free(all);
}

// Whoever reads knows that a stream which ends there was cut: what came is the beginning of it, and no more.
static void a_stream_that_is_cut_is_told_from_one_that_ends(void **state)
{
	uint8_t *raw = malloc(STREAM_BYTES), *all = malloc(STREAM_BYTES + PACK_PIECE_BYTES);
	size_t total;
	unsigned within = 0;

	fill(raw, STREAM_BYTES, 5);
	struct stream stream = make_stream(raw, 9);
	for (size_t cut = 1; cut < stream.used; cut += cut < 300 ? 13 : 40009) {
		int result = take_apart(stream.bytes, cut, 1u << 20, all, &total, 1);
		assert_true(result >= 0);
		assert_true(total < STREAM_BYTES);
		assert_memory_equal(all, raw, total);
		within += result == 1;
	}
	assert_true(within > 20);
	free(stream.bytes);
	free(raw);
	free(all);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(lengths_of_all_kinds_come_back, begin, end),
	cmocka_unit_test_setup_teardown(what_does_not_shrink_stays_as_it_is, begin, end),
	cmocka_unit_test(hostile_lengths_are_refused),
	cmocka_unit_test_setup_teardown(a_bomb_is_refused, begin, end),
	cmocka_unit_test_setup_teardown(damaged_frames_write_nothing_behind, begin, end),
	cmocka_unit_test(a_stream_comes_back_however_it_is_cut),
	cmocka_unit_test(a_stream_that_is_cut_is_told_from_one_that_ends),
};

UNIT_MAIN(tests)
