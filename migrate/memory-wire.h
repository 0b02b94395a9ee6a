// SPDX-License-Identifier: GPL-3.0-or-later
// The memory of a guest that stands still, on its way past QEMU: the same chunks as in a saved state (hypervisor/ram-chunk.h), over one or more
// lanes, each of which takes the next chunk. A lane is heads of MEMORY_HEAD_BYTES, each followed by the pages that its bitmap names; the last one
// says how much the lane carried. Knows no connection: bytes go through functions. Any thread, a lane each.
//   0 u32 magic   4 u8 kind   5 u8 backend   6 u8 packed   7 u8 zero   8 u32 number   12 u32 count   16 bitmap of 32 bytes; little-endian
// Packed (0 or 1, if that was agreed): the chunk's pages, one after the other, come as frames of common/pack.h, none of which goes on in the next
// chunk.
// END: number is the chunks of this lane, count those of the whole memory, the bitmap's first 8 bytes the pages of this lane, the rest zero.
#ifndef MIGRATE_MEMORY_WIRE_H
#define MIGRATE_MEMORY_WIRE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include "hypervisor/ram-chunk.h"

#define MEMORY_HEAD_BYTES 48u

enum memory_kind { MEMORY_CHUNK = 1, MEMORY_END = 2 };

struct memory_head {
	enum memory_kind kind;
	uint8_t backend;
	bool packed;
	uint32_t number;
	uint32_t count; // of pages; END: of the chunks that there are, zero ones too
	uint64_t lane_pages; // END
	uint8_t pages[RAM_BITMAP_BYTES];
};

void memory_head_encode(const struct memory_head *head, uint8_t bytes[MEMORY_HEAD_BYTES]);
// ERROR_PROTOCOL: it does not fit the memory that RAMS describes.
int memory_head_decode(const uint8_t bytes[MEMORY_HEAD_BYTES], const struct save_header *rams, struct memory_head *head,
	struct error *err) MUST_CHECK;

// One memory, mapped, as all its lanes see it.
struct memory_wire {
	const struct save_header *rams;
	uint8_t *map[SAVE_RAMS_MAX];
	const int *fds; // sending: of the backends
	_Atomic uint64_t next; // sending
	_Atomic uint64_t bytes; // of pages, so far
	pthread_mutex_t lock; // sending: data; receiving: seen
	struct ram_data data;
	uint8_t *seen; // receiving: a bit for each chunk that came
};

int memory_wire_init(struct memory_wire *wire, const struct save_header *rams, struct error *err) MUST_CHECK;
void memory_wire_done(struct memory_wire *wire);

// 0 when COUNT bytes have gone, or come.
typedef int memory_give_fn(void *lane, const uint8_t *bytes, size_t count, struct error *err);
typedef int memory_take_fn(void *lane, uint8_t *bytes, size_t count, struct error *err);
typedef uint64_t memory_queue_fn(void *lane); // bytes that were given and have not come to the other side

// A lane's way to send chunks packed, and to receive them. Its thread's.
struct memory_pack;
struct memory_pack *memory_pack_out(bool always, memory_queue_fn *queue, struct error *err) MUST_CHECK; // ALWAYS: whether it pays or not
struct memory_pack *memory_pack_in(struct error *err) MUST_CHECK;
void memory_pack_free(struct memory_pack *pack); // NULL is fine

// PACK NULL: chunks that are packed were not agreed.
// Until no chunk is left, and says so. The other lanes may still be at theirs.
int memory_send(struct memory_wire *wire, memory_give_fn *give, void *lane, struct memory_pack *pack, struct error *err) MUST_CHECK;
// Until the lane's end. All of the memory is here when this has returned 0 for each lane. What did not come stays as it is: zero.
int memory_receive(struct memory_wire *wire, memory_take_fn *take, void *lane, struct memory_pack *pack, struct error *err) MUST_CHECK;

#endif
