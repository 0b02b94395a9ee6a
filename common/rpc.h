// SPDX-License-Identifier: GPL-3.0-or-later
// Requests and replies (proto/api.proto) over Unix sockets and TLS: the server that hypervisord and clusterd are made of, and
// the client that everything else uses. Each request runs in a task of its own. Knows no handler.
#ifndef COMMON_RPC_H
#define COMMON_RPC_H

#include <stdbool.h>
#include <sys/types.h>
#include "common/error.h"
#include "common/loop.h"
#include "common/task.h"
#include "common/tls.h"
#include "proto/api.pb-c.h"

#define RPC_CLUSTERD_SOCKET "/run/holdfast/clusterd.sock"
#define RPC_HYPERVISORD_SOCKET "/run/holdfast/hypervisord.sock"
#define RPC_CLUSTERD_PORT 7630
#define RPC_HYPERVISORD_PORT 7631

// ---- server

enum rpc_caller {
	RPC_CALLER_LOCAL,	// Unix socket: root or a member of the administrators' group (SO_PEERCRED)
	RPC_CALLER_NODE,	// TLS with a node's certificate of our CA
	RPC_CALLER_STRANGER,	// TLS without a certificate: only what a handler allows explicitly (cluster_join)
};

struct rpc_server;
struct tls_session;
struct rpc_call;		// one request that is being served, valid until its handler has returned

// Serves one request; runs in a task and may wait. Returns 0 after filling *reply (its strings are allocated with malloc and freed
// by the server with protobuf-c's free_unpacked; left empty it is `done`), or -1 with err set: the caller gets the error.
typedef int rpc_handler_fn(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply, void *data,
	struct error *err);

struct rpc_handler {
	Holdfast__Request__BodyCase body;
	unsigned callers;	// mask of 1u << enum rpc_caller
	rpc_handler_fn *serve;
};

// HANDLERS ends with body 0. DATA goes to each handler. Freed, the server hangs up; handlers under way see their client gone and go on
// until they return or task_end_all ends them, so DATA must outlive that.
struct rpc_server *rpc_server_new(struct loop *loop, const struct rpc_handler *handlers, void *data);
void rpc_server_free(struct rpc_server *server);
int rpc_server_listen_unix(struct rpc_server *server, const char *path, const char *group, struct error *err) MUST_CHECK;
// ADDRESS NULL: all. The context must outlive the server.
int rpc_server_listen_tls(struct rpc_server *server, const char *address, unsigned port, struct tls_context *tls,
	struct error *err) MUST_CHECK;
// Called, if set, for a request with a `node` other than empty or our own, before the handlers: pass it on. Same contract as a handler.
void rpc_server_set_forward(struct rpc_server *server, rpc_handler_fn *forward, const char *own_node);

enum rpc_caller rpc_call_caller(const struct rpc_call *call);
const char *rpc_call_peer(const struct rpc_call *call);		// node name of a TLS peer, "uid N" of a local one
bool rpc_call_gone(const struct rpc_call *call);		// the client has hung up
void rpc_call_on_gone(struct rpc_call *call, task_fn *cb, void *data);	// CB(data) on the loop when the client hangs up or cancels
int rpc_call_progress(struct rpc_call *call, double percent, const char *format, ...) __attribute__((format(printf, 3, 4)));
int rpc_call_event(struct rpc_call *call, const Holdfast__Event *event);
int rpc_call_send_data(struct rpc_call *call, const void *bytes, size_t count);	// in a task it waits while the client is behind
// The next `data` request of this call's id: 1 with *bytes (caller frees), 0 when the client has hung up, -1 on time-out or error.
int rpc_call_receive_data(struct rpc_call *call, unsigned timeout_ms, uint8_t **bytes, size_t *count, struct error *err) MUST_CHECK;	// waits
// Takes the connection away from the server, for raw bytes: sends the reply {done} first, then waits until it is written. With TLS, *fd is
// one end of a socketpair whose other end a worker thread pumps through the TLS session with back pressure. The caller owns the descriptor,
// which is non-blocking. The end of each direction (shutdown) is passed on by itself.
int rpc_call_hijack(struct rpc_call *call, int *fd, struct error *err) MUST_CHECK;	// waits
// The same for a thread of the caller's own that uses the session itself (common/tls-lane.h): no tunnel. Without TLS it is refused.
int rpc_call_hijack_tls(struct rpc_call *call, struct tls_session **tls, struct error *err) MUST_CHECK;	// waits

