// SPDX-License-Identifier: GPL-3.0-or-later
// ARP, IPv4 and UDP on bytes, see packet.h. No structs are laid over the frame: each field is read at its offset after the length
// was checked.
#include "deploy/lab/labd/packet.h"

#include <string.h>

enum {
	ETHER_BYTES = 14,
	ARP_BYTES = 28,
	IP_BYTES = 20,
	UDP_BYTES = 8,
	ETHERTYPE_IP = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ARP_REQUEST = 1,
	ARP_REPLY = 2,
	IP_UDP = 17,
	IP_TTL = 64,
	IP_FRAGMENT_BITS = 0x3fff, // "more fragments" and the offset
};

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, (uint16_t)(value >> 16));
	put16(at + 2, (uint16_t)value);
}

static uint32_t sum16(uint32_t sum, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i + 1 < count; i += 2)
		sum += get16(bytes + i);
	if (count & 1)
		sum += (uint32_t)bytes[count - 1] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

// IP is the IPv4 header, followed by BYTES of UDP.
static uint16_t udp_checksum(const uint8_t *ip, const uint8_t *udp, size_t bytes)
{
	return fold(sum16(sum16(IP_UDP + (uint32_t)bytes, ip + 12, 8), udp, bytes));
}

static void parse_arp(struct packet *packet, const uint8_t *arp, size_t bytes, const struct packet_end *own)
{
	static const uint8_t ethernet_ip_request[] = { 0, 1, 8, 0, 6, 4, 0, ARP_REQUEST };

	if (bytes < ARP_BYTES || memcmp(arp, ethernet_ip_request, sizeof(ethernet_ip_request)) != 0 ||
		get32(arp + 24) != own->address)
		return;
	memcpy(packet->from.mac, arp + 8, 6);
	packet->from.address = get32(arp + 14);
	packet->kind = PACKET_ARP_REQUEST;
}

static void parse_ip(struct packet *packet, const uint8_t *ip, size_t bytes, const struct packet_end *own)
{
	size_t header, total, udp_bytes;
	const uint8_t *udp;

	if (bytes < IP_BYTES || ip[0] >> 4 != 4)
		return;
	header = (size_t)(ip[0] & 15) * 4;
	total = get16(ip + 2);
	if (header < IP_BYTES || total > bytes || total < header + UDP_BYTES ||
		fold(sum16(0, ip, header)) != 0 || get16(ip + 6) & IP_FRAGMENT_BITS || ip[9] != IP_UDP ||
		get32(ip + 16) != own->address)
		return;
	udp = ip + header;
	udp_bytes = get16(udp + 4);
	if (udp_bytes < UDP_BYTES || udp_bytes > total - header)
		return;
	if (get16(udp + 6) != 0 && udp_checksum(ip, udp, udp_bytes) != 0)
		return;
	packet->from.address = get32(ip + 12);
	packet->from.port = get16(udp);
	packet->to_port = get16(udp + 2);
	packet->payload = udp + UDP_BYTES;
	packet->payload_bytes = udp_bytes - UDP_BYTES;
	packet->kind = PACKET_UDP;
}

void packet_parse(struct packet *packet, const uint8_t *frame, size_t bytes, const struct packet_end *own)
{
	*packet = (struct packet){ .kind = PACKET_OTHER };
	if (bytes < ETHER_BYTES)
		return;
	memcpy(packet->from.mac, frame + 6, 6);
	if (get16(frame + 12) == ETHERTYPE_ARP)
		parse_arp(packet, frame + ETHER_BYTES, bytes - ETHER_BYTES, own);
	else if (get16(frame + 12) == ETHERTYPE_IP && memcmp(frame, own->mac, 6) == 0)
		parse_ip(packet, frame + ETHER_BYTES, bytes - ETHER_BYTES, own);
}

static void build_ether(
	uint8_t *frame, const struct packet_end *own, const struct packet_end *to, uint16_t type)
{
	memcpy(frame, to->mac, 6);
	memcpy(frame + 6, own->mac, 6);
	put16(frame + 12, type);
}

size_t packet_build_arp_reply(uint8_t *frame, const struct packet_end *own, const struct packet_end *to)
{
	uint8_t *arp = frame + ETHER_BYTES;

	build_ether(frame, own, to, ETHERTYPE_ARP);
	memcpy(arp, (const uint8_t[]){ 0, 1, 8, 0, 6, 4, 0, ARP_REPLY }, 8);
	memcpy(arp + 8, own->mac, 6);
	put32(arp + 14, own->address);
	memcpy(arp + 18, to->mac, 6);
	put32(arp + 24, to->address);
	return ETHER_BYTES + ARP_BYTES;
}

size_t packet_build_udp(uint8_t *frame, const struct packet_end *own, const struct packet_end *to,
	const void *payload, size_t payload_bytes)
{
	uint8_t *ip = frame + ETHER_BYTES, *udp = ip + IP_BYTES;
	size_t udp_bytes = UDP_BYTES + payload_bytes;
	uint16_t checksum;

	if (payload_bytes > PACKET_PAYLOAD_MAX)
		return 0;
	build_ether(frame, own, to, ETHERTYPE_IP);
	memset(ip, 0, IP_BYTES + UDP_BYTES);
	ip[0] = 0x45;
	put16(ip + 2, (uint16_t)(IP_BYTES + udp_bytes));
	ip[8] = IP_TTL;
	ip[9] = IP_UDP;
	put32(ip + 12, own->address);
	put32(ip + 16, to->address);
	put16(ip + 10, fold(sum16(0, ip, IP_BYTES)));
	put16(udp, own->port);
	put16(udp + 2, to->port);
	put16(udp + 4, (uint16_t)udp_bytes);
	memcpy(udp + UDP_BYTES, payload, payload_bytes);
	checksum = udp_checksum(ip, udp, udp_bytes);
	put16(udp + 6, checksum ? checksum : 0xffff);
	return ETHER_BYTES + IP_BYTES + udp_bytes;
}
