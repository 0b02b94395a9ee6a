// SPDX-License-Identifier: GPL-3.0-or-later
// The power switch's datagrams and the packets they travel in: what is built comes back, and nothing else is taken.
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include "deploy/lab/bmc/wire.h"
#include "deploy/lab/labd/packet.h"

#define KEY "0123456789abcdef"

static const struct bmc_message request = { "10.0.2.121", "00112233445566778899aabbccddeeff", BMC_REBOOT };

static void a_message_comes_back(void **state)
{
	struct error err = ERROR_INIT;

	for (unsigned word = 0; word < BMC_WORDS; word++) {
		struct bmc_message sent = request, got;
		char datagram[BMC_DATAGRAM_MAX];
		int bytes;

		sent.word = word;
		bytes = bmc_encode(&sent, KEY, datagram, &err);
		assert_true(bytes > 0);
		assert_ok(bmc_decode(datagram, (size_t)bytes, KEY, &got, &err), err);
		assert_int_equal(got.word, word);
		assert_string_equal(got.address, sent.address);
		assert_string_equal(got.nonce, sent.nonce);
		assert_int_equal(bmc_is_request(got.word), word <= BMC_REBOOT);
	}
}

static void another_key_is_refused(void **state)
{
	struct error err = ERROR_INIT;
	char datagram[BMC_DATAGRAM_MAX];
	struct bmc_message got;
	int bytes = bmc_encode(&request, KEY, datagram, &err);

	assert_fails(bmc_decode(datagram, (size_t)bytes, KEY "0", &got, &err), err, ERROR_DENIED);
}

// Every single byte counts: a change of any, or any other length, is refused.
static void a_changed_message_is_refused(void **state)
{
	struct error err = ERROR_INIT;
	char datagram[BMC_DATAGRAM_MAX];
	struct bmc_message got;
	int bytes = bmc_encode(&request, KEY, datagram, &err);

	for (int i = 0; i < bytes; i++) {
		char changed[BMC_DATAGRAM_MAX];

		memcpy(changed, datagram, (size_t)bytes);
		changed[i] ^= 1;
		if (bmc_decode(changed, (size_t)bytes, KEY, &got, &err) == 0)
			fail_msg("byte %d changed, and the message was taken", i);
		if (bmc_decode(datagram, (size_t)i, KEY, &got, &err) == 0)
			fail_msg("the first %d bytes were taken for a message", i);
	}
	datagram[bytes] = 'a';
	assert_fails(bmc_decode(datagram, (size_t)bytes + 1, KEY, &got, &err), err, ERROR_PROTOCOL);
}

static void garbage_is_refused(void **state)
{
	static const char *const garbage[] = { "", "holdfast-bmc 1", "holdfast-bmc 2 10.0.2.121 00 ?off 00",
		"holdfast-bmc 1    ", "%s%n%s%n",
		"holdfast-bmc 1 10.0.2.121 00112233445566778899aabbccddeeff ?explode 00" };
	struct error err = ERROR_INIT;
	struct bmc_message got;
	char large[BMC_DATAGRAM_MAX + 1];

	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++)
		assert_fails(
			bmc_decode(garbage[i], strlen(garbage[i]), KEY, &got, &err), err, ERROR_PROTOCOL);
	memset(large, 'a', sizeof(large));
	assert_fails(bmc_decode(large, sizeof(large), KEY, &got, &err), err, ERROR_PROTOCOL);
	assert_fails(bmc_decode("holdfast\0bmc", 12, KEY, &got, &err), err, ERROR_PROTOCOL);
}

static const struct packet_end us = { { 0x52, 0x54, 0, 0x48, 3, 21 }, 0x0a000279, BMC_PORT };
static const struct packet_end them = { { 0x52, 0x54, 0, 0x48, 2, 11 }, 0x0a00020b, 40000 };

static void a_packet_comes_back(void **state)
{
	uint8_t frame[PACKET_FRAME_MAX];
	struct packet packet;

	for (size_t length = 0; length < 9; length++) {
		size_t bytes = packet_build_udp(frame, &them, &us, "payload!", length);

		packet_parse(&packet, frame, bytes, &us);
		assert_int_equal(packet.kind, PACKET_UDP);
		assert_int_equal(packet.payload_bytes, length);
		assert_memory_equal(packet.payload, "payload!", length);
		assert_int_equal(packet.from.address, them.address);
		assert_int_equal(packet.from.port, them.port);
		assert_int_equal(packet.to_port, BMC_PORT);
		assert_memory_equal(packet.from.mac, them.mac, 6);
	}
}

static void a_damaged_or_cut_packet_is_no_packet(void **state)
{
	uint8_t frame[PACKET_FRAME_MAX];
	struct packet packet;
	size_t bytes = packet_build_udp(frame, &them, &us, "payload!", 8);

	for (size_t i = 0; i < bytes; i++) {
		packet_parse(&packet, frame, i, &us);
		assert_int_equal(packet.kind, PACKET_OTHER);
		if (i >= 6 && i < 12)
			continue; // the sender's address: nobody checks it
		frame[i] ^= 0x10;
		packet_parse(&packet, frame, bytes, &us);
		if (packet.kind != PACKET_OTHER)
			fail_msg("byte %zu changed, and the packet was taken", i);
		frame[i] ^= 0x10;
	}
}

static void arp_is_answered_for_our_address_only(void **state)
{
	uint8_t ask[42] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0x48, 2, 11, 8, 6, 0, 1, 8, 0,
		6, 4, 0, 1, 0x52, 0x54, 0, 0x48, 2, 11, 10, 0, 2, 11, 0, 0, 0, 0, 0, 0, 10, 0, 2, 121 };
	uint8_t reply[PACKET_FRAME_MAX];
	struct packet packet;

	packet_parse(&packet, ask, sizeof(ask), &us);
	assert_int_equal(packet.kind, PACKET_ARP_REQUEST);
	assert_int_equal(packet_build_arp_reply(reply, &us, &packet.from), 42);
	assert_memory_equal(reply, them.mac, 6);
	assert_memory_equal(reply + 22, us.mac, 6);
	assert_memory_equal(reply + 38, "\x0a\x00\x02\x0b", 4);
	packet_parse(&packet, ask, sizeof(ask) - 1, &us);
	assert_int_equal(packet.kind, PACKET_OTHER);
	ask[41] = 122;
	packet_parse(&packet, ask, sizeof(ask), &us);
	assert_int_equal(packet.kind, PACKET_OTHER);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_message_comes_back),
	cmocka_unit_test(another_key_is_refused),
	cmocka_unit_test(a_changed_message_is_refused),
	cmocka_unit_test(garbage_is_refused),
	cmocka_unit_test(a_packet_comes_back),
	cmocka_unit_test(a_damaged_or_cut_packet_is_no_packet),
	cmocka_unit_test(arp_is_answered_for_our_address_only),
};

UNIT_MAIN(tests)
