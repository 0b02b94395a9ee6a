// SPDX-License-Identifier: GPL-3.0-or-later
// The rpc server: its peers, and what happens with each frame that they send. Whatever a peer sends, it gets at most an error
// and is hung up on. Knows nothing of sockets (rpc-listen.c) or of how handlers run (rpc-call.c).
#include "common/rpc-server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/log.h"

#define HANDSHAKE_MS 5000
#define STRANGER_IDLE_MS 10000
#define COMPLAINTS_PER_WINDOW 20
#define COMPLAINT_WINDOW_US 10000000

struct rpc_server *rpc_server_new(struct loop *loop, const struct rpc_handler *handlers, void *data)
{
	struct rpc_server *server = calloc(1, sizeof(*server));

	if (!server)
		return NULL;
	server->loop = loop;
	server->handlers = handlers;
	server->data = data;
	server->handshake_ms = HANDSHAKE_MS;
	server->stranger_idle_ms = STRANGER_IDLE_MS;
	return server;
}

void rpc_server_free(struct rpc_server *server)
{
	if (!server)
		return;
	rpc_listeners_free(server);
	while (server->peers)
		rpc_peer_free(server->peers);
	free(server->own_node);
	free(server);
}

void rpc_server_set_forward(struct rpc_server *server, rpc_handler_fn *forward, const char *own_node)
{
	char *name = strdup(own_node);

	if (!name)
		return;
	free(server->own_node);
	server->own_node = name;
	server->forward = forward;
}

void rpc_server_complain(struct rpc_server *server, const char *peer, const char *message)
{
	int64_t now_us = loop_now_us();

	if (server->log_window_us == 0 || now_us - server->log_window_us > COMPLAINT_WINDOW_US) {
		server->log_window_us = now_us;
		server->log_count = 0;
	}
	server->log_count++;
	if (server->log_count < COMPLAINTS_PER_WINDOW)
		log_warning("peer=%s %s", peer, message);
	else if (server->log_count == COMPLAINTS_PER_WINDOW)
		log_warning("peer=%s %s (further complaints of this kind are left out for a while)", peer,
			message);
}

void rpc_peer_refuse(struct rpc_peer *peer, uint64_t id, const struct error *why)
{
	Holdfast__Reply reply = HOLDFAST__REPLY__INIT;
	Holdfast__Error body = HOLDFAST__ERROR__INIT;
	struct error ignored = ERROR_INIT;

	reply.id = id;
	reply.body_case = HOLDFAST__REPLY__BODY_ERROR;
	reply.error = &body;
	body.code = why->code;
	body.message = (char *)why->message;
	// if even this cannot be sent, on_end follows
	(void)!rpc_connection_send(peer->connection, &reply.base, &ignored);
}

void rpc_peer_finish(struct rpc_peer *peer)
{
	peer->finishing = true;
	while (peer->calls)
		rpc_call_drop(peer->calls);
	rpc_connection_finish(peer->connection);
}

static const ProtobufCFieldDescriptor *body_field(const Holdfast__Request *request)
{
	return protobuf_c_message_descriptor_get_field(
		request->base.descriptor, (unsigned)request->body_case);
}

// What serves this request, or NULL with why not.
static rpc_handler_fn *choose(struct rpc_peer *peer, const Holdfast__Request *request, struct error *err)
{
	struct rpc_server *server = peer->server;
	const char *what = body_field(request)->name;

	if (peer->call_count >= RPC_CALLS_PER_PEER) {
		error_set(err, ERROR_BUSY,
			"too many requests at once on one connection (the limit is %d): try again later",
			RPC_CALLS_PER_PEER);
		return NULL;
	}
	if (server->forward && peer->caller != RPC_CALLER_STRANGER && request->node[0] &&
		strcmp(request->node, server->own_node) != 0)
		return server->forward;
	for (const struct rpc_handler *handler = server->handlers; handler->body; handler++) {
		if (handler->body != request->body_case)
			continue;
		if (handler->callers & 1u << peer->caller)
			return handler->serve;
		if (peer->caller == RPC_CALLER_STRANGER)
			error_set(err, ERROR_DENIED,
				"\"%s\" needs a certificate of this cluster, and you have shown none: "
				"join the node to the cluster first",
				what);
		else
			error_set(err, ERROR_DENIED, "\"%s\" is not for %s", what,
				peer->caller == RPC_CALLER_NODE ? "other nodes" : "local callers");
		return NULL;
	}
	// a stranger need not learn what we serve
	if (peer->caller == RPC_CALLER_STRANGER)
		error_set(err, ERROR_DENIED,
			"\"%s\" needs a certificate of this cluster, and you have shown none", what);
	else
		error_set(err, ERROR_USAGE, "\"%s\" is not served by this daemon", what);
	return NULL;
}

