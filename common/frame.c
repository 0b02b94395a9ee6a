// SPDX-License-Identifier: GPL-3.0-or-later
// The frame codec. The buffer grows only by bytes that have come, never by what a header claims. Knows no descriptor.
#include "common/frame.h"

#include <stdlib.h>
#include <string.h>

#define KEEP_BYTES (64u << 10) // a larger buffer is given back when it is empty

void frame_decoder_init(struct frame_decoder *decoder, size_t limit)
{
	*decoder = (struct frame_decoder){ .limit = limit };
}

void frame_decoder_done(struct frame_decoder *decoder)
{
	free(decoder->buffer);
	*decoder = (struct frame_decoder){ .limit = decoder->limit };
}

static void compact(struct frame_decoder *decoder)
{
	if (decoder->start == 0)
		return;
	decoder->used -= decoder->start;
	if (decoder->used > 0)
		memmove(decoder->buffer, decoder->buffer + decoder->start, decoder->used);
	decoder->start = 0;
	if (decoder->used == 0 && decoder->size > KEEP_BYTES) {
		free(decoder->buffer);
		decoder->buffer = NULL;
		decoder->size = 0;
	}
}

int frame_decoder_feed(struct frame_decoder *decoder, const void *bytes, size_t count, struct error *err)
{
	if (count == 0)
		return 0;
	compact(decoder);
	if (count > decoder->size - decoder->used) {
		size_t size = decoder->size ? decoder->size : 512;
		while (size - decoder->used < count)
			size *= 2;
		uint8_t *buffer = realloc(decoder->buffer, size);
		if (!buffer)
			return error_set(err, ERROR_NO_SPACE, "no memory for a message of %zu bytes",
				decoder->used + count);
		decoder->buffer = buffer;
		decoder->size = size;
	}
	memcpy(decoder->buffer + decoder->used, bytes, count);
	decoder->used += count;
	return 0;
}

int frame_decoder_next(struct frame_decoder *decoder, const uint8_t **body, size_t *size, struct error *err)
{
	size_t have = decoder->used - decoder->start;

	if (have < FRAME_HEADER_BYTES)
		return 0;
	const uint8_t *head = decoder->buffer + decoder->start;
	size_t length = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
	if (length == 0 || length > decoder->limit)
		return error_set(err, ERROR_PROTOCOL,
			"a message of %zu bytes is announced, 1 to %zu are allowed: the sender does not "
			"speak our protocol",
			length, decoder->limit);
	if (have - FRAME_HEADER_BYTES < length)
		return 0;
	*body = head + FRAME_HEADER_BYTES;
	*size = length;
	decoder->start += FRAME_HEADER_BYTES + length;
	return 1;
}

size_t frame_decoder_rest(struct frame_decoder *decoder, const uint8_t **bytes)
{
	*bytes = decoder->buffer ? decoder->buffer + decoder->start : NULL;
	return decoder->used - decoder->start;
}

void frame_header_encode(uint8_t header[FRAME_HEADER_BYTES], uint32_t body_bytes)
{
	header[0] = (uint8_t)(body_bytes >> 24);
	header[1] = (uint8_t)(body_bytes >> 16);
	header[2] = (uint8_t)(body_bytes >> 8);
	header[3] = (uint8_t)body_bytes;
}
