// SPDX-License-Identifier: GPL-3.0-or-later
// Power switches: frames in, requests to the nodes' state machines, answers out. Remembers each switch's latest requests by nonce, so
// that a request which comes again is answered again (or waited for) and not carried out again.
#include "deploy/lab/labd/bmc.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "deploy/lab/bmc/wire.h"
#include "deploy/lab/labd/journal.h"
#include "deploy/lab/labd/packet.h"

#define REMEMBERED 32

enum request_state { REQUEST_NONE, REQUEST_PENDING, REQUEST_DONE };

struct request {
	struct bmc *owner;
	enum request_state state;
	struct packet_end from; // of its latest copy
	struct bmc_message message;
	enum bmc_word answer;
};

struct bmc {
	struct bmcs *owner;
	unsigned node;
	struct packet_end own;
	char address[16];
	struct request requests[REMEMBERED];
	unsigned next;
};

struct bmcs {
	struct nodes *nodes;
	const struct lab_config *config;
	bmc_output_cb *output;
	void *data;
	struct bmc list[LAB_NODES_MAX];
};

struct bmcs *bmcs_new(struct nodes *nodes, const struct lab_config *config, bmc_output_cb *output, void *data)
{
	struct bmcs *bmcs = calloc(1, sizeof(*bmcs));

	if (!bmcs)
		return NULL;
	bmcs->nodes = nodes;
	bmcs->config = config;
	bmcs->output = output;
	bmcs->data = data;
	for (unsigned i = 0; i < config->count; i++) {
		struct bmc *bmc = &bmcs->list[i];
		unsigned id = config->nodes[i].id;

		bmc->owner = bmcs;
		bmc->node = i;
		snprintf(bmc->address, sizeof(bmc->address), "10.0.2.%u", 100 + id);
		bmc->own.address = ntohl(inet_addr(bmc->address));
		bmc->own.port = BMC_PORT;
		memcpy(bmc->own.mac, (const uint8_t[]){ 0x52, 0x54, 0x00, 0x48, 0x03, (uint8_t)id }, 6);
	}
	return bmcs;
}

void bmcs_free(struct bmcs *bmcs)
{
	free(bmcs);
}

static void answer(struct request *request)
{
	struct bmc *bmc = request->owner;
	struct bmc_message reply = request->message;
	struct error err = ERROR_INIT;
	char datagram[BMC_DATAGRAM_MAX];
	uint8_t frame[PACKET_FRAME_MAX];
	int bytes;

	reply.word = request->answer;
	bytes = bmc_encode(&reply, bmc->owner->config->key, datagram, &err);
	if (bytes < 0) {
		journal("power switch of %s: %s", bmc->owner->config->nodes[bmc->node].name, err.message);
		return;
	}
	bmc->owner->output(bmc->node, frame,
		packet_build_udp(frame, &bmc->own, &request->from, datagram, (size_t)bytes),
		bmc->owner->data);
}

static void settled(const struct error *err, void *data)
{
	struct request *request = data;

	request->state = REQUEST_DONE;
	request->answer = err ? BMC_FAILED : BMC_OK;
	answer(request);
}

static void carry_out(struct request *request)
{
	static const enum node_event events[] = {
		[BMC_OFF] = FENCE_OFF, [BMC_ON] = FENCE_ON, [BMC_REBOOT] = FENCE_REBOOT
	};
	struct bmc *bmc = request->owner;
	struct bmcs *bmcs = bmc->owner;
	struct in_addr from = { htonl(request->from.address) };
	struct error err = ERROR_INIT;

	if (request->message.word == BMC_STATUS) {
		request->state = REQUEST_DONE;
		request->answer = nodes_has_process(bmcs->nodes, bmc->node) ? BMC_IS_ON : BMC_IS_OFF;
		answer(request);
		return;
	}
	journal("power switch of %s: %s, asked by %s", bmcs->config->nodes[bmc->node].name,
		bmc_word_name(request->message.word), inet_ntoa(from));
	request->state = REQUEST_PENDING;
	if (nodes_post(bmcs->nodes, bmc->node, events[request->message.word], settled, request, &err) < 0)
		settled(&err, request);
}

// A slot for a new request: the oldest one that is not pending.
static struct request *take_slot(struct bmc *bmc)
{
	for (unsigned i = 0; i < REMEMBERED; i++) {
		struct request *request = &bmc->requests[bmc->next];

		bmc->next = (bmc->next + 1) % REMEMBERED;
		if (request->state != REQUEST_PENDING) {
			*request = (struct request){ .owner = bmc };
			return request;
		}
	}
	return NULL;
}

static void take_datagram(struct bmc *bmc, const struct packet *packet)
{
	struct bmc_message message;
	struct error err = ERROR_INIT;
	struct request *request;

	if (packet->to_port != BMC_PORT)
		return;
	if (bmc_decode(packet->payload, packet->payload_bytes, bmc->owner->config->key, &message, &err) < 0 ||
		!bmc_is_request(message.word) || strcmp(message.address, bmc->address) != 0) {
		// No answer: a switch gives nothing to those without the key.
		journal("power switch of %s: refused a datagram: %s",
			bmc->owner->config->nodes[bmc->node].name,
			err.code ? err.message : "not a request to this switch");
		return;
	}
	for (unsigned i = 0; i < REMEMBERED; i++) {
		request = &bmc->requests[i];
		if (request->state == REQUEST_NONE || strcmp(request->message.nonce, message.nonce) != 0)
			continue;
		request->from = packet->from;
		if (request->state == REQUEST_DONE)
			answer(request);
		return;
	}
	request = take_slot(bmc);
	if (!request)
		return;
	request->message = message;
	request->from = packet->from;
	carry_out(request);
}

void bmcs_input(struct bmcs *bmcs, unsigned node, const uint8_t *frame, size_t bytes)
{
	struct bmc *bmc = &bmcs->list[node];
	uint8_t reply[PACKET_FRAME_MAX];
	struct packet packet;

	packet_parse(&packet, frame, bytes, &bmc->own);
	if (packet.kind == PACKET_ARP_REQUEST)
		bmcs->output(node, reply, packet_build_arp_reply(reply, &bmc->own, &packet.from), bmcs->data);
	else if (packet.kind == PACKET_UDP)
		take_datagram(bmc, &packet);
}
