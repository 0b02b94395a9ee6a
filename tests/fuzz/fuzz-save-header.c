// SPDX-License-Identifier: GPL-3.0-or-later
// The head of a saved state: whatever is accepted is what the encoder would write. The checksum is made right first, or nothing behind it would be
// reached.
#include "tests/fuzz/fuzz.h"

#include <openssl/sha.h>
#include <string.h>
#include "hypervisor/save-header.h"

#define SUM_AT (SAVE_HEADER_BYTES - SHA256_DIGEST_LENGTH)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	uint8_t head[SAVE_HEADER_BYTES] = { 0 }, again[SAVE_HEADER_BYTES];
	struct save_header header, twice;
	struct error err = ERROR_INIT;
	memcpy(head, bytes, count < SUM_AT ? count : SUM_AT);
	SHA256(head, SUM_AT, head + SUM_AT);
	if (save_header_decode(head, &header, &err)) {
		fuzz_assert(err.code == ERROR_FAILED);
		return 0;
	}
	fuzz_assert(strlen(header.vm) < sizeof(header.vm) && header.ram_count <= SAVE_RAMS_MAX &&
		header.index_at % SAVE_HEADER_BYTES == 0);
	if (save_header_encode(&header, again, &err))
		return 0; // text that is no UTF-8, or too much of it once it is escaped
	fuzz_assert(save_header_decode(again, &twice, &err) == 0);
	fuzz_assert(memcmp(&header, &twice, sizeof(header)) == 0);
	return 0;
}
