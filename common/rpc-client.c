// SPDX-License-Identifier: GPL-3.0-or-later
// The rpc client on the loop: requests of any number of tasks over one connection, their replies sorted out by id. While
// nobody waits for a reply nothing is taken in, so what comes after a hijacked call is still there for the hijacker.
#include "common/rpc-client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/rpc-tunnel.h"

#define SEND_DATA_MS 15000

struct partial {
	struct partial *next;
	size_t bytes;
	Holdfast__Reply *reply;
};

// One call that waits, on its task's stack.
struct pending {
	struct pending *next;
	struct rpc_client *client; // NULL: it failed, and is out of the client's list
	uint64_t id;
	struct task_wait wait;
	struct partial *first, *last; // replies that the task has not looked at yet
	size_t partial_bytes;
	struct error failure;
	char what[200]; // for the message of a time-out
};

struct rpc_client {
	struct rpc_connection *connection; // NULL: dead
	struct error why; // why it is dead
	struct pending *pendings;
	uint64_t last_id;
	char server[160];
};

static void pending_remove(struct pending *pending)
{
	struct rpc_client *client = pending->client;

	if (!client)
		return;
	for (struct pending **link = &client->pendings; *link; link = &(*link)->next) {
		if (*link == pending) {
			*link = pending->next;
			break;
		}
	}
	pending->client = NULL;
	if (!client->pendings && client->connection)
		rpc_connection_set_reading(client->connection, RPC_READ_WATCH);
}

static void pending_fail(struct pending *pending, const struct error *why)
{
	pending->failure = *why;
	pending_remove(pending);
	task_wake(&pending->wait);
}

static void client_die(struct rpc_client *client, const struct error *why)
{
	struct rpc_connection *connection = client->connection;

	if (!connection)
		return;
	client->why = *why;
	error_prefix(&client->why, "%s", client->server);
	client->connection = NULL;
	while (client->pendings)
		pending_fail(client->pendings, &client->why);
	rpc_connection_free(connection);
}

static bool is_last(const Holdfast__Reply *reply)
{
	return reply->body_case != HOLDFAST__REPLY__BODY_PROGRESS &&
		reply->body_case != HOLDFAST__REPLY__BODY_EVENT &&
		reply->body_case != HOLDFAST__REPLY__BODY_DATA;
}

static void error_of_reply(const Holdfast__Reply *reply, struct error *err)
{
	error_set(err, reply->error->code ? (enum error_code)reply->error->code : ERROR_FAILED, "%s",
		reply->error->message);
}

// Puts the reply into the list of the call it is for; returns false if there is none (it has given up).
static bool give_to_call(struct rpc_client *client, Holdfast__Reply *reply, size_t bytes)
{
	struct pending *pending = client->pendings;
	struct error slow = ERROR_INIT;

	while (pending && pending->id != reply->id)
		pending = pending->next;
	struct partial *partial = pending ? calloc(1, sizeof(*partial)) : NULL;
	if (!partial)
		return false;
	partial->reply = reply;
	partial->bytes = bytes;
	if (pending->last)
		pending->last->next = partial;
	else
		pending->first = partial;
	pending->last = partial;
	pending->partial_bytes += bytes;
	if (pending->partial_bytes > RPC_QUEUE_LIMIT_BYTES) {
		error_set(&slow, ERROR_NO_SPACE, "replies come faster than they are used");
		pending_fail(pending, &slow);
	} else {
		task_wake(&pending->wait);
		if (is_last(reply))
			pending_remove(pending);
	}
	return true;
}

static void on_frame(void *owner, const uint8_t *body, size_t size)
{
	struct rpc_client *client = owner;
	struct error err = ERROR_INIT;
	Holdfast__Reply *reply = holdfast__reply__unpack(NULL, size, body);

	if (!reply || reply->body_case == HOLDFAST__REPLY__BODY__NOT_SET) {
		error_set(&err, ERROR_PROTOCOL, "sent a message of %zu bytes that is no reply known here",
			size);
		client_die(client, &err);
	} else if (reply->id == 0 && reply->body_case == HOLDFAST__REPLY__BODY_ERROR) {
		error_of_reply(reply, &err); // about the connection as such
		client_die(client, &err);
	} else if (give_to_call(client, reply, size)) {
		return;
	}
	if (reply)
		holdfast__reply__free_unpacked(reply, NULL);
}

static void on_end(void *owner, const struct error *why)
{
	client_die(owner, why);
}

static const struct rpc_connection_ops client_ops = { .on_frame = on_frame, .on_end = on_end };

struct rpc_client *rpc_client_new(int fd, struct tls_session *tls, const char *server, struct error *err)
{
	struct rpc_client *client = calloc(1, sizeof(*client));

	if (client)
		client->connection = rpc_connection_new(task_loop(), fd, tls, &client_ops, client);
	else if (tls)
		tls_session_free(tls);
	else
		close(fd);
	if (!client || !client->connection) {
		free(client);
		error_set(err, ERROR_NO_SPACE, "no memory for a connection");
		return NULL;
	}
	snprintf(client->server, sizeof(client->server), "%s", server);
	rpc_connection_set_reading(client->connection, RPC_READ_WATCH);
	return client;
}

void rpc_client_close(struct rpc_client *client)
{
	struct error why = ERROR_INIT;

	error_set(&why, ERROR_UNREACHABLE, "the connection was closed on this side");
	if (client)
		client_die(client, &why);
}

void rpc_client_free(struct rpc_client *client)
{
	rpc_client_close(client);
	free(client);
}

bool rpc_client_alive(const struct rpc_client *client)
{
	return client->connection && rpc_connection_alive(client->connection);
}

// ---- one call

static struct partial *partial_pop(struct pending *pending)
{
	struct partial *partial = pending->first;

