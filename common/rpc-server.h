// SPDX-License-Identifier: GPL-3.0-or-later
// What the files of the rpc server share: the server, its listeners, its peers (one per connection) and their calls.
//
//   server ── listener (Unix socket or TCP port)
//      ├───── handshake (a task; TLS only) ──> becomes a peer
//      └───── peer ── connection
//               └──── call (one request, one task)
//
// A call outlives its peer: its handler sees that the client is gone and ends when it likes.
#ifndef COMMON_RPC_SERVER_H
#define COMMON_RPC_SERVER_H

#include "common/rpc.h"
#include "common/rpc-connection.h"

#define RPC_PEER_NAME_BYTES 80
#define RPC_CONNECTIONS_MAX 500
#define RPC_STRANGERS_MAX 32
#define RPC_HANDSHAKES_MAX 64
#define RPC_CALLS_PER_PEER 256
#define RPC_STRANGER_FRAME_BYTES 65536

struct rpc_listener;
struct rpc_handshake;

struct rpc_server {
	struct loop *loop;
	const struct rpc_handler *handlers;
	void *data;
	rpc_handler_fn *forward;
	char *own_node;
	struct rpc_listener *listeners;
	struct rpc_handshake *handshakes;
	struct rpc_peer *peers;
	unsigned handshake_count, peer_count, stranger_count;
	unsigned handshake_ms, stranger_idle_ms;	// how long they may take
	int64_t log_window_us;			// complaints about peers are limited: so many in a window
	unsigned log_count;
};

struct rpc_peer {
	struct rpc_server *server;
	struct rpc_peer *next, **link;
	struct rpc_connection *connection;
	enum rpc_caller caller;
	char name[RPC_PEER_NAME_BYTES];
	struct rpc_call *calls;
	unsigned call_count;
	bool finishing;				// takes no requests, only what is queued is still sent
	struct loop_source *idle;		// of a stranger
	bool was_busy;
};

struct rpc_data {
	struct rpc_data *next;
	size_t count;
	uint8_t *bytes;
};

struct rpc_call {
	struct rpc_peer *peer;			// NULL: gone, or hijacked
	struct rpc_call *next, **link;
	struct loop *loop;
	struct task *task;
	Holdfast__Request *request;
	rpc_handler_fn *serve;
	void *data;
	enum rpc_caller caller;
	char peer_name[RPC_PEER_NAME_BYTES];
	bool hijacked;
	task_fn *on_gone;
	void *on_gone_data;
	struct loop_source *on_gone_soon;
	struct rpc_data *first, *last;		// input that the handler has not taken yet
	size_t input_bytes;
	struct task_wait input;
};

// rpc-server.c
// Takes FD or TLS; NULL with a log line if there is no memory.
struct rpc_peer *rpc_peer_new(struct rpc_server *server, int fd, struct tls_session *tls, enum rpc_caller caller, const char *name);
void rpc_peer_free(struct rpc_peer *peer);
// Sends the error as the reply to request ID (0: to the connection as such).
void rpc_peer_refuse(struct rpc_peer *peer, uint64_t id, const struct error *why);
void rpc_peer_finish(struct rpc_peer *peer);
// One log line about a peer, unless there were too many.
void rpc_server_complain(struct rpc_server *server, const char *peer, const char *message);

// rpc-call.c
void rpc_call_start(struct rpc_peer *peer, Holdfast__Request *request, rpc_handler_fn *serve);	// takes the request
void rpc_call_drop(struct rpc_call *call);	// the peer goes away
void rpc_call_input(struct rpc_call *call, ProtobufCBinaryData *data);	// takes the bytes

// rpc-listen.c
void rpc_listeners_free(struct rpc_server *server);

#endif
