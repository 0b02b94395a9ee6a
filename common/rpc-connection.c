// SPDX-License-Identifier: GPL-3.0-or-later
// A connection: owns the descriptor (or TLS session), the half-read frame and the queue of what is to be sent. A write error
// ends nothing by itself: what the peer said before it hung up (a refusal) is still read. Knows no request.
#include "common/rpc-connection.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/frame.h"
#include "common/task.h"

#define FINISH_MS 5000
#define PIECE_BYTES 16384 // a TLS record
#define READS_PER_TURN 64 // then others have their turn

struct room_waiter {
	struct room_waiter *next;
	struct task_wait wait;
	size_t bytes;
	bool gone;
};

struct rpc_connection {
	struct loop *loop;
	const struct rpc_connection_ops *ops;
	void *owner;
	int fd;
	struct tls_session *tls;
	struct frame_decoder decoder;
	enum rpc_reading reading;
	uint8_t *out; // the queue: bytes from out_head to out_used
	size_t out_head, out_used, out_size;
	struct room_waiter *waiters;
	struct loop_source *source; // of the descriptor
	struct loop_source *kick; // idle: there is something to do that poll does not tell
	struct loop_source *deadline; // of finishing
	struct error doom; // set: on_end is due
	bool ended, finishing, hup, write_broken, freed;
	unsigned busy; // callbacks under way: memory stays
};

static void update(struct rpc_connection *connection);

static size_t queued(const struct rpc_connection *connection)
{
	return connection->out_used - connection->out_head;
}

static void wake_waiters(struct rpc_connection *connection, bool gone)
{
	for (struct room_waiter *waiter = connection->waiters; waiter; waiter = waiter->next) {
		if (!gone && queued(connection) > waiter->bytes)
			continue;
		waiter->gone = gone;
		task_wake(&waiter->wait);
	}
	if (gone)
		connection->waiters = NULL; // they do not touch us any more
}

static void end(struct rpc_connection *connection, const struct error *why)
{
	struct error reason = *why;

	if (connection->ended)
		return;
	connection->ended = true;
	connection->reading = RPC_READ_NONE;
	wake_waiters(connection, true);
	update(connection);
	connection->busy++;
	connection->ops->on_end(connection->owner, &reason);
	connection->busy--;
}

// Bytes as of read(2): -1 with err, TLS_AGAIN, or 0 with err at the end.
static ssize_t stream_read(
	struct rpc_connection *connection, void *bytes, size_t count, int flags, struct error *err)
{
	ssize_t got;

	if (connection->tls) {
		got = flags & MSG_PEEK ? tls_session_peek(connection->tls, bytes, count, err)
				       : tls_session_read(connection->tls, bytes, count, err);
	} else {
		do {
			got = recv(connection->fd, bytes, count, flags);
		} while (got < 0 && errno == EINTR);
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return TLS_AGAIN;
		if (got < 0)
			error_set_errno(err, errno, "the connection broke");
	}
	if (got == 0)
		error_set(err, ERROR_UNREACHABLE, "the other side hung up");
	else if (got == -1 && err->code == ERROR_FAILED)
		err->code = ERROR_UNREACHABLE;
	return got;
}

static ssize_t stream_write(
	struct rpc_connection *connection, const void *bytes, size_t count, struct error *err)
{
	if (connection->tls)
		return tls_session_write(connection->tls, bytes, count, err);
	ssize_t put;
	do {
		put = send(connection->fd, bytes, count, MSG_NOSIGNAL);
	} while (put < 0 && errno == EINTR);
	if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return TLS_AGAIN;
	return put < 0 ? error_set_errno(err, errno, "the connection broke") : put;
}

// How many bytes the frame that is being read lacks, as far as is known; never reads into the next one.
static size_t lacking(struct rpc_connection *connection)
{
	const uint8_t *rest;
	size_t have = frame_decoder_rest(&connection->decoder, &rest);

	if (have < FRAME_HEADER_BYTES)
		return FRAME_HEADER_BYTES - have;
	size_t length = (size_t)rest[0] << 24 | (size_t)rest[1] << 16 | (size_t)rest[2] << 8 | rest[3];
	return FRAME_HEADER_BYTES + length - have;
}

// 1 if a frame was delivered, 0 if not.
static int deliver(struct rpc_connection *connection, struct error *err)
{
	const uint8_t *body;
	size_t size;
	int got = frame_decoder_next(&connection->decoder, &body, &size, err);

	if (got == 1)
		connection->ops->on_frame(connection->owner, body, size);
	return got;
}

static enum loop_verdict kicked(void *data);

