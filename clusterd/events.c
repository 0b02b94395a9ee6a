// SPDX-License-Identifier: GPL-3.0-or-later
// Replication of events over CPG. After each change of the membership every member says its marks; when all have
// spoken, for each node's events the member that knows most (the lowest id of those) sends what somebody lacks. All
// decide from the same messages in the same order, so one sends.
#include "clusterd/events.h"

#include <glib.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clusterd/cpg.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/task.h"
#include "proto/json.h"

#define SYNC_LIMIT 4000u // events sent to a newcomer per node; older ones it does without
#define MESSAGE_LIMIT (64u << 10)
#define FRESH_US (60 * 1000000ll) // a clock may be off by some seconds, a missed event is older

struct listener {
	events_cb *cb;
	void *data;
};

struct events {
	struct loop *loop;
	char *node; // NULL: not in a cluster
	struct event_store *store;
	struct cpg_link *cpg;
	GArray *listeners;
	struct notice notice;
	uint32_t *members;
	size_t member_count;
	GHashTable *marks; // nodeid -> Holdfast__EventMarks of this membership
	bool syncing_file, file_dirty;
};

static int64_t realtime_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// ---- durable soon, without holding the loop up

static int sync_work(void *data, struct error *err)
{
	int *fd = data;

	return fdatasync(*fd) < 0 ? error_set(err, ERROR_FAILED, "fdatasync") : 0;
}

static void sync_task(void *data)
{
	struct events *events = data;
	struct error err = ERROR_INIT;

	while (events->file_dirty) {
		cleanup_fd int fd = event_store_dup_fd(events->store);

		events->file_dirty = false;
		if (fd < 0 || task_offload(sync_work, &fd, &err) < 0)
			log_warning("the events may not be on disk: %s", err.message);
	}
	events->syncing_file = false;
}

static void sync_soon(struct events *events)
{
	events->file_dirty = true;
	if (events->syncing_file)
		return;
	events->syncing_file = task_start(events->loop, "sync events", sync_task, events, NULL) != NULL;
}

// ---- one event

static bool take(struct events *events, const Holdfast__Event *event)
{
	struct error err = ERROR_INIT;

	int result = event_store_add(events->store, event, &err);
	if (result < 0)
		log_warning("event %s: %s", event->id, err.message);
	if (result <= 0)
		return false;
	sync_soon(events);
	int64_t time_us = event_time_us(event->time);
	bool fresh = realtime_us() - time_us < FRESH_US;
	for (guint i = 0; i < events->listeners->len; i++) {
		struct listener *listener = &g_array_index(events->listeners, struct listener, i);
		listener->cb(event, fresh, listener->data);
	}
	notice_raise(&events->notice);
	return true;
}

static void multicast(struct events *events, const Holdfast__ClusterMessage *message)
{
	size_t bytes = holdfast__cluster_message__get_packed_size(message);
	cleanup_free uint8_t *packed = g_malloc(bytes ? bytes : 1);

	if (!events->cpg || bytes > MESSAGE_LIMIT)
		return;
	holdfast__cluster_message__pack(message, packed);
	cpg_link_send(events->cpg, packed, bytes);
}

static void multicast_event(struct events *events, const Holdfast__Event *event)
{
	Holdfast__ClusterMessage message = HOLDFAST__CLUSTER_MESSAGE__INIT;

	message.body_case = HOLDFAST__CLUSTER_MESSAGE__BODY_EVENT;
	message.event = (Holdfast__Event *)event;
	multicast(events, &message);
}

void events_emit(struct events *events, const Holdfast__Event *event)
{
	Holdfast__Event full = *event;
	cleanup_free char *id = NULL, *time = NULL;

	log_info("event %s%s%s%s%s: %s", full.kind, full.group[0] ? " group=" : "", full.group,
		full.vm[0] ? " vm=" : "", full.vm, full.text);
	if (!events->node)
		return;
	id = g_strdup_printf("%s-%" PRIu64, events->node, event_store_next(events->store, events->node));
	full.id = id;
	if (event_time_us(full.time) < 0)
		full.time = time = event_time_text(realtime_us());
	if (!full.node[0])
		full.node = events->node;
	if (take(events, &full))
		multicast_event(events, &full);
}

void events_emit_text(
	struct events *events, const char *kind, const char *node, const char *group, const char *format, ...)
{
	Holdfast__Event event = HOLDFAST__EVENT__INIT;
	va_list args;

	va_start(args, format);
	cleanup_free char *text = g_strdup_vprintf(format, args);
	va_end(args);
	event.kind = (char *)kind;
	event.text = text;
	if (node)
		event.node = (char *)node;
	if (group)
		event.group = (char *)group;
	events_emit(events, &event);
}

// ---- who missed what

static const Holdfast__EventMark *mark_in(const Holdfast__EventMarks *marks, const char *node)
{
	for (size_t i = 0; i < marks->n_marks; i++)
		if (!strcmp(marks->marks[i]->node, node))
			return marks->marks[i];
	return NULL;
}

static void send_missing(struct events *events, const char *node, uint64_t after, uint64_t last)
{
	uint64_t floor, known;

	event_store_mark(events->store, node, &floor, &known);
	if (last - floor > SYNC_LIMIT && after < last - SYNC_LIMIT)
		floor = last - SYNC_LIMIT;
	if (after < floor) {
		Holdfast__ClusterMessage message = HOLDFAST__CLUSTER_MESSAGE__INIT;
		Holdfast__EventMark mark = HOLDFAST__EVENT_MARK__INIT;

		mark.node = (char *)node;
		mark.floor = floor;
		message.body_case = HOLDFAST__CLUSTER_MESSAGE__BODY_FORGOTTEN;
		message.forgotten = &mark;
		multicast(events, &message);
		after = floor;
	}
	for (uint64_t number = after + 1; number <= last; number++) {
		const Holdfast__Event *event = event_store_get(events->store, node, number);
		if (event)
			multicast_event(events, event);
	}
}

