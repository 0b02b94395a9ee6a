// SPDX-License-Identifier: GPL-3.0-or-later
// The frame codec: any cut into pieces gives the same frames; a bad length is told as soon as its header is there.
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include "common/frame.h"

static const uint8_t three[] = { 0, 0, 0, 1, 'a', 0, 0, 0, 3, 'b', 'c', 'd', 0, 0, 0, 2, 'e', 'f', 0, 0 };

static void expect_frame(struct frame_decoder *decoder, const char *expected)
{
	struct error err = ERROR_INIT;
	const uint8_t *body;
	size_t size;

	assert_int_equal(frame_decoder_next(decoder, &body, &size, &err), 1);
	assert_int_equal(size, strlen(expected));
	assert_memory_equal(body, expected, size);
}

static void expect_none(struct frame_decoder *decoder)
{
	struct error err = ERROR_INIT;
	const uint8_t *body;
	size_t size;

	assert_int_equal(frame_decoder_next(decoder, &body, &size, &err), 0);
}

static void pieces_of_any_size_give_the_same_frames(void **state)
{
	static const char *const bodies[] = { "a", "bcd", "ef" };
	struct error err = ERROR_INIT;

	for (size_t piece = 1; piece <= sizeof(three); piece++) {
		struct frame_decoder decoder;
		const uint8_t *body;
		size_t size, seen = 0;

		frame_decoder_init(&decoder, 16);
		for (size_t at = 0; at < sizeof(three); at += piece) {
			size_t count = sizeof(three) - at < piece ? sizeof(three) - at : piece;
			assert_ok(frame_decoder_feed(&decoder, three + at, count, &err), err);
			while (frame_decoder_next(&decoder, &body, &size, &err) == 1) {
				assert_int_equal(size, strlen(bodies[seen]));
				assert_memory_equal(body, bodies[seen], size);
				seen++;
			}
		}
		assert_int_equal(seen, 3);
		frame_decoder_done(&decoder);
	}
}

static void rest_is_what_follows_the_last_frame(void **state)
{
	struct error err = ERROR_INIT;
	struct frame_decoder decoder;
	const uint8_t *rest;

	frame_decoder_init(&decoder, 16);
	assert_int_equal(frame_decoder_rest(&decoder, &rest), 0);
	assert_ok(frame_decoder_feed(&decoder, three, sizeof(three), &err), err);
	expect_frame(&decoder, "a");
	assert_int_equal(frame_decoder_rest(&decoder, &rest), sizeof(three) - 5);
	assert_ptr_equal(memchr(rest, 'b', 8), rest + 4);
	expect_frame(&decoder, "bcd");
	expect_frame(&decoder, "ef");
	assert_int_equal(frame_decoder_rest(&decoder, &rest), 2);
	expect_none(&decoder);
	frame_decoder_done(&decoder);
}

static void bad_lengths_are_refused_at_the_header(void **state)
{
	static const uint8_t bad[][FRAME_HEADER_BYTES] = { { 0, 0, 0, 0 }, { 0, 0, 0, 17 },
		{ 0xff, 0xff, 0xff, 0xff } };

	for (size_t i = 0; i < 3; i++) {
		struct frame_decoder decoder;
		struct error err = ERROR_INIT;
		const uint8_t *body;
		size_t size;

		frame_decoder_init(&decoder, 16);
		assert_ok(frame_decoder_feed(&decoder, three, 5, &err), err);
		assert_ok(frame_decoder_feed(&decoder, bad[i], FRAME_HEADER_BYTES, &err), err);
		expect_frame(&decoder, "a"); // what came before still counts
		assert_fails(frame_decoder_next(&decoder, &body, &size, &err), err, ERROR_PROTOCOL);
		assert_true(decoder.size <= 512); // nothing allocated on a claim
		frame_decoder_done(&decoder);
	}
}

static void a_frame_of_exactly_the_limit_passes(void **state)
{
	struct frame_decoder decoder;
	struct error err = ERROR_INIT;
	uint8_t header[FRAME_HEADER_BYTES];
	uint8_t *body = calloc(1, FRAME_LIMIT_BYTES);
	const uint8_t *got;
	size_t size;

	frame_decoder_init(&decoder, FRAME_LIMIT_BYTES);
	frame_header_encode(header, FRAME_LIMIT_BYTES);
	body[FRAME_LIMIT_BYTES - 1] = 7;
	for (int round = 0; round < 2; round++) {
		assert_ok(frame_decoder_feed(&decoder, header, sizeof(header), &err), err);
		assert_ok(frame_decoder_feed(&decoder, body, FRAME_LIMIT_BYTES, &err), err);
		assert_int_equal(frame_decoder_next(&decoder, &got, &size, &err), 1);
		assert_int_equal(size, FRAME_LIMIT_BYTES);
		assert_int_equal(got[size - 1], 7);
	}
	assert_ok(frame_decoder_feed(&decoder, three, 1, &err), err);
	assert_true(decoder.size < FRAME_LIMIT_BYTES); // given back
	frame_decoder_done(&decoder);
	free(body);
}

static void header_is_big_endian(void **state)
{
	static const uint8_t expected[] = { 0x01, 0x02, 0x03, 0x04 };
	uint8_t header[FRAME_HEADER_BYTES];

	frame_header_encode(header, 0x01020304);
	assert_memory_equal(header, expected, sizeof(expected));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(pieces_of_any_size_give_the_same_frames),
	cmocka_unit_test(rest_is_what_follows_the_last_frame),
	cmocka_unit_test(bad_lengths_are_refused_at_the_header),
	cmocka_unit_test(a_frame_of_exactly_the_limit_passes),
	cmocka_unit_test(header_is_big_endian),
};

UNIT_MAIN(tests)
