// SPDX-License-Identifier: GPL-3.0-or-later
// The frame decoder against a decoder that sees everything at once: the same frames, the same end, however the bytes are cut.
// The first byte of the input says how large the pieces are.
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include "common/frame.h"

#define LIMIT 1000

struct whole {
	const uint8_t *bytes;
	size_t count, at;
};

// 1, 0 or -1 as frame_decoder_next, but on the whole input.
static int whole_next(struct whole *whole, const uint8_t **body, size_t *size)
{
	size_t left = whole->count - whole->at, length = 0;

	if (left < FRAME_HEADER_BYTES)
		return 0;
	for (size_t i = 0; i < FRAME_HEADER_BYTES; i++)
		length = length * 256 + whole->bytes[whole->at + i];
	if (length < 1 || length > LIMIT)
		return -1;
	if (left < FRAME_HEADER_BYTES + length)
		return 0;
	*body = whole->bytes + whole->at + FRAME_HEADER_BYTES;
	*size = length;
	whole->at += FRAME_HEADER_BYTES + length;
	return 1;
}

// What next gives after each piece must be what the whole gives; true when the stream turned out bad.
static int compare(struct frame_decoder *decoder, struct whole *whole)
{
	const uint8_t *body, *expected;
	size_t size, expected_size;
	struct error err = ERROR_INIT;
	int result;

	while ((result = frame_decoder_next(decoder, &body, &size, &err)) == 1) {
		fuzz_assert(whole_next(whole, &expected, &expected_size) == 1);
		fuzz_assert(size == expected_size && memcmp(body, expected, size) == 0);
	}
	if (result < 0) {
		fuzz_assert(err.code == ERROR_PROTOCOL);
		fuzz_assert(whole_next(whole, &expected, &expected_size) == -1);
	}
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct frame_decoder decoder;
	const uint8_t *rest;
	size_t size;
	int result = 0;

	if (count == 0)
		return 0;
	size_t piece = bytes[0] ? bytes[0] : 4096;
	struct whole whole = { bytes + 1, count - 1, 0 };
	frame_decoder_init(&decoder, LIMIT);
	for (size_t at = 0; at < whole.count && result == 0; at += piece) {
		size_t feed = whole.count - at < piece ? whole.count - at : piece;
		fuzz_assert(frame_decoder_feed(&decoder, whole.bytes + at, feed, NULL) == 0);
		result = compare(&decoder, &whole);
		fuzz_assert(decoder.size <= 4 * (LIMIT + FRAME_HEADER_BYTES + 4096));
	}
	size_t left = frame_decoder_rest(&decoder, &rest);
	if (result == 0) {
		fuzz_assert(whole_next(&whole, &rest, &size) == 0);
		fuzz_assert(left == whole.count - whole.at);
	}
	frame_decoder_done(&decoder);
	return 0;
}
