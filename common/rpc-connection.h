// SPDX-License-Identifier: GPL-3.0-or-later
// One established connection (Unix socket or TLS) on the loop, for the server and the client of rpc only: frames in, messages
// out through a bounded queue. It never reads past the end of a frame, so that it can be handed over as raw bytes.
#ifndef COMMON_RPC_CONNECTION_H
#define COMMON_RPC_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <protobuf-c/protobuf-c.h>
#include "common/error.h"
#include "common/loop.h"
#include "common/tls-session.h"

#define RPC_QUEUE_LIMIT_BYTES (16u << 20)	// a peer that leaves more than this unread is dropped
#define RPC_QUEUE_HIGH_BYTES (1u << 20)		// senders that may wait do so above this

struct rpc_connection;

struct rpc_connection_ops {
	// One whole frame. May free the connection.
	void (*on_frame)(void *owner, const uint8_t *body, size_t size);
	// Nothing comes any more: ERROR_UNREACHABLE (it hung up), ERROR_PROTOCOL (a bad frame), ... Comes once, and once more
	// after rpc_connection_finish. May free the connection.
	void (*on_end)(void *owner, const struct error *why);
};

enum rpc_reading {
	RPC_READ_FRAMES,
	RPC_READ_WATCH,		// take in nothing, but see the peer's end if nothing comes before it
	RPC_READ_NONE,
};

// Takes FD, or TLS (FD is ignored then). Starts with RPC_READ_FRAMES. NULL: no memory.
struct rpc_connection *rpc_connection_new(struct loop *loop, int fd, struct tls_session *tls,
	const struct rpc_connection_ops *ops, void *owner);
void rpc_connection_free(struct rpc_connection *connection);	// hangs up at once; wakes who waits for room
void rpc_connection_set_frame_limit(struct rpc_connection *connection, size_t limit);
void rpc_connection_set_reading(struct rpc_connection *connection, enum rpc_reading reading);
bool rpc_connection_alive(const struct rpc_connection *connection);
// Puts the message as a frame into the queue. -1 if it is too large, or if the queue is full: on_end follows then.
int rpc_connection_send(struct rpc_connection *connection, const ProtobufCMessage *message, struct error *err) MUST_CHECK;
// Waits until the queue has at most BYTES; afterwards the connection may be gone (-1).
int rpc_connection_wait_room(struct rpc_connection *connection, size_t bytes, unsigned timeout_ms, struct error *err) MUST_CHECK;
// Takes in nothing more, sends what is queued and what is put into the queue in this turn (within a few seconds), then calls on_end.
void rpc_connection_finish(struct rpc_connection *connection);
// Takes descriptor and session out; the queue must be empty. *tls is NULL for a Unix socket. The connection still has to be freed.
void rpc_connection_detach(struct rpc_connection *connection, int *fd, struct tls_session **tls);

#endif
