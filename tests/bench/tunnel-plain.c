// SPDX-License-Identifier: GPL-3.0-or-later
// Nothing between the tunnels of tunnel-rate: the same verbs as common/tls-session.c, in whose place this is linked, over a plain socket.
#include "tests/bench/tunnel-rate.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct tls_session {
	int fd;
};

int tunnel_rate_sessions(
	int fds[2], char **arguments, int count, struct tls_session *sessions[2], struct error *err)
{
	for (size_t i = 0; i < 2; i++) {
		sessions[i] = malloc(sizeof(*sessions[i]));
		if (!sessions[i])
			return error_set(err, ERROR_NO_SPACE, "no memory for a session");
		sessions[i]->fd = fds[i];
	}
	return 0;
}

void tls_session_free(struct tls_session *session)
{
	if (!session)
		return;
	close(session->fd);
	free(session);
}

int tls_session_fd(const struct tls_session *session)
{
	return session->fd;
}

static ssize_t outcome(ssize_t result, struct error *err)
{
	if (result >= 0)
		return result;
	if (errno == EAGAIN || errno == EINTR)
		return TLS_AGAIN;
	return error_set_errno(err, errno, "the connection broke");
}

ssize_t tls_session_read(struct tls_session *session, void *bytes, size_t count, struct error *err)
{
	return outcome(recv(session->fd, bytes, count, 0), err);
}

ssize_t tls_session_write(struct tls_session *session, const void *bytes, size_t count, struct error *err)
{
	return outcome(send(session->fd, bytes, count, MSG_NOSIGNAL), err);
}

int tls_session_end_write(struct tls_session *session, struct error *err)
{
	return shutdown(session->fd, SHUT_WR);
}

int tls_session_flush(struct tls_session *session, struct error *err)
{
	return 0;
}

void tls_session_set_bulk(struct tls_session *session)
{
}
