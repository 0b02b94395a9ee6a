// SPDX-License-Identifier: GPL-3.0-or-later
// Passing requests on: see the header. A node's address comes from corosync, or, while corosync is not there, from its
// definition.
#include "clusterd/forward.h"

#include <glib.h>
#include <string.h>

#include "clusterd/cib-link.h"
#include "clusterd/host-link.h"
#include "clusterd/shared-client.h"
#include "common/cleanup.h"

#define CONNECT_TIMEOUT_MS 3000u
#define FORWARD_TIMEOUT_MS (15u * 60 * 1000)

struct peer {
	struct task_mutex connecting;
	struct shared_client *shared;
};

struct peers {
	GHashTable *by_name;
};

static void peer_free(gpointer data)
{
	struct peer *peer = data;

	shared_client_release(peer->shared);
	g_free(peer);
}

void peers_free(struct peers *peers)
{
	if (!peers)
		return;
	g_hash_table_unref(peers->by_name);
	g_free(peers);
}

struct peers *peers_new(void)
{
	struct peers *peers = g_new0(struct peers, 1);

	peers->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, peer_free);
	return peers;
}

static struct peer *peer_of(struct peers *peers, const char *node)
{
	struct peer *peer = g_hash_table_lookup(peers->by_name, node);

	if (!peer) {
		peer = g_new0(struct peer, 1);
		g_hash_table_insert(peers->by_name, g_strdup(node), peer);
	}
	return peer;
}

static char *address_of(struct clusterd *cd, const char *node, struct error *err)
{
	const struct membership_state *members = membership_state(cd->membership);
	const struct member *member = membership_find(members, node);

	if (members->connected && member) {
		if (member->online)
			return g_strdup(member->address);
		error_set(err, ERROR_UNREACHABLE, "node %s is offline", node);
		return NULL;
	}
	cleanup_snapshot struct snapshot *snapshot = cib_link_snapshot(cd->cib, err);
	if (!snapshot)
		return NULL;
	for (size_t i = 0; i < snapshot->cib->node_count; i++)
		if (!strcmp(snapshot->cib->nodes[i].node->name, node))
			return g_strdup(snapshot->cib->nodes[i].node->address);
	error_set(err, ERROR_NOT_FOUND, "there is no node %s: see 'holdfast node list'", node);
	return NULL;
}

static struct rpc_client *dial(struct clusterd *cd, const char *node, struct error *err)
{
	cleanup_free char *address = address_of(cd, node, err);

	if (!address)
		return NULL;
	if (!cd->tls) {
		error_set(err, ERROR_FAILED,
			"this node has no certificate of the cluster: its %s cannot be read",
			CONFIG_PKI_DIRECTORY);
		return NULL;
	}
	struct rpc_client *client =
		rpc_connect_tls(address, RPC_CLUSTERD_PORT, node, cd->tls, CONNECT_TIMEOUT_MS, err);
	if (!client)
		error_prefix(err, "clusterd on node %s cannot be reached", node);
	return client;
}

static struct shared_client *connected(struct clusterd *cd, const char *node, struct error *err)
{
	struct peer *peer = peer_of(cd->peers, node);

	if (task_lock(&peer->connecting, 2 * CONNECT_TIMEOUT_MS, err) < 0)
		return NULL;
	if (peer->shared && !rpc_client_alive(peer->shared->client)) {
		struct shared_client *dead = steal_ptr(peer->shared);
		shared_client_release(dead);
	}
	if (!peer->shared) {
		struct rpc_client *client = dial(cd, node, err);
		if (client)
			peer->shared = shared_client_new(client);
	}
	struct shared_client *shared = peer->shared;
	if (shared)
		shared->references++;
	task_unlock(&peer->connecting);
	return shared;
}

int peer_call(struct clusterd *cd, const char *node, Holdfast__Request *request, unsigned timeout_ms,
	rpc_partial_cb *partial, void *data, Holdfast__Reply **reply, struct error *err)
{
	struct shared_client *shared = connected(cd, node, err);

	if (!shared)
		return -1;
	int result = reply ? rpc_client_call(shared->client, request, timeout_ms, partial, data, reply, err)
			   : rpc_client_do(shared->client, request, timeout_ms, err);
	if (result < 0 && err && (err->code == ERROR_UNREACHABLE || err->code == ERROR_TIMEOUT) &&
		!strstr(err->message, node))
		error_prefix(err, "node %s", node);
	shared_client_release(shared);
	return result;
}

int host_call(struct clusterd *cd, const char *node, Holdfast__Request *request, unsigned timeout_ms,
	rpc_partial_cb *partial, void *data, Holdfast__Reply **reply, struct error *err)
{
	if (!strcmp(node, cd->config.node))
		return host_link_call(cd->host, request, timeout_ms, partial, data, reply, err);
	return peer_call(cd, node, request, timeout_ms, partial, data, reply, err);
}

// ---- serving a call with what another one answers