static void sync_node(struct events *events, const char *node)
{
	uint64_t most = 0, least = UINT64_MAX;
	uint32_t holder = 0;

	for (size_t i = 0; i < events->member_count; i++) {
		const Holdfast__EventMarks *marks =
			g_hash_table_lookup(events->marks, GUINT_TO_POINTER(events->members[i]));
		const Holdfast__EventMark *mark = mark_in(marks, node);
		uint64_t known = mark ? mark->known : 0;

		if (known > most || (known == most && events->members[i] < holder)) {
			most = known;
			holder = events->members[i];
		}
		if (known < least)
			least = known;
	}
	if (least < most && holder == cpg_link_nodeid(events->cpg))
		send_missing(events, node, least, most);
}

static void sync_all(struct events *events)
{
	g_autoptr(GHashTable) nodes = g_hash_table_new(g_str_hash, g_str_equal);
	GHashTableIter iter;
	gpointer value, node;

	g_hash_table_iter_init(&iter, events->marks);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const Holdfast__EventMarks *marks = value;
		for (size_t i = 0; i < marks->n_marks; i++)
			g_hash_table_add(nodes, marks->marks[i]->node);
	}
	g_hash_table_iter_init(&iter, nodes);
	while (g_hash_table_iter_next(&iter, &node, NULL))
		sync_node(events, node);
}

static void take_marks(struct events *events, uint32_t nodeid, const Holdfast__EventMarks *marks)
{
	const Holdfast__EventMark *own = events->node ? mark_in(marks, events->node) : NULL;

	if (own)
		event_store_reserve(events->store, events->node, own->known);
	g_hash_table_replace(events->marks, GUINT_TO_POINTER(nodeid), proto_copy(&marks->base));
	for (size_t i = 0; i < events->member_count; i++)
		if (!g_hash_table_contains(events->marks, GUINT_TO_POINTER(events->members[i])))
			return;
	sync_all(events);
}

static void on_deliver(uint32_t nodeid, const void *bytes, size_t count, void *data)
{
	struct events *events = data;

	Holdfast__ClusterMessage *message = holdfast__cluster_message__unpack(NULL, count, bytes);
	if (!message) {
		log_warning("node id %u sent %zu bytes that are no message of ours", nodeid, count);
		return;
	}
	switch (message->body_case) {
	case HOLDFAST__CLUSTER_MESSAGE__BODY_EVENT:
		take(events, message->event);
		break;
	case HOLDFAST__CLUSTER_MESSAGE__BODY_MARKS:
		take_marks(events, nodeid, message->marks);
		break;
	case HOLDFAST__CLUSTER_MESSAGE__BODY_FORGOTTEN:
		event_store_raise_floor(events->store, message->forgotten->node, message->forgotten->floor);
		break;
	default: // of a newer version
		break;
	}
	holdfast__cluster_message__free_unpacked(message, NULL);
}

static void on_members(const uint32_t *nodeids, size_t count, void *data)
{
	struct events *events = data;
	Holdfast__ClusterMessage message = HOLDFAST__CLUSTER_MESSAGE__INIT;

	g_free(events->members);
	events->members = g_memdup2(nodeids, count * sizeof(*nodeids));
	events->member_count = count;
	g_hash_table_remove_all(events->marks);
	if (count == 0)
		return;
	message.body_case = HOLDFAST__CLUSTER_MESSAGE__BODY_MARKS;
	message.marks = event_store_marks(events->store);
	multicast(events, &message);
	holdfast__event_marks__free_unpacked(message.marks, NULL);
}

// ---- life

static void marks_free(gpointer marks)
{
	holdfast__event_marks__free_unpacked(marks, NULL);
}

struct events *events_new(struct loop *loop, const char *path, struct error *err)
{
	struct event_store *store = event_store_open(path, EVENT_STORE_LIMIT_BYTES, err);

	if (!store)
		return NULL;
	struct events *events = g_new0(struct events, 1);
	events->loop = loop;
	events->store = store;
	events->listeners = g_array_new(FALSE, FALSE, sizeof(struct listener));
	events->marks = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, marks_free);
	return events;
}

void events_free(struct events *events)
{
	if (!events)
		return;
	cpg_link_free(events->cpg);
	event_store_close(events->store);
	g_array_unref(events->listeners);
	g_hash_table_destroy(events->marks);
	g_free(events->members);
	g_free(events->node);
	g_free(events);
}

void events_set_node(struct events *events, const char *node)
{
	g_free(events->node);
	events->node = g_strdup(node);
}

void events_connect(struct events *events)
{
	static const struct cpg_callbacks callbacks = { .deliver = on_deliver, .members = on_members };

	if (events->cpg)
		cpg_link_reconnect(events->cpg);
	else
		events->cpg = cpg_link_new(events->loop, &callbacks, events);
}

void events_listen(struct events *events, events_cb *cb, void *data)
{
	struct listener listener = { .cb = cb, .data = data };

	g_array_append_val(events->listeners, listener);
}

struct event_store *events_store(struct events *events)
{
	return events->store;
}

struct notice *events_notice(struct events *events)
{
	return &events->notice;
}
