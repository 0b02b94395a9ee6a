// SPDX-License-Identifier: GPL-3.0-or-later
// One request that is being served: its task, what the handler sends before the last reply, the input that comes meanwhile,
// and the hand-over of its connection. A call without a peer has lost its client; its handler goes on undisturbed.
#include "common/rpc-server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/log.h"
#include "common/rpc-tunnel.h"

#define INPUT_HIGH_BYTES (1u << 20) // the connection is not read while a handler has more than this before it
#define SLOW_READER_MS 15000

static void call_unlink(struct rpc_call *call)
{
	*call->link = call->next;
	if (call->next)
		call->next->link = call->link;
	call->peer->call_count--;
	call->peer = NULL;
}

static void call_free(struct rpc_call *call)
{
	if (call->peer) {
		if (call->input_bytes > INPUT_HIGH_BYTES)
			rpc_connection_set_reading(call->peer->connection, RPC_READ_FRAMES);
		call_unlink(call);
	}
	loop_source_remove(call->on_gone_soon);
	for (struct rpc_data *piece = call->first, *next; piece; piece = next) {
		next = piece->next;
		free(piece->bytes);
		free(piece);
	}
	holdfast__request__free_unpacked(call->request, NULL);
	free(call);
}

// The last reply: ours to free, whatever it holds.
static void answer(struct rpc_call *call, Holdfast__Reply *reply, const struct error *why)
{
	struct error err = ERROR_INIT;

	if (!call->peer)
		return;
	if (why->code) {
		rpc_peer_refuse(call->peer, call->request->id, why);
		return;
	}
	Holdfast__Empty empty = HOLDFAST__EMPTY__INIT;
	bool bare = reply->body_case == HOLDFAST__REPLY__BODY__NOT_SET;
	reply->id = call->request->id;
	if (bare) {
		reply->body_case = HOLDFAST__REPLY__BODY_DONE;
		reply->done = &empty;
	}
	if (rpc_connection_send(call->peer->connection, &reply->base, &err) < 0)
		rpc_peer_refuse(call->peer, call->request->id, &err);
	if (bare)
		reply->body_case = HOLDFAST__REPLY__BODY__NOT_SET;
}

static void call_main(void *data)
{
	struct rpc_call *call = data;
	struct error err = ERROR_INIT;
	Holdfast__Reply *reply = malloc(sizeof(*reply));

	if (!reply) {
		error_set(&err, ERROR_NO_SPACE, "no memory for a reply");
		answer(call, NULL, &err);
		call_free(call);
		return;
	}
	holdfast__reply__init(reply);
	if (call->serve(call, call->request, reply, call->data, &err) == 0)
		error_clear(&err);
	else if (!err.code)
		error_set(&err, ERROR_FAILED, "failed without saying why");
	answer(call, reply, &err);
	holdfast__reply__free_unpacked(reply, NULL);
	call_free(call);
}

void rpc_call_start(struct rpc_peer *peer, Holdfast__Request *request, rpc_handler_fn *serve)
{
	struct rpc_call *call = calloc(1, sizeof(*call));
	struct error err = ERROR_INIT;
	char name[64];

	if (!call) {
		error_set(&err, ERROR_NO_SPACE, "no memory for a request");
		rpc_peer_refuse(peer, request->id, &err);
		holdfast__request__free_unpacked(request, NULL);
		return;
	}
	call->peer = peer;
	call->loop = peer->server->loop;
	call->request = request;
	call->serve = serve;
	call->data = peer->server->data;
	call->caller = peer->caller;
	snprintf(call->peer_name, sizeof(call->peer_name), "%s", peer->name);
	call->next = peer->calls;
	call->link = &peer->calls;
	if (peer->calls)
		peer->calls->link = &call->next;
	peer->calls = call;
	peer->call_count++;
	snprintf(name, sizeof(name), "rpc %s",
		protobuf_c_message_descriptor_get_field(
			request->base.descriptor, (unsigned)request->body_case)
			->name);
	call->task = task_start(call->loop, name, call_main, call, &err);
	if (!call->task) {
		rpc_peer_refuse(peer, request->id, &err);
		call_free(call);
	}
}

static enum loop_verdict say_gone(void *data)
{
	struct rpc_call *call = data;
	task_fn *cb = call->on_gone;

	call->on_gone_soon = NULL;
	call->on_gone = NULL;
	if (cb)
		cb(call->on_gone_data);
	return LOOP_STOP;
}

void rpc_call_drop(struct rpc_call *call)
{
	call_unlink(call);
	task_wake(&call->input);
	if (call->on_gone && !call->on_gone_soon)
		call->on_gone_soon = loop_add_idle(call->loop, say_gone, call);
}

enum rpc_caller rpc_call_caller(const struct rpc_call *call)
{
	return call->caller;
}

const char *rpc_call_peer(const struct rpc_call *call)
{
	return call->peer_name;
}

bool rpc_call_gone(const struct rpc_call *call)
{
	return !call->peer && !call->hijacked;
}

void rpc_call_on_gone(struct rpc_call *call, task_fn *cb, void *data)
{
	call->on_gone = cb;
	call->on_gone_data = data;
	if (cb && rpc_call_gone(call) && !call->on_gone_soon)
		call->on_gone_soon = loop_add_idle(call->loop, say_gone, call);
}

