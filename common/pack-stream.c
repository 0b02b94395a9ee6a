// SPDX-License-Identifier: GPL-3.0-or-later
// See pack-stream.h. A frame that is not packed is neither copied on its way out nor on its way in.
#include "common/pack-stream.h"

#include <stdlib.h>
#include "common/loop.h"

struct pack_out {
	struct pack_rule rule;
	struct packer *packer;
	double begin_us, pack_us;
	uint8_t frame[PACK_FRAME_BYTES];
};

struct pack_in {
	struct unpacker *unpacker;
	uint8_t head_bytes[PACK_HEAD_BYTES];
	struct pack_head head; // once all of head_bytes are here
	size_t head_got, got;
	uint8_t stored[PACK_PIECE_BYTES];
};

static double now_us(void)
{
	return (double)loop_now_us();
}

// ---- out

struct pack_out *pack_out_new(bool always, struct error *err)
{
	struct pack_out *out = malloc(sizeof(*out)); // pages of `frame` that nobody needs are never there

	if (!out) {
		error_set(err, ERROR_NO_SPACE, "no memory to pack a stream with");
		return NULL;
	}
	out->packer = packer_new(err);
	if (!out->packer) {
		free(out);
		return NULL;
	}
	pack_rule_init(&out->rule, always);
	pack_out_begin(out);
	return out;
}

void pack_out_free(struct pack_out *out)
{
	if (!out)
		return;
	packer_free(out->packer);
	free(out);
}

void pack_out_begin(struct pack_out *out)
{
	out->begin_us = now_us();
	out->pack_us = 0;
}

bool pack_out_asks(const struct pack_out *out)
{
	return pack_rule_asks(&out->rule);
}

enum pack_mode pack_out_mode(struct pack_out *out, const uint8_t *sample, size_t count)
{
	if (count >= PACK_SAMPLE_BYTES && pack_rule_asks(&out->rule))
		pack_rule_sampled(&out->rule, packer_try(out->packer, sample, count));
	return out->rule.mode;
}

const uint8_t *pack_out_seal(struct pack_out *out, uint8_t *buffer, size_t count, size_t *length)
{
	const uint8_t *raw = buffer + PACK_HEAD_BYTES;
	const struct pack_head plain = { .raw = (uint32_t)count, .stored = (uint32_t)count };

	if (pack_out_mode(out, raw, count) == PACK_PACKED) {
		double begin_us = now_us();
		*length = packer_pack(out->packer, raw, count, out->frame);
		out->pack_us += now_us() - begin_us;
		if (*length)
			return out->frame;
	}
	pack_head_encode(&plain, buffer);
	*length = PACK_HEAD_BYTES + count;
	return buffer;
}

void pack_out_gone(struct pack_out *out, uint64_t raw, uint64_t wire, uint64_t queue)
{
	const struct pack_note note = { raw, wire, now_us() - out->begin_us, out->pack_us, queue };

	pack_rule_note(&out->rule, &note);
	pack_out_begin(out);
}

// ---- in

struct pack_in *pack_in_new(struct error *err)
{
	struct pack_in *in = malloc(sizeof(*in));

	if (!in) {
		error_set(err, ERROR_NO_SPACE, "no memory to unpack a stream with");
		return NULL;
	}
	in->head_got = in->got = 0;
	in->unpacker = unpacker_new(err);
	if (!in->unpacker) {
		free(in);
		return NULL;
	}
	return in;
}

void pack_in_free(struct pack_in *in)
{
	if (!in)
		return;
	unpacker_free(in->unpacker);
	free(in);
}

size_t pack_in_wants(struct pack_in *in, uint8_t *output, size_t room, uint8_t **into)
{
	if (in->head_got < PACK_HEAD_BYTES) {
		*into = in->head_bytes + in->head_got;
		return PACK_HEAD_BYTES - in->head_got;
	}
	size_t left = in->head.stored - in->got;
	*into = in->head.packed ? in->stored + in->got : output;
	if (in->head.packed)
		return room < in->head.raw ? 0 : left;
	return left < room ? left : room;
}

int pack_in_came(struct pack_in *in, uint8_t *output, size_t count, size_t *made, struct error *err)
{
	*made = 0;
	if (in->head_got < PACK_HEAD_BYTES) {
		in->head_got += count;
		in->got = 0;
		return in->head_got < PACK_HEAD_BYTES ? 0 : pack_head_decode(in->head_bytes, &in->head, err);
	}
	in->got += count;
	if (!in->head.packed)
		*made = count;
	if (in->got < in->head.stored)
		return 0;
	in->head_got = 0;
	if (!in->head.packed)
		return 0;
	*made = in->head.raw;
	return unpacker_unpack(in->unpacker, &in->head, in->stored, output, err);
}

bool pack_in_between(const struct pack_in *in)
{
	return in->head_got == 0;
}
