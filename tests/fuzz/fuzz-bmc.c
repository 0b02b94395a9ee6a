// SPDX-License-Identifier: GPL-3.0-or-later
// A lab's power switch against any frame: nothing outside the frame is read, and no datagram is taken that was not made with the key.
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include "deploy/lab/bmc/wire.h"
#include "deploy/lab/labd/packet.h"

static const struct packet_end own = { { 0x52, 0x54, 0, 0x48, 3, 21 }, 0x0a000279, BMC_PORT };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct error err = ERROR_INIT;
	struct bmc_message message;
	struct packet packet;

	packet_parse(&packet, bytes, count, &own);
	if (packet.kind == PACKET_UDP) {
		fuzz_assert(
			packet.payload >= bytes && packet.payload + packet.payload_bytes <= bytes + count);
		fuzz_assert(
			bmc_decode(packet.payload, packet.payload_bytes, "the key", &message, &err) == -1);
	}
	// The same bytes as a bare datagram: only what this key made is taken, and it fits its fields.
	if (bmc_decode(bytes, count, "another", &message, &err) == 0) {
		fuzz_assert(strlen(message.nonce) == BMC_NONCE_DIGITS);
		fuzz_assert(message.word < BMC_WORDS);
	}
	return 0;
}
