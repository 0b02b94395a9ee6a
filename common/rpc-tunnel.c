// SPDX-License-Identifier: GPL-3.0-or-later
// The tunnel's thread: two directions, each with one buffer, so what is not taken on one side is not read on the other.
// It owns the session and its end of the socketpair, shares nothing but a count, and ends when both directions have ended or one broke.
#include "common/rpc-tunnel.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/log.h"
#include "common/pack-stream.h"
#include "common/rpc-socket.h"

#define BUFFER_BYTES PACK_FRAME_BYTES
#define ENOUGH_BYTES (64u << 10) // to be worth sending, if more is there at once
#define SOCKET_BUFFER_BYTES (1u << 20)
#define STACK_BYTES (256u << 10)
#define DEAF_MS 30000 // how long the peer may take to end its direction after the local side is gone

// Bytes on their way in one direction: from `head` to `used`.
struct direction {
	uint8_t *buffer;
	size_t head, used;
	bool end_seen; // nothing more comes
	bool end_told; // and the other side knows
};

struct rpc_tunnel_meter {
	_Atomic unsigned users;
	_Atomic uint64_t bytes;
};

struct frame { // of what was read from the socketpair: what travels instead
	const uint8_t *bytes; // NULL: it is not made yet
	size_t length, raw;
};

struct tunnel {
	struct tls_session *tls;
	struct rpc_tunnel_meter *meter; // NULL: nothing counts
	struct pack_out *packs; // NULL: what goes out is as it is
	struct pack_in *unpacks; // NULL: what comes in is
	struct frame frame;
	int fd; // our end of the socketpair
	struct direction out; // socketpair to TLS
	struct direction in; // TLS to socketpair
	bool deaf; // nobody is left at the socketpair's other end to take what comes in
	bool unsent; // something waits in the session for the socket
	bool broken;
};

static void tunnel_free(struct tunnel *tunnel)
{
	tls_session_free(tunnel->tls);
	if (tunnel->fd >= 0)
		close(tunnel->fd);
	pack_out_free(tunnel->packs);
	pack_in_free(tunnel->unpacks);
	rpc_tunnel_meter_drop(tunnel->meter);
	free(tunnel->out.buffer);
	free(tunnel->in.buffer);
	free(tunnel);
}

struct rpc_tunnel_meter *rpc_tunnel_meter_new(struct error *err)
{
	struct rpc_tunnel_meter *meter = calloc(1, sizeof(*meter));

	if (meter)
		meter->users = 1;
	else
		error_set(err, ERROR_NO_SPACE, "no memory for a count of bytes");
	return meter;
}

uint64_t rpc_tunnel_meter_bytes(const struct rpc_tunnel_meter *meter)
{
	return meter ? atomic_load(&meter->bytes) : 0;
}

void rpc_tunnel_meter_drop(struct rpc_tunnel_meter *meter)
{
	if (meter && atomic_fetch_sub(&meter->users, 1) == 1)
		free(meter);
}

static size_t held(const struct direction *direction)
{
	return direction->used - direction->head;
}

// True if something was done. A result as of read and write: bytes, 0 at the end, TLS_AGAIN, or -1.
static bool filled(struct tunnel *tunnel, struct direction *direction, ssize_t got)
{
	if (got > 0)
		direction->used += (size_t)got;
	else if (got == 0)
		direction->end_seen = true;
	else if (got != TLS_AGAIN)
		tunnel->broken = true;
	return got >= 0;
}

static bool emptied(struct tunnel *tunnel, struct direction *direction, ssize_t put)
{
	if (put >= 0)
		direction->head += (size_t)put;
	else if (put != TLS_AGAIN)
		tunnel->broken = true;
	if (direction->head == direction->used)
		direction->head = direction->used = 0;
	return put > 0;
}

static ssize_t plain(ssize_t result)
{
	return result < 0 && (errno == EAGAIN || errno == EINTR) ? TLS_AGAIN : result;
}

// Whoever writes small pieces must not make a record, and a packet, of each.
static bool fill_out(struct tunnel *tunnel)
{
	struct direction *out = &tunnel->out;
	size_t before =
		tunnel->packs ? PACK_HEAD_BYTES : 0; // room for a head, so that nothing needs to be copied
	bool moved = false;

	while (!tunnel->unsent && !out->end_seen && !tunnel->frame.bytes && out->head == 0 &&
		out->used < ENOUGH_BYTES && !tunnel->broken) {
		size_t room = BUFFER_BYTES - before - out->used;
		if (tunnel->packs && out->used == 0 && !moved)
			pack_out_begin(tunnel->packs);
		if (!filled(tunnel, out, plain(read(tunnel->fd, out->buffer + before + out->used, room))))
			break;
		moved = true;
	}
	return moved;
}

