// SPDX-License-Identifier: GPL-3.0-or-later
// The little of ARP, IPv4 and UDP that a power switch needs: taking a frame apart with every length checked, and building the answer.
// Pure functions on bytes; takes any frame.
#ifndef LABD_PACKET_H
#define LABD_PACKET_H

#include <stddef.h>
#include <stdint.h>

#define PACKET_PAYLOAD_MAX 1024
#define PACKET_FRAME_MAX (14 + 20 + 8 + PACKET_PAYLOAD_MAX)

struct packet_end {
	uint8_t mac[6];
	uint32_t address;		// host order
	uint16_t port;
};

enum packet_kind { PACKET_OTHER, PACKET_ARP_REQUEST, PACKET_UDP };

struct packet {
	enum packet_kind kind;
	struct packet_end from;
	uint16_t to_port;
	const uint8_t *payload;		// inside the frame
	size_t payload_bytes;
};

// PACKET_OTHER for whatever is not for OWN (MAC and address), is damaged, or is of no interest.
void packet_parse(struct packet *packet, const uint8_t *frame, size_t bytes, const struct packet_end *own);
// Both return the frame's length; FRAME has room for PACKET_FRAME_MAX bytes. Payload over PACKET_PAYLOAD_MAX: 0.
size_t packet_build_arp_reply(uint8_t *frame, const struct packet_end *own, const struct packet_end *to);
size_t packet_build_udp(uint8_t *frame, const struct packet_end *own, const struct packet_end *to, const void *payload,
			size_t payload_bytes);

#endif