	if (!partial)
		return NULL;
	pending->first = partial->next;
	if (!pending->first)
		pending->last = NULL;
	pending->partial_bytes -= partial->bytes;
	return partial;
}

static unsigned left_ms(int64_t deadline_us)
{
	int64_t left = (deadline_us - loop_now_us() + 999) / 1000;

	return left > 0 ? (unsigned)left : 0;
}

// Waits for what comes next: 1 with *reply, the last one; 0 after one that is not the last; -1.
static int next_reply(struct pending *pending, unsigned timeout_ms, int64_t deadline_us, rpc_partial_cb *cb,
	void *data, Holdfast__Reply **reply, struct error *err)
{
	struct partial *partial = partial_pop(pending);

	if (!partial) {
		if (pending->failure.code)
			return error_copy(err, &pending->failure);
		if (timeout_ms != TASK_FOREVER)
			timeout_ms = left_ms(deadline_us);
		return task_wait(&pending->wait, timeout_ms, pending->what, err);
	}
	*reply = partial->reply;
	free(partial);
	if (is_last(*reply))
		return 1;
	if (cb)
		cb(*reply, data);
	holdfast__reply__free_unpacked(*reply, NULL);
	*reply = NULL;
	return 0;
}

static int send_request(struct rpc_client *client, struct pending *pending, Holdfast__Request *request,
	unsigned timeout_ms, struct error *err)
{
	bool own_timeout = request->timeout_ms == 0 && timeout_ms != TASK_FOREVER;
	struct error why = ERROR_INIT;

	if (!client->connection)
		return error_copy(err, &client->why);
	request->id = pending->id = ++client->last_id;
	if (own_timeout)
		request->timeout_ms = timeout_ms;
	int result = rpc_connection_send(client->connection, &request->base, &why);
	if (own_timeout)
		request->timeout_ms = 0;
	// If the server has hung up it may have said why: then that is read, and the call fails with it.
	if (result < 0 && why.code != ERROR_UNREACHABLE)
		return error_copy(err, &why);
	snprintf(pending->what, sizeof(pending->what), "waiting for the reply of %s", client->server);
	pending->client = client;
	pending->next = client->pendings;
	client->pendings = pending;
	rpc_connection_set_reading(client->connection, RPC_READ_FRAMES);
	return 0;
}

int rpc_client_call(struct rpc_client *client, Holdfast__Request *request, unsigned timeout_ms,
	rpc_partial_cb *cb, void *data, Holdfast__Reply **reply, struct error *err)
{
	int64_t deadline_us = loop_now_us() + (int64_t)timeout_ms * 1000;
	struct pending pending = { .id = 0 };
	struct partial *partial;
	int got = 0;

	*reply = NULL;
	if (send_request(client, &pending, request, timeout_ms, err) < 0)
		return -1;
	while (got == 0)
		got = next_reply(&pending, timeout_ms, deadline_us, cb, data, reply, err);
	pending_remove(&pending);
	while ((partial = partial_pop(&pending))) {
		holdfast__reply__free_unpacked(partial->reply, NULL);
		free(partial);
	}
	if (got < 0 || (*reply)->body_case != HOLDFAST__REPLY__BODY_ERROR)
		return got < 0 ? -1 : 0;
	error_of_reply(*reply, err);
	holdfast__reply__free_unpacked(*reply, NULL);
	*reply = NULL;
	return -1;
}

int rpc_client_do(
	struct rpc_client *client, Holdfast__Request *request, unsigned timeout_ms, struct error *err)
{
	Holdfast__Reply *reply;

	if (rpc_client_call(client, request, timeout_ms, NULL, NULL, &reply, err) < 0)
		return -1;
	holdfast__reply__free_unpacked(reply, NULL);
	return 0;
}

int rpc_client_send_data(
	struct rpc_client *client, uint64_t id, const void *bytes, size_t count, struct error *err)
{
	Holdfast__Request request = HOLDFAST__REQUEST__INIT;

	if (!client->connection)
		return error_copy(err, &client->why);
	request.id = id;
	request.body_case = HOLDFAST__REQUEST__BODY_DATA;
	request.data.data = (uint8_t *)bytes;
	request.data.len = count;
	if (rpc_connection_send(client->connection, &request.base, err) < 0)
		return -1;
	if (!task_self())
		return 0;
	return rpc_connection_wait_room(client->connection, RPC_QUEUE_HIGH_BYTES, SEND_DATA_MS, err);
}

// Detaches the connection and frees the client, on failure too. *tls is NULL without TLS.
static int take_connection(struct rpc_client *client, int *fd, struct tls_session **tls, struct error *err)
{
	int result = -1;

	if (!client->connection) {
		error_copy(err, &client->why);
	} else if (client->pendings) {
		error_set(err, ERROR_BUSY,
			"%s: the connection carries other requests: it cannot be handed over",
			client->server);
	} else if (rpc_connection_wait_room(client->connection, 0, SEND_DATA_MS, err) == 0) {
		rpc_connection_detach(client->connection, fd, tls);
		result = 0;
	}
	rpc_client_free(client);
	return result;
}

int rpc_client_hijack(struct rpc_client *client, int *fd, struct error *err)
{
	struct tls_session *tls;

	if (take_connection(client, fd, &tls, err) < 0)
		return -1;
	return tls ? rpc_tunnel_start(tls, fd, err) : 0;
}

int rpc_client_hijack_tls(struct rpc_client *client, struct tls_session **tls, struct error *err)
{
	int fd = -1;

	if (take_connection(client, &fd, tls, err) < 0)
		return -1;
	if (*tls)
		return 0;
	close(fd);
	return error_set(err, ERROR_PROTOCOL, "this needs a connection with TLS");
}
