// SPDX-License-Identifier: GPL-3.0-or-later
// The two ends of a packed stream (pack.h): one makes frames, packed if that pays, the other takes them apart however they come in. One thread's
// each; the bytes travel elsewhere.
#ifndef COMMON_PACK_STREAM_H
#define COMMON_PACK_STREAM_H

#include "common/pack-rule.h"
#include "common/pack.h"

// ---- out

struct pack_out;

struct pack_out *pack_out_new(bool always, struct error *err) MUST_CHECK; // ALWAYS: packed if it shrinks, whether it pays or not
void pack_out_free(struct pack_out *out); // NULL is fine
// The time of the next piece begins.
void pack_out_begin(struct pack_out *out);
// The mode for what comes next, after a look at a sample of it if one is wanted. COUNT 0: without a look.
enum pack_mode pack_out_mode(struct pack_out *out, const uint8_t *sample, size_t count);
bool pack_out_asks(const struct pack_out *out); // whether a sample would be looked at
// The COUNT bytes that stand PACK_HEAD_BYTES behind BUFFER's begin, as a frame: it is BUFFER itself, or memory of OUT's until the next call.
const uint8_t *pack_out_seal(struct pack_out *out, uint8_t *buffer, size_t count, size_t *length);
// RAW bytes have gone as WIRE; QUEUE: struct pack_note. The time of the next piece begins.
void pack_out_gone(struct pack_out *out, uint64_t raw, uint64_t wire, uint64_t queue);

// ---- in

struct pack_in;

struct pack_in *pack_in_new(struct error *err) MUST_CHECK;
void pack_in_free(struct pack_in *in); // NULL is fine
// Where bytes of the stream are wanted next, and how many at most, when there is ROOM at OUTPUT; 0: it needs more room, but never more than
// PACK_PIECE_BYTES.
size_t pack_in_wants(struct pack_in *in, uint8_t *output, size_t room, uint8_t **into);
// COUNT bytes came there. *MADE: how many have been put at OUTPUT by it.
int pack_in_came(struct pack_in *in, uint8_t *output, size_t count, size_t *made, struct error *err) MUST_CHECK;
bool pack_in_between(const struct pack_in *in); // two frames: the stream may end here

#endif
