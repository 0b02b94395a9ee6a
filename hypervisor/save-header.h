// SPDX-License-Identifier: GPL-3.0-or-later
// The head of a saved state: what it is of, what it fits, and where its index is. A file is
//   0       head: magic "HOLDFAST SAVE\r\n\x1a" (16 bytes), u32 version, u32 length of the JSON, JSON, zeros, SHA-256 of all the bytes before
//   4096    chunks (hypervisor/save-index.h), each a multiple of 4096 bytes with an XXH3 sum in the index, no gaps between them
//   index_at  the index, a multiple of 4096 bytes with its XXH3 sum in the head; the file ends with it
// All integers are little-endian. Every byte is under a sum, zeros too: one changed bit anywhere is found.
#ifndef HYPERVISOR_SAVE_HEADER_H
#define HYPERVISOR_SAVE_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/error.h"

#define SAVE_HEADER_BYTES 4096
#define SAVE_VERSION 2
#define SAVE_RAMS_MAX 20

struct save_ram_header {	// a memory backend whose content is in the chunks
	char id[32];
	uint64_t bytes;
};

struct save_header {
	char vm[64], uuid[40];
	char qemu[32], machine[32];
	uint64_t ram_kib;		// main memory, as QEMU has it
	uint64_t cpus;
	uint64_t generation;		// of the disks that it belongs to
	bool paused;			// so is the guest when it is restored
	struct save_ram_header rams[SAVE_RAMS_MAX];
	size_t ram_count;		// 0: all memory is in the devices' stream
	uint64_t index_at, index_bytes;
	uint64_t index_sum;
	char time[32];			// RFC 3339
};

int save_header_encode(const struct save_header *header, uint8_t bytes[SAVE_HEADER_BYTES], struct error *err) MUST_CHECK;
// ERROR_FAILED: it was never finished or is damaged.
int save_header_decode(const uint8_t bytes[SAVE_HEADER_BYTES], struct save_header *header, struct error *err) MUST_CHECK;
// Whether a state with this head fits a VM that is described by WANTED (memory backends, index and time apart) and a file of FILE_BYTES.
// ERROR_UNSAFE says what does not.
int save_header_match(const struct save_header *header, const struct save_header *wanted, uint64_t file_bytes,
	struct error *err) MUST_CHECK;

#endif