// What is held becomes what travels: itself, or a frame.
static void make_frame(struct tunnel *tunnel)
{
	struct direction *out = &tunnel->out;
	struct frame *frame = &tunnel->frame;

	frame->bytes = out->buffer;
	frame->length = out->used;
	if (tunnel->packs)
		frame->bytes = pack_out_seal(tunnel->packs, out->buffer, out->used, &frame->length);
	frame->raw = out->used;
	out->used = frame->length;
}

static bool empty_out(struct tunnel *tunnel)
{
	struct direction *out = &tunnel->out;
	struct error ignored = ERROR_INIT;
	bool moved = false;

	if (held(out) > 0 && !tunnel->frame.bytes)
		make_frame(tunnel);
	while (held(out) > 0 && !tunnel->broken) {
		ssize_t put =
			tls_session_write(tunnel->tls, tunnel->frame.bytes + out->head, held(out), &ignored);
		if (put > 0 && tunnel->meter)
			atomic_fetch_add(&tunnel->meter->bytes, (uint64_t)put);
		if (!emptied(tunnel, out, put))
			break;
		moved = true;
	}
	return moved;
}

// The frame is with the kernel.
static void end_frame(struct tunnel *tunnel)
{
	struct frame *frame = &tunnel->frame;

	if (tunnel->packs && frame->bytes)
		pack_out_gone(tunnel->packs, frame->raw, frame->length,
			rpc_socket_unsent(tls_session_fd(tunnel->tls)));
	frame->bytes = NULL;
}

static bool move_out(struct tunnel *tunnel)
{
	struct direction *out = &tunnel->out;
	struct error ignored = ERROR_INIT;
	bool moved = fill_out(tunnel);

	moved |= empty_out(tunnel);
	if (out->end_seen && !out->end_told && held(out) == 0 && !tunnel->broken) {
		int result = tls_session_end_write(tunnel->tls, &ignored);
		out->end_told = result == 0;
		tunnel->broken = result == -1;
	}
	int sent = tunnel->broken ? 0 : tls_session_flush(tunnel->tls, &ignored);
	tunnel->unsent = sent == TLS_AGAIN;
	tunnel->broken |= sent == -1;
	if (sent == 0 && held(out) == 0)
		end_frame(tunnel);
	return moved;
}

// What comes in as frames: true if something was done.
static bool fill_unpacked(struct tunnel *tunnel, struct direction *in)
{
	struct error err = ERROR_INIT;
	uint8_t *into, *output = in->buffer + in->used;
	size_t made = 0, wants = pack_in_wants(tunnel->unpacks, output, BUFFER_BYTES - in->used, &into);
	ssize_t got = wants ? tls_session_read(tunnel->tls, into, wants, &err) : TLS_AGAIN;

	if (got == 0 && !pack_in_between(tunnel->unpacks))
		got = error_set(&err, ERROR_PROTOCOL, "a packed stream ends within a frame");
	if (got > 0 && pack_in_came(tunnel->unpacks, output, (size_t)got, &made, &err) < 0)
		got = -1;
	if (got == -1 && err.code == ERROR_PROTOCOL)
		log_warning("the stream of a move is refused: %s", err.message);
	if (got <= 0)
		return filled(tunnel, in, got);
	in->used += made;
	return true;
}

static bool move_in(struct tunnel *tunnel)
{
	struct direction *in = &tunnel->in;
	struct error ignored = ERROR_INIT;
	bool moved = false;

	// A read gives one record at most: several make one write.
	while (!in->end_seen && in->used < BUFFER_BYTES && in->head == 0 && !tunnel->broken) {
		if (tunnel->unpacks) {
			if (!fill_unpacked(tunnel, in))
				break;
		} else if (!filled(tunnel, in,
				   tls_session_read(tunnel->tls, in->buffer + in->used,
					   BUFFER_BYTES - in->used, &ignored)))
			break;
		moved = true;
	}
	// The peer must learn at once that it sends in vain.
	if (tunnel->deaf && held(in) > 0)
		tunnel->broken = true;
	else if (held(in) > 0)
		moved |= emptied(
			tunnel, in, plain(send(tunnel->fd, in->buffer + in->head, held(in), MSG_NOSIGNAL)));
	if (in->end_seen && !in->end_told && held(in) == 0) {
		shutdown(tunnel->fd, SHUT_WR);
		in->end_told = true;
	}
	return moved;
}