static void take_in(struct rpc_connection *connection)
{
	struct error err = ERROR_INIT;
	uint8_t piece[PIECE_BYTES];
	ssize_t got = 1;

	connection->busy++;
	for (unsigned turn = 0; turn < READS_PER_TURN; turn++) {
		if (connection->freed || connection->reading != RPC_READ_FRAMES)
			break;
		size_t want = lacking(connection);
		got = stream_read(connection, piece, want < sizeof(piece) ? want : sizeof(piece), 0, &err);
		if (got == TLS_AGAIN)
			break;
		if (got <= 0 || frame_decoder_feed(&connection->decoder, piece, (size_t)got, &err) < 0 ||
			deliver(connection, &err) < 0) {
			if (!connection->freed)
				end(connection, &err);
			break;
		}
	}
	if (!connection->freed && connection->reading == RPC_READ_FRAMES && connection->tls && got > 0 &&
		!connection->kick)
		connection->kick = loop_add_idle(connection->loop, kicked, connection);
	connection->busy--;
}

static void watch(struct rpc_connection *connection)
{
	struct error err = ERROR_INIT;
	uint8_t byte;
	ssize_t got = stream_read(connection, &byte, 1, MSG_PEEK, &err);

	if (got > 0)
		connection->reading = RPC_READ_NONE; // whoever wants it starts reading again
	else if (got != TLS_AGAIN)
		end(connection, &err);
}

static void put_out(struct rpc_connection *connection)
{
	struct error err = ERROR_INIT;

	while (queued(connection) > 0 && !connection->write_broken) {
		ssize_t put = stream_write(
			connection, connection->out + connection->out_head, queued(connection), &err);
		if (put == TLS_AGAIN)
			break;
		if (put < 0)
			connection->write_broken = true;
		else
			connection->out_head += (size_t)put;
	}
	if (connection->write_broken || queued(connection) == 0) {
		connection->out_head = connection->out_used = 0;
		if (connection->out_size > RPC_QUEUE_HIGH_BYTES) {
			free(connection->out);
			connection->out = NULL;
			connection->out_size = 0;
		}
	}
	wake_waiters(connection, connection->write_broken);
}

static void run(struct rpc_connection *connection, short events)
{
	connection->busy++;
	if (events & (POLLOUT | POLLERR | POLLHUP))
		put_out(connection);
	if (connection->doom.code) {
		end(connection, &connection->doom);
	} else if (connection->finishing && !connection->ended && queued(connection) == 0) {
		end(connection, &connection->doom);
	} else if (connection->reading == RPC_READ_FRAMES) {
		take_in(connection);
	} else if (connection->reading == RPC_READ_WATCH) {
		watch(connection);
	} else if (events & (POLLHUP | POLLERR)) {
		connection->hup = true;
	}
	connection->busy--;
	if (!connection->freed)
		update(connection);
	else if (connection->busy == 0)
		free(connection);
}

static enum loop_verdict ready(int fd, short events, void *data)
{
	run(data, events);
	return LOOP_CONTINUE; // removed by whoever freed the connection
}

static enum loop_verdict kicked(void *data)
{
	struct rpc_connection *connection = data;

	connection->kick = NULL;
	run(connection, 0);
	return LOOP_STOP;
}

static enum loop_verdict finish_late(void *data)
{
	struct rpc_connection *connection = data;
	struct error why = ERROR_INIT;

	connection->deadline = NULL;
	connection->busy++;
	end(connection, &why);
	connection->busy--;
	if (connection->freed && connection->busy == 0)
		free(connection);
	return LOOP_STOP;
}

// Asks poll for what is of interest now. A connection that has hung up and that nobody reads would wake us for ever: not at all then.
static void update(struct rpc_connection *connection)
{
	short events = 0;
	bool wanted = !connection->hup || connection->reading != RPC_READ_NONE;

	if (connection->fd < 0)
		return;
	if (connection->reading != RPC_READ_NONE)
		events |= POLLIN;
	if (queued(connection) > 0)
		events |= POLLOUT;
	if (connection->ended && !(connection->finishing && queued(connection) > 0))
		wanted = false;
	if (!wanted) {
		loop_source_remove(connection->source);
		connection->source = NULL;
	} else if (!connection->source) {
		connection->source = loop_add_fd(connection->loop, connection->fd, events, ready, connection);
	} else {
		loop_fd_set_events(connection->source, events);
	}
}

struct rpc_connection *rpc_connection_new(
	struct loop *loop, int fd, struct tls_session *tls, const struct rpc_connection_ops *ops, void *owner)
{
	struct rpc_connection *connection = calloc(1, sizeof(*connection));

	if (!connection) {
		if (tls)
			tls_session_free(tls);
		else
			close(fd);
		return NULL;
	}
	connection->loop = loop;
	connection->ops = ops;
	connection->owner = owner;
	connection->fd = tls ? tls_session_fd(tls) : fd;
	connection->tls = tls;
	frame_decoder_init(&connection->decoder, FRAME_LIMIT_BYTES);
	rpc_connection_set_reading(connection, RPC_READ_FRAMES);
	return connection;
}

