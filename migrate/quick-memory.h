// SPDX-License-Identifier: GPL-3.0-or-later
// The memory of one VM on a quick move, past QEMU: from the source QEMU's shared memory over lanes of TLS into the target QEMU's. Threads of its own
// do the work; the loop opens, starts, waits and frees. Knows nothing of the move's states: nothing counts before quick_memory_await says 0.
#ifndef MIGRATE_QUICK_MEMORY_H
#define MIGRATE_QUICK_MEMORY_H

#include "common/tls-lane.h"
#include "hypervisor/vm.h"
#include "proto/api.pb-c.h"

#define QUICK_LANES_MAX 8u // that a peer may ask for: as many threads a side

struct quick_memory;

enum quick_pack { QUICK_PLAIN, QUICK_PACKS, QUICK_PACKS_ALWAYS }; // what is sent; QUICK_PACKS: if it pays

// *memory is NULL if not all of VM's shared memory can be opened: QEMU's own stream must carry it.
int quick_memory_source(struct vm *vm, enum quick_pack pack, struct quick_memory **memory, struct error *err) MUST_CHECK; // waits
// For what STREAM, lane 0, tells of; the VM's memory here must be the same, and is zero and mapped when this returns.
int quick_memory_target(struct vm *vm, const Holdfast__MoveStream *stream, struct quick_memory **memory,
	struct error *err) MUST_CHECK; // waits
void quick_memory_free(struct quick_memory *memory); // ends its threads. NULL is fine

// For the request that opens lane 0; the strings stay ours. Free stream->rams.
int quick_memory_describe(const struct quick_memory *memory, Holdfast__MoveStream *stream, struct error *err) MUST_CHECK;
void quick_memory_undescribe(Holdfast__MoveStream *stream);
// Lane NUMBER, from 1. Takes the session, on failure too. A target begins to listen when all are there.
int quick_memory_lane(struct quick_memory *memory, unsigned number, struct tls_session *tls, struct error *err) MUST_CHECK;
bool quick_memory_listens(const struct quick_memory *memory);
// The guest stands still: its memory goes. BANDWIDTH: bytes per second on the wire; 0: no limit.
int quick_memory_send(struct quick_memory *memory, uint64_t bandwidth, struct error *err) MUST_CHECK;
// Until all of it is there, or VM's QEMU is not any more.
int quick_memory_await(struct quick_memory *memory, const struct vm *vm, unsigned timeout_ms, struct error *err) MUST_CHECK; // waits
void quick_memory_stop(struct quick_memory *memory); // what still goes on fails. NULL is fine
uint64_t quick_memory_bytes(const struct quick_memory *memory); // of pages
uint64_t quick_memory_wire_bytes(const struct quick_memory *memory); // that its lanes have sent for them

#endif