static void take_data(struct rpc_peer *peer, Holdfast__Request *request)
{
	for (struct rpc_call *call = peer->calls; call; call = call->next) {
		if (call->request->id == request->id) {
			rpc_call_input(call, &request->data);
			break;
		}
	}
	// for none: its call has just ended
}

static void protocol_error(struct rpc_peer *peer, uint64_t id, const struct error *why)
{
	rpc_server_complain(peer->server, peer->name, why->message);
	rpc_peer_finish(peer);
	rpc_peer_refuse(peer, id, why);
}

static void on_frame(void *owner, const uint8_t *body, size_t size)
{
	struct rpc_peer *peer = owner;
	struct error err = ERROR_INIT;
	Holdfast__Request *request = holdfast__request__unpack(NULL, size, body);

	if (!request) {
		error_set(&err, ERROR_PROTOCOL,
			"a message of %zu bytes is no request: the sender does not speak our protocol", size);
		protocol_error(peer, 0, &err);
		return;
	}
	peer->was_busy = true;
	if (request->body_case == HOLDFAST__REQUEST__BODY__NOT_SET || !body_field(request)) {
		error_set(&err, ERROR_PROTOCOL,
			"a request without a body that is known here: the sender is of another version or "
			"does not speak our protocol");
		protocol_error(peer, request->id, &err);
	} else if (request->body_case == HOLDFAST__REQUEST__BODY_DATA) {
		take_data(peer, request);
	} else {
		rpc_handler_fn *serve = choose(peer, request, &err);
		if (serve) {
			rpc_call_start(peer, request, serve);
			return;
		}
		rpc_peer_refuse(peer, request->id, &err);
	}
	holdfast__request__free_unpacked(request, NULL);
}

static void on_end(void *owner, const struct error *why)
{
	struct rpc_peer *peer = owner;

	if (peer->finishing) {
		rpc_peer_free(peer);
	} else if (why->code == ERROR_PROTOCOL) {
		protocol_error(peer, 0, why);
	} else {
		log_debug("peer=%s %s", peer->name, why->message);
		// it may have closed only its own direction and still be reading
		rpc_peer_finish(peer);
	}
}

static const struct rpc_connection_ops peer_ops = { .on_frame = on_frame, .on_end = on_end };

static enum loop_verdict stranger_idle(void *data)
{
	struct rpc_peer *peer = data;

	if (peer->call_count > 0 || peer->was_busy) {
		peer->was_busy = false;
		return LOOP_CONTINUE;
	}
	peer->idle = NULL;
	rpc_peer_free(peer);
	return LOOP_STOP;
}

struct rpc_peer *rpc_peer_new(
	struct rpc_server *server, int fd, struct tls_session *tls, enum rpc_caller caller, const char *name)
{
	struct rpc_peer *peer = calloc(1, sizeof(*peer));

	if (peer)
		peer->connection = rpc_connection_new(server->loop, fd, tls, &peer_ops, peer);
	else if (tls)
		tls_session_free(tls);
	else
		close(fd);
	if (!peer || !peer->connection) {
		free(peer);
		rpc_server_complain(server, name, "is hung up on: no memory for a connection");
		return NULL;
	}
	peer->server = server;
	peer->caller = caller;
	snprintf(peer->name, sizeof(peer->name), "%s", name);
	peer->next = server->peers;
	peer->link = &server->peers;
	if (server->peers)
		server->peers->link = &peer->next;
	server->peers = peer;
	server->peer_count++;
	if (caller == RPC_CALLER_STRANGER) {
		server->stranger_count++;
		rpc_connection_set_frame_limit(peer->connection, RPC_STRANGER_FRAME_BYTES);
		peer->idle = loop_add_timer(server->loop, server->stranger_idle_ms, stranger_idle, peer);
	}
	return peer;
}

void rpc_peer_free(struct rpc_peer *peer)
{
	while (peer->calls)
		rpc_call_drop(peer->calls);
	loop_source_remove(peer->idle);
	rpc_connection_free(peer->connection);
	peer->server->peer_count--;
	if (peer->caller == RPC_CALLER_STRANGER)
		peer->server->stranger_count--;
	*peer->link = peer->next;
	if (peer->next)
		peer->next->link = peer->link;
	free(peer);
}