// ---- client

struct rpc_client;

// Both wait. The node's certificate must be for PEER_NODE (NULL: any node of our CA).
struct rpc_client *rpc_connect_unix(const char *path, unsigned timeout_ms, struct error *err) MUST_CHECK;
struct rpc_client *rpc_connect_tls(const char *address, unsigned port, const char *peer_node, struct tls_context *tls,
	unsigned timeout_ms, struct error *err) MUST_CHECK;
// For `cluster join`: no client certificate; the server's chain must contain a CA with this SHA-256 fingerprint (hex).
struct rpc_client *rpc_connect_join(const char *address, unsigned port, const char *ca_fingerprint, unsigned timeout_ms,
	struct error *err) MUST_CHECK;
void rpc_client_free(struct rpc_client *client);
// Hangs up but frees nothing: every call under way fails with ERROR_UNREACHABLE. NULL is fine.
void rpc_client_close(struct rpc_client *client);
bool rpc_client_alive(const struct rpc_client *client);

// Called for each progress, event or data reply before the last one, in the task that made the call.
typedef void rpc_partial_cb(const Holdfast__Reply *reply, void *data);

// Sends (the id is filled in) and waits for the last reply. An `error` reply becomes -1 with err. *reply is freed with
// holdfast__reply__free_unpacked(reply, NULL). Several tasks may call on one client at once. Time-out, cancel: the server is told by hang-up
// only when the client is freed. TIMEOUT_MS goes to the server too if the request has none; TASK_FOREVER for subscriptions. A server that
// refuses our certificate says so in the reply of the first call, not when we connect.
int rpc_client_call(struct rpc_client *client, Holdfast__Request *request, unsigned timeout_ms, rpc_partial_cb *partial, void *data,
	Holdfast__Reply **reply, struct error *err) MUST_CHECK;	// waits
// The same when nothing but success is of interest.
int rpc_client_do(struct rpc_client *client, Holdfast__Request *request, unsigned timeout_ms, struct error *err) MUST_CHECK;	// waits
// More input (`data`) for a call that is under way (console): ID is that of the request.
int rpc_client_send_data(struct rpc_client *client, uint64_t id, const void *bytes, size_t count, struct error *err) MUST_CHECK;
// After a call that the server answered by hijacking: the raw connection, as in rpc_call_hijack. Frees the client.
int rpc_client_hijack(struct rpc_client *client, int *fd, struct error *err) MUST_CHECK;	// waits
int rpc_client_hijack_tls(struct rpc_client *client, struct tls_session **tls, struct error *err) MUST_CHECK;	// waits

// Connects to a Unix socket, calls, and disconnects, without any loop of the caller's: for the agent and the handlers, which are
// programs of one call. Blocking, with the deadline.
int rpc_call_once(const char *path, Holdfast__Request *request, unsigned timeout_ms, Holdfast__Reply **reply, struct error *err) MUST_CHECK;
// The same; whenever nothing has come for EVERY_MS, GIVE_UP is asked, and ends the wait with true and the error that it set.
typedef bool rpc_give_up_fn(void *data, struct error *err);
int rpc_call_once_unless(const char *path, Holdfast__Request *request, unsigned timeout_ms, unsigned every_ms,
	rpc_give_up_fn *give_up, void *data, Holdfast__Reply **reply, struct error *err) MUST_CHECK;

#define RPC_REQUEST_INIT HOLDFAST__REQUEST__INIT

#endif