// Sends a reply that is not the last one.
static int send_partial(struct rpc_call *call, Holdfast__Reply *reply, struct error *err)
{
	if (!call->peer)
		return error_set(err, ERROR_UNREACHABLE, "the client has hung up");
	reply->id = call->request->id;
	return rpc_connection_send(call->peer->connection, &reply->base, err);
}

int rpc_call_progress(struct rpc_call *call, double percent, const char *format, ...)
{
	Holdfast__Reply reply = HOLDFAST__REPLY__INIT;
	Holdfast__Progress progress = HOLDFAST__PROGRESS__INIT;
	struct error ignored = ERROR_INIT;
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	progress.text = text;
	progress.percent = percent;
	reply.body_case = HOLDFAST__REPLY__BODY_PROGRESS;
	reply.progress = &progress;
	return send_partial(call, &reply, &ignored);
}

int rpc_call_event(struct rpc_call *call, const Holdfast__Event *event)
{
	Holdfast__Reply reply = HOLDFAST__REPLY__INIT;
	struct error ignored = ERROR_INIT;

	reply.body_case = HOLDFAST__REPLY__BODY_EVENT;
	reply.event = (Holdfast__Event *)event;
	return send_partial(call, &reply, &ignored);
}

int rpc_call_send_data(struct rpc_call *call, const void *bytes, size_t count)
{
	Holdfast__Reply reply = HOLDFAST__REPLY__INIT;
	struct error ignored = ERROR_INIT;

	reply.body_case = HOLDFAST__REPLY__BODY_DATA;
	reply.data.data = (uint8_t *)bytes;
	reply.data.len = count;
	if (send_partial(call, &reply, &ignored) < 0)
		return -1;
	if (!task_self())
		return 0;
	return rpc_connection_wait_room(
		call->peer->connection, RPC_QUEUE_HIGH_BYTES, SLOW_READER_MS, &ignored);
}

void rpc_call_input(struct rpc_call *call, ProtobufCBinaryData *data)
{
	struct rpc_data *piece = data->len ? calloc(1, sizeof(*piece)) : NULL;

	if (!piece)
		return;
	piece->bytes = steal_ptr(data->data);
	piece->count = data->len;
	data->len = 0;
	if (call->last)
		call->last->next = piece;
	else
		call->first = piece;
	call->last = piece;
	call->input_bytes += piece->count;
	if (call->input_bytes > INPUT_HIGH_BYTES)
		rpc_connection_set_reading(call->peer->connection, RPC_READ_NONE);
	task_wake(&call->input);
}

int rpc_call_receive_data(
	struct rpc_call *call, unsigned timeout_ms, uint8_t **bytes, size_t *count, struct error *err)
{
	while (!call->first) {
		if (!call->peer)
			return 0;
		if (task_wait(&call->input, timeout_ms, "input from the client", err) < 0)
			return -1;
	}
	struct rpc_data *piece = call->first;
	call->first = piece->next;
	if (!call->first)
		call->last = NULL;
	call->input_bytes -= piece->count;
	*bytes = piece->bytes;
	*count = piece->count;
	free(piece);
	if (call->peer && call->input_bytes <= INPUT_HIGH_BYTES / 2)
		rpc_connection_set_reading(call->peer->connection, RPC_READ_FRAMES);
	return 1;
}

// Detaches the connection once our reply is written. *tls is NULL without TLS.
static int take_connection(struct rpc_call *call, int *fd, struct tls_session **tls, struct error *err)
{
	Holdfast__Reply reply = HOLDFAST__REPLY__INIT;
	Holdfast__Empty empty = HOLDFAST__EMPTY__INIT;

	if (!call->peer)
		return error_set(err, ERROR_UNREACHABLE, "the client has hung up");
	if (call->peer->call_count > 1)
		return error_set(
			err, ERROR_BUSY, "the connection carries other requests: it cannot be handed over");
	// What comes after our reply is raw already.
	rpc_connection_set_reading(call->peer->connection, RPC_READ_NONE);
	reply.body_case = HOLDFAST__REPLY__BODY_DONE;
	reply.done = &empty;
	if (send_partial(call, &reply, err) < 0 ||
		rpc_connection_wait_room(call->peer->connection, 0, SLOW_READER_MS, err) < 0)
		return -1;
	if (!call->peer)
		return error_set(err, ERROR_UNREACHABLE, "the client has hung up");
	struct rpc_peer *peer = call->peer;
	rpc_connection_detach(peer->connection, fd, tls);
	call->hijacked = true;
	call_unlink(call);
	rpc_peer_free(peer);
	return 0;
}

int rpc_call_hijack(struct rpc_call *call, int *fd, struct error *err)
{
	struct tls_session *tls;

	if (take_connection(call, fd, &tls, err) < 0)
		return -1;
	return tls ? rpc_tunnel_start(tls, fd, err) : 0;
}

int rpc_call_hijack_tls(struct rpc_call *call, struct tls_session **tls, struct error *err)
{
	int fd;

	if (rpc_call_caller(call) == RPC_CALLER_LOCAL)
		return error_set(err, ERROR_PROTOCOL, "this needs a connection with TLS");
	return take_connection(call, &fd, tls, err);
}
