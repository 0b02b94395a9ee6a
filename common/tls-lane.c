// SPDX-License-Identifier: GPL-3.0-or-later
// See tls-lane.h. The socket stays non-blocking, as the session wants it: poll waits.
#include "common/tls-lane.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include "common/rpc-socket.h"

void tls_lane_begin(struct tls_session *tls)
{
	rpc_socket_tune(tls_session_fd(tls), RPC_SOCKET_TUNNEL_DEAD_MS);
	tls_session_set_bulk(tls);
}

void tls_lane_cut(const struct tls_session *tls)
{
	shutdown(tls_session_fd(tls), SHUT_RDWR);
}

static int wait_for(const struct tls_session *tls, short events, struct error *err)
{
	struct pollfd fd = { .fd = tls_session_fd(tls), .events = events };

	// A peer that is dead is the kernel's to find: rpc_socket_tune.
	while (poll(&fd, 1, -1) < 0)
		if (errno != EINTR)
			return error_set_errno(err, errno, "cannot wait for a connection");
	return 0;
}

int tls_lane_flush(struct tls_session *tls, struct error *err)
{
	int result;

	while ((result = tls_session_flush(tls, err)) == TLS_AGAIN)
		if (wait_for(tls, POLLOUT, err) < 0)
			return -1;
	return result;
}

int tls_lane_give(struct tls_session *tls, const uint8_t *bytes, size_t count, struct error *err)
{
	while (count > 0) {
		ssize_t put = tls_session_write(tls, bytes, count, err);

		if (put == TLS_AGAIN) { // what waits in the session fills it
			if (tls_lane_flush(tls, err) < 0)
				return -1;
			continue;
		}
		if (put < 0)
			return -1;
		bytes += put;
		count -= (size_t)put;
	}
	return 0;
}

int tls_lane_take(struct tls_session *tls, uint8_t *bytes, size_t count, struct error *err)
{
	while (count > 0) {
		ssize_t got = tls_session_read(tls, bytes, count, err);

		if (got == TLS_AGAIN) {
			if (wait_for(tls, POLLIN, err) < 0)
				return -1;
			continue;
		}
		if (got < 0)
			return -1;
		if (got == 0)
			return error_set(err, ERROR_UNREACHABLE, "the other side ended it too early");
		bytes += got;
		count -= (size_t)got;
	}
	return 0;
}

void tls_lane_wait(const struct tls_session *tls, unsigned ms)
{
	struct pollfd fd = { .fd = tls_session_fd(tls) };

	poll(&fd, 1, (int)ms);
}
