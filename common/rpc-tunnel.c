// SPDX-License-Identifier: GPL-3.0-or-later
// The tunnel's thread: two directions, each with one buffer, so what is not taken on one side is not read on the other.
// It owns the session and its end of the socketpair, shares nothing, and ends when both directions have ended or one broke.
#include "common/rpc-tunnel.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/rpc-socket.h"

#define BUFFER_BYTES (256u << 10)
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

struct tunnel {
	struct tls_session *tls;
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
	free(tunnel->out.buffer);
	free(tunnel->in.buffer);
	free(tunnel);
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

static bool move_out(struct tunnel *tunnel)
{
	struct direction *out = &tunnel->out;
	struct error ignored = ERROR_INIT;
	bool moved = false;

	// Whoever writes small pieces must not make a record, and a packet, of each.
	while (!tunnel->unsent && !out->end_seen && out->head == 0 && out->used < ENOUGH_BYTES &&
		!tunnel->broken) {
		if (!filled(tunnel, out,
			    plain(read(tunnel->fd, out->buffer + out->used, BUFFER_BYTES - out->used))))
			break;
		moved = true;
	}
	while (held(out) > 0 && !tunnel->broken) {
		if (!emptied(tunnel, out,
			    tls_session_write(tunnel->tls, out->buffer + out->head, held(out), &ignored)))
			break;
		moved = true;
	}
	if (out->end_seen && !out->end_told && held(out) == 0 && !tunnel->broken) {
		int result = tls_session_end_write(tunnel->tls, &ignored);
		out->end_told = result == 0;
		tunnel->broken = result == -1;
	}
	int sent = tunnel->broken ? 0 : tls_session_flush(tunnel->tls, &ignored);
	tunnel->unsent = sent == TLS_AGAIN;
	tunnel->broken |= sent == -1;
	return moved;
}

static bool move_in(struct tunnel *tunnel)
{
	struct direction *in = &tunnel->in;
	struct error ignored = ERROR_INIT;
	bool moved = false;

	// A read gives one record at most: several make one write.
	while (!in->end_seen && in->used < BUFFER_BYTES && in->head == 0 && !tunnel->broken) {
		if (!filled(tunnel, in,
			    tls_session_read(
				    tunnel->tls, in->buffer + in->used, BUFFER_BYTES - in->used, &ignored)))
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

int rpc_tunnel_start(struct tls_session *tls, int *fd, struct error *err)
{
	int ends[2] = { -1, -1 }, size = SOCKET_BUFFER_BYTES;
	struct tunnel *tunnel = calloc(1, sizeof(*tunnel));

	if (tunnel) {
		tunnel->in.buffer = malloc(BUFFER_BYTES);
		tunnel->out.buffer = malloc(BUFFER_BYTES);
	}
	if (!tunnel || !tunnel->in.buffer || !tunnel->out.buffer ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
		error_set_errno(err, errno, "cannot set up a tunnel");
		if (tunnel) {
			free(tunnel->in.buffer);
			free(tunnel->out.buffer);
		}
		free(tunnel);
		tls_session_free(tls);
		return -1;
	}
	tunnel->tls = tls;
	tunnel->fd = ends[0];
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
