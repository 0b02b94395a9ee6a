// SPDX-License-Identifier: GPL-3.0-or-later
// The pages of one chunk as frames (common/pack.h), for memory-wire.c only. Guest memory is copied before it is packed and after it was unpacked: no
// other process, which may have it mapped too, changes anything under the library's hands.
#ifndef MIGRATE_MEMORY_PACK_H
#define MIGRATE_MEMORY_PACK_H

#include "migrate/memory-wire.h"

// Whether the pages that HEAD names of CHUNK shall go packed. The time of their sending begins.
bool memory_pack_wants(struct memory_pack *pack, const struct memory_head *head, const uint8_t *chunk);
int memory_pack_send(struct memory_pack *pack, const struct memory_head *head, const uint8_t *chunk, memory_give_fn *give,
	void *lane, struct error *err) MUST_CHECK;
// BYTES of pages have gone as they are, since memory_pack_wants.
void memory_pack_sent_plain(struct memory_pack *pack, uint64_t bytes, void *lane);
int memory_pack_receive(struct memory_pack *pack, const struct memory_head *head, uint8_t *chunk, memory_take_fn *take,
	void *lane, struct error *err) MUST_CHECK;

#endif
