// SPDX-License-Identifier: GPL-3.0-or-later
// events: those that were, and, with follow, those that come.
#include <glib.h>
#include <string.h>

#include "clusterd/api.h"
#include "common/cleanup.h"
#include "proto/json.h"

#define LIST_LIMIT 4000u // an answer is one frame

API_HANDLER(serve_list)
{
	const Holdfast__EventQuery *query = request->events;
	const struct event_store *store = events_store(cd->events);
	size_t first, count = event_store_count(store);
	size_t limit = query->limit && query->limit < LIST_LIMIT ? query->limit : LIST_LIMIT;

	(void)call;
	if (event_store_since(store, query->since, &first, err) < 0)
		return -1;
	if (count - first > limit)
		first = count - limit;
	Holdfast__EventList *list = g_new0(Holdfast__EventList, 1);
	holdfast__event_list__init(list);
	list->events = g_new0(Holdfast__Event *, count - first + 1);
	for (size_t i = first; i < count; i++)
		list->events[list->n_events++] =
			(Holdfast__Event *)proto_copy(&event_store_at(store, i)->base);
	reply->body_case = HOLDFAST__REPLY__BODY_EVENT_LIST;
	reply->event_list = list;
	return 0;
}

static bool contains(GPtrArray *sent, const char *id)
{
	for (guint i = 0; i < sent->len; i++)
		if (!strcmp(g_ptr_array_index(sent, i), id))
			return true;
	return false;
}

// An event that comes late from another node may sort before what was sent already: the last ones are looked through each time.
#define LATE_WINDOW 64u

static void send_new(struct rpc_call *call, const struct event_store *store, GPtrArray *sent, size_t from)
{
	for (size_t i = from; i < event_store_count(store); i++) {
		const Holdfast__Event *event = event_store_at(store, i);

		if (contains(sent, event->id))
			continue;
		rpc_call_event(call, event);
		g_ptr_array_add(sent, g_strdup(event->id));
	}
	if (sent->len > 4 * LATE_WINDOW)
		g_ptr_array_remove_range(sent, 0, sent->len - 2 * LATE_WINDOW);
}

static void on_gone(void *task)
{
	task_cancel(task);
}

API_HANDLER(serve_follow)
{
	const struct event_store *store = events_store(cd->events);
	g_autoptr(GPtrArray) sent = g_ptr_array_new_with_free_func(g_free);
	size_t first = event_store_count(store);

	if (request->events->since[0] && event_store_since(store, request->events->since, &first, err) < 0)
		return -1;
	rpc_call_on_gone(call, on_gone, task_self());
	// What is in the window but before the start counts as sent.
	size_t count = event_store_count(store), start = first > LATE_WINDOW ? first - LATE_WINDOW : 0;
	for (size_t i = start; i < first; i++)
		g_ptr_array_add(sent, g_strdup(event_store_at(store, i)->id));
	for (size_t i = first; i < count; i++) {
		rpc_call_event(call, event_store_at(store, i));
		if (count - i <= LATE_WINDOW)
			g_ptr_array_add(sent, g_strdup(event_store_at(store, i)->id));
	}
	while (!rpc_call_gone(call)) {
		struct error ended = ERROR_INIT;

		if (notice_look(events_notice(cd->events), 60000, "the next event", &ended) < 0)
			break;
		count = event_store_count(store);
		send_new(call, store, sent, count > LATE_WINDOW ? count - LATE_WINDOW : 0);
	}
	api_reply_done(reply);
	return 0;
}

API_HANDLER(serve_events)
{
	return request->events->follow ? serve_follow(cd, call, request, reply, err)
				       : serve_list(cd, call, request, reply, err);
}

const struct api_verb api_event_verbs[] = {
	{ HOLDFAST__REQUEST__BODY_EVENTS, CALLER_ADMIN, API_WITHOUT_CLUSTER, serve_events },
	{ 0 },
};
