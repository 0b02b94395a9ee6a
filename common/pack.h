// SPDX-License-Identifier: GPL-3.0-or-later
// A stream as frames, each packed with zstd or as it is, whichever the writer thinks better (pack-rule.h). A frame is a head and its bytes; it stands
// for 1 to PACK_PIECE_BYTES bytes of the stream, and never is longer than those with a head. Knows no connection. A packer is one thread's.
//   0 u32 magic: "HFP0" as it is, "HFP1" packed   4 u32 raw: bytes of the stream   8 u32 stored: bytes that follow; little-endian
#ifndef COMMON_PACK_H
#define COMMON_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/error.h"

#define PACK_HEAD_BYTES 12u
#define PACK_FRAME_BYTES (256u << 10) // at most, with its head
#define PACK_PIECE_BYTES (PACK_FRAME_BYTES - PACK_HEAD_BYTES)
#define PACK_SAMPLE_BYTES (16u << 10) // to judge by whether data shrinks
#define PACK_ZSTD 1u // the only way of packing there is, as nodes name it to each other; 0: none

struct pack_head {
	bool packed;
	uint32_t raw, stored;
};

void pack_head_encode(const struct pack_head *head, uint8_t bytes[PACK_HEAD_BYTES]);
// ERROR_PROTOCOL: no frame has such a head.
int pack_head_decode(const uint8_t bytes[PACK_HEAD_BYTES], struct pack_head *head, struct error *err) MUST_CHECK;

struct packer;

struct packer *packer_new(struct error *err) MUST_CHECK;
void packer_free(struct packer *packer); // NULL is fine
// A packed frame of COUNT bytes into FRAME: its length, or 0: they do not shrink by it.
size_t packer_pack(struct packer *packer, const uint8_t *raw, size_t count, uint8_t frame[PACK_FRAME_BYTES]);
// Whether data like these would shrink. At most PACK_SAMPLE_BYTES of them are looked at, here and there.
bool packer_try(struct packer *packer, const uint8_t *raw, size_t count);

struct unpacker;

struct unpacker *unpacker_new(struct error *err) MUST_CHECK;
void unpacker_free(struct unpacker *unpacker); // NULL is fine
// A frame's bytes (head->stored) into what they stand for (head->raw). ERROR_PROTOCOL: they stand for something else; what RAW has then says nothing.
int unpacker_unpack(struct unpacker *unpacker, const struct pack_head *head, const uint8_t *stored, uint8_t *raw,
	struct error *err) MUST_CHECK;

#endif