void rpc_connection_free(struct rpc_connection *connection)
{
	if (!connection)
		return;
	wake_waiters(connection, true);
	loop_source_remove(connection->source);
	loop_source_remove(connection->kick);
	loop_source_remove(connection->deadline);
	connection->source = connection->kick = connection->deadline = NULL;
	if (connection->tls)
		tls_session_free(connection->tls);
	else if (connection->fd >= 0)
		close(connection->fd);
	connection->tls = NULL;
	connection->fd = -1;
	frame_decoder_done(&connection->decoder);
	free(connection->out);
	connection->out = NULL;
	connection->freed = true;
	if (connection->busy == 0)
		free(connection);
}

void rpc_connection_set_frame_limit(struct rpc_connection *connection, size_t limit)
{
	connection->decoder.limit = limit;
}

void rpc_connection_set_reading(struct rpc_connection *connection, enum rpc_reading reading)
{
	if (connection->ended || connection->finishing)
		return;
	connection->reading = reading;
	update(connection);
	// poll does not see what is inside the TLS session already
	if (reading != RPC_READ_NONE && connection->tls && !connection->kick)
		connection->kick = loop_add_idle(connection->loop, kicked, connection);
}

bool rpc_connection_alive(const struct rpc_connection *connection)
{
	return !connection->ended && !connection->hup && !connection->write_broken;
}

static int make_room(struct rpc_connection *connection, size_t count, struct error *err)
{
	if (connection->out_head > 0) {
		memmove(connection->out, connection->out + connection->out_head, queued(connection));
		connection->out_used -= connection->out_head;
		connection->out_head = 0;
	}
	size_t size = connection->out_size ? connection->out_size : 1024;
	while (size - connection->out_used < count)
		size *= 2;
	if (size == connection->out_size)
		return 0;
	uint8_t *out = realloc(connection->out, size);
	if (!out)
		return error_set(err, ERROR_NO_SPACE, "no memory for a message of %zu bytes", count);
	connection->out = out;
	connection->out_size = size;
	return 0;
}

int rpc_connection_send(struct rpc_connection *connection, const ProtobufCMessage *message, struct error *err)
{
	size_t size = protobuf_c_message_get_packed_size(message);

	if (connection->ended || connection->write_broken)
		return error_set(err, ERROR_UNREACHABLE, "the other side hung up");
	if (size > FRAME_LIMIT_BYTES)
		return error_set(err, ERROR_NO_SPACE, "the message has %zu bytes, the limit is %u", size,
			FRAME_LIMIT_BYTES);
	if (queued(connection) + size > RPC_QUEUE_LIMIT_BYTES) {
		error_set(&connection->doom, ERROR_UNREACHABLE,
			"the other side does not take what it is sent: %zu bytes wait", queued(connection));
		if (!connection->kick)
			connection->kick = loop_add_idle(connection->loop, kicked, connection);
		return error_copy(err, &connection->doom);
	}
	if (connection->out_size - connection->out_used < size + FRAME_HEADER_BYTES &&
		make_room(connection, size + FRAME_HEADER_BYTES, err) < 0)
		return -1;
	frame_header_encode(connection->out + connection->out_used, (uint32_t)size);
	protobuf_c_message_pack(message, connection->out + connection->out_used + FRAME_HEADER_BYTES);
	connection->out_used += size + FRAME_HEADER_BYTES;
	put_out(connection);
	update(connection);
	return 0;
}

static void forget_waiter(struct rpc_connection *connection, struct room_waiter *waiter)
{
	for (struct room_waiter **link = &connection->waiters; *link; link = &(*link)->next) {
		if (*link == waiter) {
			*link = waiter->next;
			return;
		}
	}
}

int rpc_connection_wait_room(
	struct rpc_connection *connection, size_t bytes, unsigned timeout_ms, struct error *err)
{
	struct room_waiter waiter = { .bytes = bytes };

	if (connection->ended || connection->write_broken)
		return error_set(err, ERROR_UNREACHABLE, "the other side hung up");
	if (queued(connection) <= bytes)
		return 0;
	waiter.next = connection->waiters;
	connection->waiters = &waiter;
	int result = task_wait(&waiter.wait, timeout_ms, "the other side takes what it is sent", err);
	if (waiter.gone)
		result = error_set(err, ERROR_UNREACHABLE, "the other side hung up");
	else
		forget_waiter(connection, &waiter);
	return result;
}

void rpc_connection_finish(struct rpc_connection *connection)
{
	connection->finishing = true;
	connection->ended = false;
	connection->reading = RPC_READ_NONE;
	error_clear(&connection->doom);
	put_out(connection);
	update(connection);
	if (!connection->deadline)
		connection->deadline = loop_add_timer(connection->loop, FINISH_MS, finish_late, connection);
	if (!connection->kick)
		connection->kick = loop_add_idle(connection->loop, kicked, connection);
}

void rpc_connection_detach(struct rpc_connection *connection, int *fd, struct tls_session **tls)
{
	loop_source_remove(connection->source);
	connection->source = NULL;
	*fd = connection->fd;
	*tls = connection->tls;
	connection->fd = -1;
	connection->tls = NULL;
}
