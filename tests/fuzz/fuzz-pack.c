// SPDX-License-Identifier: GPL-3.0-or-later
// The reading end of a packed stream with any bytes, in pieces as large as the first byte says: it refuses or gives bytes within the room that it was
// told of, and the same whatever the pieces; and what the bytes are, packed and unpacked, is what they were.
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include "common/pack-stream.h"

#define ALL_BYTES (1u << 20)

struct result {
	uint8_t *bytes;
	size_t count;
	bool refused, between;
};

static void take_apart(const uint8_t *bytes, size_t count, size_t piece, struct result *result)
{
	struct error err = ERROR_INIT;
	struct pack_in *in = pack_in_new(&err);
	uint8_t *output = malloc(PACK_PIECE_BYTES), *into;
	size_t used = 0, at = 0, made;

	*result = (struct result){ .bytes = malloc(ALL_BYTES) };
	while (at < count && !result->refused) {
		size_t wants = pack_in_wants(in, output + used, PACK_PIECE_BYTES - used, &into);
		if (!wants) {
			fuzz_assert(used > 0);
			used = 0;
			continue;
		}
		size_t now = piece < wants ? piece : wants;
		now = now < count - at ? now : count - at;
		memcpy(into, bytes + at, now);
		at += now;
		result->refused = pack_in_came(in, output + used, now, &made, &err) < 0;
		if (result->refused) {
			fuzz_assert(err.code == ERROR_PROTOCOL);
			break;
		}
		fuzz_assert(made <= PACK_PIECE_BYTES - used);
		size_t kept = made < ALL_BYTES - result->count ? made : ALL_BYTES - result->count;
		memcpy(result->bytes + result->count, output + used, kept);
		result->count += kept;
		used += made;
	}
	result->between = pack_in_between(in);
	pack_in_free(in);
	free(output);
}

// As the writing end would send it.
static void there_and_back(const uint8_t *bytes, size_t count)
{
	struct error err = ERROR_INIT;
	struct pack_out *out = pack_out_new(true, &err);
	uint8_t *buffer = malloc(PACK_FRAME_BYTES);
	struct result result;
	size_t length;

	memcpy(buffer + PACK_HEAD_BYTES, bytes, count);
	const uint8_t *frame = pack_out_seal(out, buffer, count, &length);
	take_apart(frame, length, 1 + count / 3, &result);
	fuzz_assert(!result.refused && result.between && result.count == count);
	fuzz_assert(memcmp(result.bytes, bytes, count) == 0);
	free(result.bytes);
	pack_out_free(out);
	free(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct result whole, pieces;

	if (count < 2)
		return 0;
	take_apart(bytes + 1, count - 1, SIZE_MAX, &whole);
	take_apart(bytes + 1, count - 1, 1u + bytes[0], &pieces);
	fuzz_assert(whole.refused == pieces.refused && (whole.refused || whole.between == pieces.between));
	// of a frame that is refused, what was plain before may have come out already
	fuzz_assert(whole.count == pieces.count && memcmp(whole.bytes, pieces.bytes, whole.count) == 0);
	free(whole.bytes);
	free(pieces.bytes);
	if (count - 1 <= PACK_PIECE_BYTES)
		there_and_back(bytes + 1, count - 1);
	return 0;
}
