// SPDX-License-Identifier: GPL-3.0-or-later
// Sockets for rpc: making, binding, connecting, naming. All descriptors are non-blocking and close-on-exec.
#ifndef COMMON_RPC_SOCKET_H
#define COMMON_RPC_SOCKET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "common/error.h"

#define RPC_SOCKET_DEAD_MS 10000	// a TCP peer that acknowledges nothing for so long is gone
#define RPC_SOCKET_TUNNEL_DEAD_MS 30000	// also bounds how long a living one may refuse to read

// The descriptor, or -1. A stale socket is replaced; one that somebody listens at is ERROR_EXISTS.
int rpc_socket_bind_unix(const char *path, struct error *err) MUST_CHECK;
int rpc_socket_bind_tcp(const char *address, unsigned port, struct error *err) MUST_CHECK;
// Unix sockets connect at once or not at all: -1 with errno EAGAIN in err->errnum if the server's backlog is full.
int rpc_socket_connect_unix(const char *path, struct error *err) MUST_CHECK;
int rpc_socket_connect_tcp(const char *address, unsigned port, unsigned timeout_ms, struct error *err) MUST_CHECK;	// waits
void rpc_socket_tune(int fd, unsigned dead_ms);		// TCP: no delay, and how soon a dead peer is noticed
uint64_t rpc_socket_unsent(int fd);	// TCP: what was written and the peer has not acknowledged
void rpc_socket_name(const struct sockaddr_storage *address, socklen_t size, char *name, size_t name_bytes);

#endif
