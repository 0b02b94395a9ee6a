// SPDX-License-Identifier: GPL-3.0-or-later
// See pack.h. The library's contexts are made once: packing and unpacking a piece allocates nothing of ours. What comes in is held against its head
// before the library sees it, and the library against the head's length after.
#include "common/pack.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define MAGIC_PLAIN 0x30504648u // "HFP0"
#define MAGIC_PACKED 0x31504648u // "HFP1"
#define LEVEL 1
#define LEAST_GAIN 16 // a piece must shrink by this part of it, or it goes as it is
#define SAMPLE_PARTS 4

struct packer {
	ZSTD_CCtx *context;
	uint8_t sample[PACK_SAMPLE_BYTES];
	uint8_t packed[PACK_SAMPLE_BYTES];
};

struct unpacker {
	ZSTD_DCtx *context;
};

static void put32(uint8_t *bytes, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get32(const uint8_t *bytes)
{
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static int wrong(struct error *err, const char *what)
{
	return error_set(err, ERROR_PROTOCOL, "a packed stream is wrong: %s", what);
}

void pack_head_encode(const struct pack_head *head, uint8_t bytes[PACK_HEAD_BYTES])
{
	put32(bytes, head->packed ? MAGIC_PACKED : MAGIC_PLAIN);
	put32(bytes + 4, head->raw);
	put32(bytes + 8, head->stored);
}

int pack_head_decode(const uint8_t bytes[PACK_HEAD_BYTES], struct pack_head *head, struct error *err)
{
	uint32_t magic = get32(bytes);

	*head = (struct pack_head){
		.packed = magic == MAGIC_PACKED,
		.raw = get32(bytes + 4),
		.stored = get32(bytes + 8),
	};
	if (magic != MAGIC_PACKED && magic != MAGIC_PLAIN)
		return wrong(err, "no head where one should be");
	if (!head->raw || head->raw > PACK_PIECE_BYTES)
		return wrong(err, "a frame of a length that none has");
	if (head->packed ? !head->stored || head->stored >= head->raw : head->stored != head->raw)
		return wrong(err, "a frame whose two lengths do not fit");
	return 0;
}

struct packer *packer_new(struct error *err)
{
	struct packer *packer = calloc(1, sizeof(*packer));

	if (packer && (packer->context = ZSTD_createCCtx()))
		return packer;
	free(packer);
	error_set(err, ERROR_NO_SPACE, "no memory to pack a stream with");
	return NULL;
}

void packer_free(struct packer *packer)
{
	if (!packer)
		return;
	ZSTD_freeCCtx(packer->context);
	free(packer);
}

// 0: it does not become shorter by what is worth it.
static size_t shrink(struct packer *packer, const uint8_t *raw, size_t count, uint8_t *packed)
{
	size_t most = count - count / LEAST_GAIN;
	size_t length =
		most < count ? ZSTD_compressCCtx(packer->context, packed, most, raw, count, LEVEL) : 0;

	return ZSTD_isError(length) ? 0 : length;
}

size_t packer_pack(struct packer *packer, const uint8_t *raw, size_t count, uint8_t frame[PACK_FRAME_BYTES])
{
	size_t stored = shrink(packer, raw, count, frame + PACK_HEAD_BYTES);
	struct pack_head head = { .packed = true, .raw = (uint32_t)count, .stored = (uint32_t)stored };

	if (!stored)
		return 0;
	pack_head_encode(&head, frame);
	return PACK_HEAD_BYTES + stored;
}

bool packer_try(struct packer *packer, const uint8_t *raw, size_t count)
{
	const size_t part = PACK_SAMPLE_BYTES / SAMPLE_PARTS;

	if (count <= PACK_SAMPLE_BYTES)
		return shrink(packer, raw, count, packer->packed) > 0;
	for (size_t i = 0; i < SAMPLE_PARTS; i++)
		memcpy(packer->sample + i * part, raw + (count - part) / (SAMPLE_PARTS - 1) * i, part);
	return shrink(packer, packer->sample, PACK_SAMPLE_BYTES, packer->packed) > 0;
}

struct unpacker *unpacker_new(struct error *err)
{
	struct unpacker *unpacker = calloc(1, sizeof(*unpacker));

	if (unpacker && (unpacker->context = ZSTD_createDCtx()))
		return unpacker;
	free(unpacker);
	error_set(err, ERROR_NO_SPACE, "no memory to unpack a stream with");
	return NULL;
}

void unpacker_free(struct unpacker *unpacker)
{
	if (!unpacker)
		return;
	ZSTD_freeDCtx(unpacker->context);
	free(unpacker);
}

int unpacker_unpack(struct unpacker *unpacker, const struct pack_head *head, const uint8_t *stored,
	uint8_t *raw, struct error *err)
{
	if (!head->packed) {
		memcpy(raw, stored, head->raw);
		return 0;
	}
	// One piece of the present format, which says itself how long it is: not what else the library reads, old formats and several in a row.
	if (head->stored < 4 || get32(stored) != ZSTD_MAGICNUMBER ||
		ZSTD_findFrameCompressedSize(stored, head->stored) != head->stored ||
		ZSTD_getFrameContentSize(stored, head->stored) != head->raw)
		return wrong(err, "a packed frame that is not what its head says");
	size_t length = ZSTD_decompressDCtx(unpacker->context, raw, head->raw, stored, head->stored);
	if (ZSTD_isError(length) || length != head->raw)
		return wrong(err, "a packed frame that cannot be unpacked");
	return 0;
}
