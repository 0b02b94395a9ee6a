// SPDX-License-Identifier: GPL-3.0-or-later
// The corosync side of cpg.h: connect with backoff, dispatch on the loop, and a queue for the moments when corosync
// says "try again".
#include "clusterd/cpg.h"

#include <corosync/cpg.h>
#include <glib.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "common/log.h"

#define GROUP_NAME "holdfast-clusterd"
#define RETRY_MS 500u
#define RETRY_LIMIT_MS 4000u
#define BUSY_RETRY_MS 20u
#define QUEUE_LIMIT 10000u
#define MEMBER_LIMIT 256u

struct cpg_link {
	struct loop *loop;
	struct cpg_callbacks callbacks;
	void *data;
	cpg_handle_t handle;
	uint32_t nodeid;
	bool connected;
	struct loop_source *source, *retry, *busy;
	unsigned retry_ms;
	GQueue queue; // of GBytes
};

static void schedule_retry(struct cpg_link *link);

static struct cpg_link *owner_of(cpg_handle_t handle)
{
	void *context = NULL;

	return cpg_context_get(handle, &context) == CS_OK ? context : NULL;
}

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
	void *bytes, size_t count)
{
	struct cpg_link *link = owner_of(handle);

	(void)group, (void)pid;
	if (link)
		link->callbacks.deliver(nodeid, bytes, count, link->data);
}

static void on_members(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
	size_t count, const struct cpg_address *left, size_t left_count, const struct cpg_address *joined,
	size_t joined_count)
{
	struct cpg_link *link = owner_of(handle);
	uint32_t nodeids[MEMBER_LIMIT];

	(void)group, (void)left, (void)left_count, (void)joined, (void)joined_count;
	if (!link)
		return;
	if (count > MEMBER_LIMIT)
		count = MEMBER_LIMIT;
	for (size_t i = 0; i < count; i++)
		nodeids[i] = members[i].nodeid;
	link->callbacks.members(nodeids, count, link->data);
}

static void disconnect(struct cpg_link *link)
{
	loop_source_remove(link->source);
	loop_source_remove(link->busy);
	link->source = link->busy = NULL;
	if (link->connected)
		cpg_finalize(link->handle);
	link->connected = false;
	for (GBytes *bytes; (bytes = g_queue_pop_head(&link->queue));)
		g_bytes_unref(bytes);
}

static enum loop_verdict on_fd(int fd, short events, void *data)
{
	struct cpg_link *link = data;

	(void)fd;
	if (!(events & (POLLHUP | POLLERR)) && cpg_dispatch(link->handle, CS_DISPATCH_ALL) == CS_OK)
		return LOOP_CONTINUE;
	link->source = NULL; // removed by LOOP_STOP
	disconnect(link);
	schedule_retry(link);
	link->callbacks.members(NULL, 0, link->data);
	return LOOP_STOP;
}

static enum loop_verdict try_connect(void *data)
{
	struct cpg_link *link = data;
	cpg_model_v1_data_t model = {
		.model = CPG_MODEL_V1, .cpg_deliver_fn = on_deliver, .cpg_confchg_fn = on_members
	};
	struct cpg_name group = { .length = sizeof(GROUP_NAME) - 1 };
	int fd;

	link->retry = NULL;
	if (cpg_model_initialize(&link->handle, CPG_MODEL_V1, (cpg_model_data_t *)&model, link) != CS_OK) {
		schedule_retry(link);
		return LOOP_STOP;
	}
	link->connected = true;
	memcpy(group.value, GROUP_NAME, group.length);
	if (cpg_join(link->handle, &group) != CS_OK || cpg_fd_get(link->handle, &fd) != CS_OK ||
		cpg_local_get(link->handle, &link->nodeid) != CS_OK) {
		disconnect(link);
		schedule_retry(link);
		return LOOP_STOP;
	}
	link->retry_ms = RETRY_MS;
	link->source = loop_add_fd(link->loop, fd, POLLIN, on_fd, link);
	return LOOP_STOP;
}

static void schedule_retry(struct cpg_link *link)
{
	if (link->retry)
		return;
	link->retry = loop_add_timer(link->loop, link->retry_ms, try_connect, link);
	link->retry_ms = link->retry_ms * 2 < RETRY_LIMIT_MS ? link->retry_ms * 2 : RETRY_LIMIT_MS;
}

static enum loop_verdict on_busy_retry(void *data);

static void flush(struct cpg_link *link)
{
	for (GBytes *bytes; link->connected && (bytes = g_queue_peek_head(&link->queue));) {
		gsize count;
		struct iovec vector = { .iov_base = (void *)g_bytes_get_data(bytes, &count) };

		vector.iov_len = count;
		cs_error_t result = cpg_mcast_joined(link->handle, CPG_TYPE_AGREED, &vector, 1);
		if (result == CS_ERR_TRY_AGAIN) {
			if (!link->busy)
				link->busy = loop_add_timer(link->loop, BUSY_RETRY_MS, on_busy_retry, link);
			return;
		}
		if (result != CS_OK)
			log_warning("corosync did not take a message: error %d", result);
		g_bytes_unref(g_queue_pop_head(&link->queue));
	}
}

static enum loop_verdict on_busy_retry(void *data)
{
	struct cpg_link *link = data;

	link->busy = NULL;
	flush(link);
	return LOOP_STOP;
}

void cpg_link_send(struct cpg_link *link, const void *bytes, size_t count)
{
	if (!link->connected || g_queue_get_length(&link->queue) >= QUEUE_LIMIT)
		return;
	g_queue_push_tail(&link->queue, g_bytes_new(bytes, count));
	flush(link);
}

uint32_t cpg_link_nodeid(const struct cpg_link *link)
{
	return link->connected ? link->nodeid : 0;
}

void cpg_link_reconnect(struct cpg_link *link)
{
	if (link->connected)
		return;
	loop_source_remove(link->retry);
	link->retry_ms = RETRY_MS;
	link->retry = loop_add_idle(link->loop, try_connect, link);
}

struct cpg_link *cpg_link_new(struct loop *loop, const struct cpg_callbacks *callbacks, void *data)
{
	struct cpg_link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	link->loop = loop;
	link->callbacks = *callbacks;
	link->data = data;
	link->retry_ms = RETRY_MS;
	g_queue_init(&link->queue);
	link->retry = loop_add_idle(loop, try_connect, link);
	return link;
}

void cpg_link_free(struct cpg_link *link)
{
	if (!link)
		return;
	disconnect(link);
	loop_source_remove(link->retry);
	free(link);
}