// False if there is nothing left to wait for.
static bool wait_for_more(struct tunnel *tunnel)
{
	struct pollfd fds[2] = { { .fd = tls_session_fd(tunnel->tls) }, { .fd = tunnel->fd } };
	const struct direction *out = &tunnel->out, *in = &tunnel->in;

	if (held(out) > 0 || tunnel->unsent || (out->end_seen && !out->end_told))
		fds[0].events |= POLLOUT;
	else if (!out->end_seen)
		fds[1].events |= POLLIN;
	if (held(in) > 0)
		fds[1].events |= POLLOUT;
	else if (!in->end_seen)
		fds[0].events |= POLLIN;
	// An idle descriptor that has hung up would wake us for ever.
	if (!fds[0].events)
		fds[0].fd = -1;
	if (tunnel->deaf || (!fds[1].events && !out->end_seen))
		fds[1].fd = -1;
	int ready = poll(fds, 2, tunnel->deaf ? DEAF_MS : -1);
	if (ready < 0)
		return errno == EINTR;
	// Gone altogether. What it wrote last must still arrive: closing before the peer does could cut it off.
	if (fds[1].revents & (POLLHUP | POLLERR) && out->end_seen)
		tunnel->deaf = true;
	return ready > 0;
}

static bool ended(const struct tunnel *tunnel)
{
	return tunnel->broken || (tunnel->out.end_told && tunnel->in.end_told && !tunnel->unsent);
}

static void *tunnel_main(void *data)
{
	struct tunnel *tunnel = data;
	bool more = true;

	while (more && !ended(tunnel)) {
		bool moved = move_out(tunnel);
		moved |= move_in(tunnel);
		if (!moved && !ended(tunnel))
			more = wait_for_more(tunnel);
	}
	tunnel_free(tunnel);
	return NULL;
}

static int start_thread(struct tunnel *tunnel)
{
	pthread_attr_t attributes;
	sigset_t all, old;
	pthread_t thread;

	if (pthread_attr_init(&attributes) != 0)
		return ENOMEM;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int result = pthread_create(&thread, &attributes, tunnel_main, tunnel);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attributes);
	return result;
}

// Takes the session, on failure too.
static struct tunnel *tunnel_new(struct tls_session *tls, enum rpc_tunnel_pack pack, struct error *err)
{
	struct tunnel *tunnel = calloc(1, sizeof(*tunnel));

	if (!tunnel) {
		error_set(err, ERROR_NO_SPACE, "no memory for a tunnel");
		tls_session_free(tls);
		return NULL;
	}
	tunnel->tls = tls;
	tunnel->fd = -1;
	tunnel->in.buffer = malloc(BUFFER_BYTES);
	tunnel->out.buffer = malloc(BUFFER_BYTES);
	if (pack == RPC_TUNNEL_PACKS || pack == RPC_TUNNEL_PACKS_ALWAYS)
		tunnel->packs = pack_out_new(pack == RPC_TUNNEL_PACKS_ALWAYS, err);
	if (pack == RPC_TUNNEL_UNPACKS)
		tunnel->unpacks = pack_in_new(err);
	if (tunnel->in.buffer && tunnel->out.buffer &&
		(pack == RPC_TUNNEL_PLAIN || tunnel->packs || tunnel->unpacks))
		return tunnel;
	error_set(err, ERROR_NO_SPACE, "no memory for a tunnel");
	tunnel_free(tunnel);
	return NULL;
}

int rpc_tunnel_start(struct tls_session *tls, int *fd, struct error *err)
{
	return rpc_tunnel_start_packed(tls, RPC_TUNNEL_PLAIN, NULL, fd, err);
}

int rpc_tunnel_start_packed(struct tls_session *tls, enum rpc_tunnel_pack pack,
	struct rpc_tunnel_meter *meter, int *fd, struct error *err)
{
	int ends[2] = { -1, -1 }, size = SOCKET_BUFFER_BYTES;
	struct tunnel *tunnel = tunnel_new(tls, pack, err);

	if (!tunnel)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
		error_set_errno(err, errno, "cannot set up a tunnel");
		tunnel_free(tunnel);
		return -1;
	}
	tunnel->fd = ends[0];
	tunnel->meter = meter;
	if (meter)
		atomic_fetch_add(&meter->users, 1);
	for (int i = 0; i < 2; i++)
		setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	rpc_socket_tune(tls_session_fd(tls), RPC_SOCKET_TUNNEL_DEAD_MS);
	tls_session_set_bulk(tls);
	int errnum = start_thread(tunnel);
	if (errnum != 0) {
		close(ends[1]);
		tunnel_free(tunnel);
		return error_set_errno(err, errnum, "cannot start the thread of a tunnel");
	}
	*fd = ends[1];
	return 0;
}
