// SPDX-License-Identifier: GPL-3.0-or-later
// Ways to a server: over a Unix socket, over TLS as a node, over TLS as a newcomer without a certificate. All wait.
#include <errno.h>
#include <stdio.h>
#include "common/rpc-client.h"
#include "common/rpc-socket.h"

#define BACKLOG_RETRY_MS 20

static unsigned left_ms(int64_t deadline_us)
{
	int64_t left = (deadline_us - loop_now_us()) / 1000;

	return left > 0 ? (unsigned)left : 0;
}

struct rpc_client *rpc_connect_unix(const char *path, unsigned timeout_ms, struct error *err)
{
	int64_t deadline_us = loop_now_us() + (int64_t)timeout_ms * 1000;
	struct error why = ERROR_INIT;
	int fd;

	// A full backlog gives no event when it has room again.
	while ((fd = rpc_socket_connect_unix(path, &why)) < 0 && why.errnum == EAGAIN &&
		loop_now_us() < deadline_us)
		if (task_pause(BACKLOG_RETRY_MS, err) < 0)
			return NULL;
	if (fd < 0) {
		error_copy(err, &why);
		return NULL;
	}
	return rpc_client_new(fd, NULL, path, err);
}

// Takes the session, which may be NULL after a failure.
static struct rpc_client *shake_hands(
	struct tls_session *tls, const char *server, int64_t deadline_us, struct error *err)
{
	if (!tls || tls_session_handshake(tls, left_ms(deadline_us), err) < 0) {
		tls_session_free(tls);
		error_prefix(err, "%s", server);
		return NULL;
	}
	return rpc_client_new(-1, tls, server, err);
}

static void server_name(char *name, size_t bytes, const char *node, const char *address, unsigned port)
{
	if (node)
		snprintf(name, bytes, "%s (%s port %u)", node, address, port);
	else
		snprintf(name, bytes, "%s port %u", address, port);
}

struct rpc_client *rpc_connect_tls(const char *address, unsigned port, const char *peer_node,
	struct tls_context *tls, unsigned timeout_ms, struct error *err)
{
	int64_t deadline_us = loop_now_us() + (int64_t)timeout_ms * 1000;
	char server[160];

	server_name(server, sizeof(server), peer_node, address, port);
	int fd = rpc_socket_connect_tcp(address, port, timeout_ms, err);
	if (fd < 0) {
		error_prefix(err, "%s", server);
		return NULL;
	}
	return shake_hands(tls_session_connect(tls, fd, peer_node, err), server, deadline_us, err);
}

struct rpc_client *rpc_connect_join(const char *address, unsigned port, const char *ca_fingerprint,
	unsigned timeout_ms, struct error *err)
{
	int64_t deadline_us = loop_now_us() + (int64_t)timeout_ms * 1000;
	char server[160];

	server_name(server, sizeof(server), NULL, address, port);
	int fd = rpc_socket_connect_tcp(address, port, timeout_ms, err);
	if (fd < 0) {
		error_prefix(err, "%s", server);
		return NULL;
	}
	return shake_hands(tls_session_join(fd, ca_fingerprint, err), server, deadline_us, err);
}