void forward_partial(const Holdfast__Reply *reply, void *data)
{
	struct rpc_call *call = data;

	switch (reply->body_case) {
	case HOLDFAST__REPLY__BODY_PROGRESS:
		rpc_call_progress(call, reply->progress->percent, "%s", reply->progress->text);
		break;
	case HOLDFAST__REPLY__BODY_EVENT:
		rpc_call_event(call, reply->event);
		break;
	case HOLDFAST__REPLY__BODY_DATA:
		rpc_call_send_data(call, reply->data.data, reply->data.len);
		break;
	default:
		break;
	}
}

// The answer becomes ours: its body is taken over, the id is the server's.
static void adopt(Holdfast__Reply *reply, Holdfast__Reply *answer)
{
	uint64_t id = reply->id;
	ProtobufCMessage base = reply->base;

	*reply = *answer;
	reply->base = base;
	reply->id = id;
	answer->body_case = HOLDFAST__REPLY__BODY__NOT_SET;
	holdfast__reply__free_unpacked(answer, NULL);
}

static bool streams(const Holdfast__Request *request)
{
	return request->body_case == HOLDFAST__REQUEST__BODY_VM_CONSOLE ||
		(request->body_case == HOLDFAST__REQUEST__BODY_EVENTS && request->events->follow);
}

// Input of a console: runs beside the call until the client hangs up or the call ends.
struct pump {
	struct rpc_call *call;
	struct rpc_client *client;
	const Holdfast__Request *request; // has the id once it is sent
	struct task_wait ended;
};

static void pump_task(void *data)
{
	struct pump *pump = data;
	struct error err = ERROR_INIT;
	uint8_t *bytes;
	size_t count;

	while (rpc_call_receive_data(pump->call, TASK_FOREVER, &bytes, &count, &err) == 1) {
		int result = rpc_client_send_data(pump->client, pump->request->id, bytes, count, &err);
		free(bytes);
		if (result < 0)
			break;
	}
	task_wake(&pump->ended);
}

static void on_gone(void *task)
{
	task_cancel(task);
}

// A stream has a connection of its own, so that hanging up tells the other side.
static int stream(struct rpc_call *call, Holdfast__Request *request, struct rpc_client *client,
	Holdfast__Reply **answer, struct error *err)
{
	struct pump pump = { .call = call, .client = client, .request = request };
	struct task *input = NULL;
	struct error ignored = ERROR_INIT;

	rpc_call_on_gone(call, on_gone, task_self());
	if (request->body_case == HOLDFAST__REQUEST__BODY_VM_CONSOLE) {
		input = task_start(task_loop(), "console input", pump_task, &pump, err);
		if (!input)
			return -1;
	}
	int result = rpc_client_call(client, request, TASK_FOREVER, forward_partial, call, answer, err);
	if (input) {
		// The pump uses our stack: it must have ended.
		if (!pump.ended.woken)
			task_cancel(input);
		do
			task_uncancel(task_self());
		while (task_wait(&pump.ended, 1000, "the end of a console's input", &ignored) < 0);
	}
	return result;
}

static int answer_from(struct clusterd *cd, struct rpc_call *call, const Holdfast__Request *request,
	const char *node, Holdfast__Reply *reply, struct error *err)
{
	Holdfast__Request copy = *request; // the id of the other connection is written into it
	unsigned timeout_ms = request->timeout_ms ? request->timeout_ms + 1000 : FORWARD_TIMEOUT_MS;
	Holdfast__Reply *answer = NULL;
	int result;

	copy.node = (char *)"";
	if (streams(request)) {
		struct rpc_client *client = node
			? dial(cd, node, err)
			: rpc_connect_unix(RPC_HYPERVISORD_SOCKET, CONNECT_TIMEOUT_MS, err);
		if (!client)
			return -1;
		result = stream(call, &copy, client, &answer, err);
		rpc_client_free(client);
	} else if (node) {
		result = peer_call(cd, node, &copy, timeout_ms, forward_partial, call, &answer, err);
	} else {
		result = host_link_call(cd->host, &copy, timeout_ms, forward_partial, call, &answer, err);
	}
	if (result < 0)
		return -1;
	adopt(reply, answer);
	return 0;
}

int forward_call(struct clusterd *cd, struct rpc_call *call, const Holdfast__Request *request,
	const char *node, Holdfast__Reply *reply, struct error *err)
{
	if (rpc_call_caller(call) == RPC_CALLER_NODE)
		return error_set(err, ERROR_BUSY, "node %s is not where this belongs any more: try again",
			cd->config.node);
	return answer_from(cd, call, request, node, reply, err);
}

int forward_to_host(struct clusterd *cd, struct rpc_call *call, const Holdfast__Request *request,
	Holdfast__Reply *reply, struct error *err)
{
	return answer_from(cd, call, request, NULL, reply, err);
}

int forward_by_node(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	return forward_call(data, call, request, request->node, reply, err);
}
