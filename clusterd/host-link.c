// SPDX-License-Identifier: GPL-3.0-or-later
// The connection to hypervisord: one background task connects and then waits in the subscription, which ends when
// hypervisord does.
#include "clusterd/host-link.h"

#include <glib.h>

#include "clusterd/shared-client.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/task.h"

#define CONNECT_TIMEOUT_MS 3000u
#define RETRY_MS 250u
#define RETRY_LIMIT_MS 2000u

struct host_link {
	struct loop *loop;
	struct notice *changed;
	host_event_cb *event;
	void *data;
	struct shared_client *shared; // NULL: not connected
};

static void on_partial(const Holdfast__Reply *reply, void *data)
{
	struct host_link *link = data;

	if (reply->body_case == HOLDFAST__REPLY__BODY_EVENT)
		link->event(reply->event, link->data);
}

static void subscribe(struct host_link *link, struct rpc_client *client)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Empty empty = HOLDFAST__EMPTY__INIT;
	Holdfast__Reply *reply = NULL;
	struct error err = ERROR_INIT;

	link->shared = shared_client_new(client);
	if (!link->shared)
		return;
	notice_raise(link->changed);
	log_info("connected to hypervisord");
	request.body_case = HOLDFAST__REQUEST__BODY_HOST_EVENTS;
	request.host_events = &empty;
	if (rpc_client_call(client, &request, TASK_FOREVER, on_partial, link, &reply, &err) < 0 &&
		err.code != ERROR_TIMEOUT)
		log_warning("hypervisord has gone: %s", err.message);
	if (reply)
		holdfast__reply__free_unpacked(reply, NULL);
	struct shared_client *old = steal_ptr(link->shared);
	shared_client_release(old);
	notice_raise(link->changed);
}

static void link_task(void *data)
{
	struct host_link *link = data;
	unsigned retry_ms = RETRY_MS;
	struct error err = ERROR_INIT;

	for (;;) {
		error_clear(&err);
		struct rpc_client *client =
			rpc_connect_unix(RPC_HYPERVISORD_SOCKET, CONNECT_TIMEOUT_MS, &err);
		if (client) {
			retry_ms = RETRY_MS;
			subscribe(link, client);
		} else if (err.code == ERROR_CANCELLED) {
			return;
		}
		if (task_pause(retry_ms, &err) < 0)
			return;
		retry_ms = retry_ms * 2 < RETRY_LIMIT_MS ? retry_ms * 2 : RETRY_LIMIT_MS;
	}
}

struct host_link *host_link_new(
	struct loop *loop, struct notice *changed, host_event_cb *event, void *data, struct error *err)
{
	struct host_link *link = g_new0(struct host_link, 1);

	link->loop = loop;
	link->changed = changed;
	link->event = event;
	link->data = data;
	if (task_start(loop, "hypervisord", link_task, link, err))
		return link;
	g_free(link);
	return NULL;
}

void host_link_free(struct host_link *link)
{
	if (link)
		shared_client_release(link->shared);
	g_free(link);
}

bool host_link_connected(const struct host_link *link)
{
	return link->shared != NULL;
}

int host_link_call(struct host_link *link, Holdfast__Request *request, unsigned timeout_ms,
	rpc_partial_cb *partial, void *data, Holdfast__Reply **reply, struct error *err)
{
	struct shared_client *shared = link->shared;

	if (!shared)
		return error_set(err, ERROR_UNREACHABLE,
			"hypervisord on this node does not answer: is holdfast-hypervisord.service running?");
	shared->references++;
	int result = reply ? rpc_client_call(shared->client, request, timeout_ms, partial, data, reply, err)
			   : rpc_client_do(shared->client, request, timeout_ms, err);
	shared_client_release(shared);
	return result;
}
