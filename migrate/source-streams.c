// SPDX-License-Identifier: GPL-3.0-or-later
// The connections of a source that carry memory: for each VM one with QEMU's stream, and on a quick move those of its shared memory, which goes past
// QEMU (quick-memory.h).
#include "migrate/internal.h"

#include <string.h>
#include "common/cleanup.h"
#include "common/pack.h"

#define CONNECT_MS 5000u
#define MAP_MS 60000u // the target maps all of the memory before it answers

// A connection that the target has agreed to use for STREAM.
static struct rpc_client *agree(
	struct move *move, Holdfast__MoveStream *stream, unsigned timeout_ms, struct error *err)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	struct rpc_client *client = rpc_connect_tls(
		move->address, RPC_HYPERVISORD_PORT, move->peer, move->moves->tls, CONNECT_MS, err);

	if (!client)
		return NULL;
	request.body_case = HOLDFAST__REQUEST__BODY_MOVE_STREAM;
	request.move_stream = stream;
	if (rpc_client_do(client, &request, timeout_ms, err) == 0)
		return client;
	rpc_client_free(client);
	return NULL;
}

static int open_lane(struct move *move, struct move_vm *entry, unsigned lane, struct error *err)
{
	Holdfast__MoveStream stream = HOLDFAST__MOVE_STREAM__INIT;
	struct tls_session *tls;

	stream.id = move->id;
	stream.vm = entry->name;
	stream.lane = lane;
	struct rpc_client *client = agree(move, &stream, MOVE_CALL_TIMEOUT_MS, err);
	if (!client || rpc_client_hijack_tls(client, &tls, err) < 0)
		return -1;
	return quick_memory_lane(entry->memory, lane, tls, err);
}

// As the node's configuration says. The target takes what is named in the request.
static enum quick_pack packing_of(const struct move *move)
{
	const char *word = move->moves->hv->config.move_compression;

	return strcmp(word, "off") == 0	      ? QUICK_PLAIN
		: strcmp(word, "always") == 0 ? QUICK_PACKS_ALWAYS
					      : QUICK_PACKS;
}

static int open_tunnel(
	struct move_vm *entry, struct rpc_client *client, enum quick_pack packing, struct error *err)
{
	static const enum rpc_tunnel_pack packs[] = { RPC_TUNNEL_PLAIN, RPC_TUNNEL_PACKS,
		RPC_TUNNEL_PACKS_ALWAYS };
	struct tls_session *tls;

	if (rpc_client_hijack_tls(client, &tls, err) < 0)
		return -1;
	if (!entry->meter)
		entry->meter = rpc_tunnel_meter_new(NULL); // without memory for it nothing is counted
	return rpc_tunnel_start_packed(tls, packs[packing], entry->meter, &entry->stream, err);
}

int source_open_streams(struct move *move, struct move_vm *entry, struct vm *vm, struct error *err)
{
	Holdfast__MoveStream stream = HOLDFAST__MOVE_STREAM__INIT;
	enum quick_pack packing = packing_of(move);

	stream.id = move->id;
	stream.vm = entry->name;
	stream.packing = packing == QUICK_PLAIN ? 0 : PACK_ZSTD;
	if (move->kind == HOLDFAST__MOVE_KIND__MOVE_QUICK &&
		(quick_memory_source(vm, packing, &entry->memory, err) < 0 ||
			(entry->memory && quick_memory_describe(entry->memory, &stream, err) < 0)))
		return -1;
	struct rpc_client *client = agree(move, &stream, MAP_MS, err);
	quick_memory_undescribe(&stream);
	if (!client || open_tunnel(entry, client, packing, err) < 0)
		return -1;
	for (unsigned lane = 1; lane <= stream.lanes; lane++)
		if (open_lane(move, entry, lane, err) < 0)
			return -1;
	return 0;
}
