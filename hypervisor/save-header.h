// SPDX-License-Identifier: GPL-3.0-or-later
// The head of a saved state: what it is of, and how much there must be of it. The file is HEADER_BYTES of this, then QEMU's stream. The head is
// written last, so that a file without one was never finished. Pure; a fuzz target feeds the decoder.
//
//   0  magic "HOLDFAST SAVE\r\n\x1a" (16 bytes)     16  u32 version, u32 length of the JSON     24  JSON     then zeros
//   HEADER_BYTES - 32: SHA-256 of all the bytes before
#ifndef HYPERVISOR_SAVE_HEADER_H
#define HYPERVISOR_SAVE_HEADER_H

#include <stdint.h>
#include "common/error.h"

#define SAVE_HEADER_BYTES 4096
#define SAVE_VERSION 1

struct save_header {
	char vm[64], uuid[40];
	char qemu[32], machine[32];
	uint64_t ram_kib;		// as QEMU has it
	uint64_t cpus;
	uint64_t generation;		// of the disks that it belongs to
	uint64_t stream_bytes;
	char stream_sha256[65];		// hex
	char time[32];			// RFC 3339
};

int save_header_encode(const struct save_header *header, uint8_t bytes[SAVE_HEADER_BYTES], struct error *err) MUST_CHECK;
// ERROR_FAILED: it was never finished or is damaged.
int save_header_decode(const uint8_t bytes[SAVE_HEADER_BYTES], struct save_header *header, struct error *err) MUST_CHECK;
// Whether a state with this head fits a VM that is described by WANTED (stream and time apart) and a file of FILE_BYTES. ERROR_UNSAFE says what
// does not.
int save_header_match(const struct save_header *header, const struct save_header *wanted, uint64_t file_bytes,
	struct error *err) MUST_CHECK;

#endif
