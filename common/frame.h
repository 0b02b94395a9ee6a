// SPDX-License-Identifier: GPL-3.0-or-later
// Frames: a 32-bit big-endian length, then that many bytes. The codec only, no I/O. A length over the limit is an error before
// anything is allocated.
#ifndef COMMON_FRAME_H
#define COMMON_FRAME_H

#include <stddef.h>
#include <stdint.h>
#include "common/error.h"

#define FRAME_HEADER_BYTES 4
#define FRAME_LIMIT_BYTES (4u << 20)	// the largest body that any peer may send

struct frame_decoder {
	uint8_t *buffer;
	size_t start, used, size;	// start: what next has given out already
	size_t limit;
};

void frame_decoder_init(struct frame_decoder *decoder, size_t limit);
void frame_decoder_done(struct frame_decoder *decoder);
// Takes in bytes as they come, in pieces of any size. -1 only without memory. Call next until it gives 0 before feeding again.
int frame_decoder_feed(struct frame_decoder *decoder, const void *bytes, size_t count, struct error *err) MUST_CHECK;
// 1 with *body, *size (valid until the next call of feed or next), 0 if there is no whole frame yet, -1 with ERROR_PROTOCOL on a length
// of 0 or over the limit, as soon as the header is there: the connection cannot be used any more.
int frame_decoder_next(struct frame_decoder *decoder, const uint8_t **body, size_t *size, struct error *err) MUST_CHECK;
// Whatever was fed and is no frame yet: at the hand-over of a connection to raw bytes.
size_t frame_decoder_rest(struct frame_decoder *decoder, const uint8_t **bytes);
void frame_header_encode(uint8_t header[FRAME_HEADER_BYTES], uint32_t body_bytes);

#endif
