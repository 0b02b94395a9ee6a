// SPDX-License-Identifier: GPL-3.0-or-later
// The event store: see the header. The file's first line after a rotation is {"floor":{NODE:NUMBER,...}}; every other
// line is one event. A line that cannot be read is skipped, a torn last one cut off.
#include "clusterd/event-store.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "proto/json.h"

#define FLOOR_PREFIX "{\"floor\":"

struct mark {
	uint64_t floor, known, highest;
};

struct event_store {
	char *path;
	int fd;
	size_t bytes, limit;
	GPtrArray *events; // Holdfast__Event, by time
	GHashTable *by_id; // borrows the events
	GHashTable *marks; // node name -> struct mark
};

bool event_id_parse(const char *id, char node[64], uint64_t *number)
{
	const char *dash = strrchr(id, '-');
	char *end;

	if (!dash || dash == id || dash - id > 63 || dash[1] < '0' || dash[1] > '9')
		return false;
	*number = strtoull(dash + 1, &end, 10);
	if (*end || *number == 0 || *number == UINT64_MAX)
		return false;
	memcpy(node, id, (size_t)(dash - id));
	node[dash - id] = '\0';
	return true;
}

char *event_time_text(int64_t realtime_us)
{
	time_t seconds = realtime_us / 1000000;
	struct tm tm;
	char text[32];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	return g_strdup_printf("%s.%03dZ", text, (int)(realtime_us % 1000000 / 1000));
}

int64_t event_time_us(const char *text)
{
	g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
	cleanup_free char *whole =
		strlen(text) == 10 ? g_strconcat(text, "T00:00:00Z", NULL) : g_strdup(text);
	g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(whole, utc);

	if (!time)
		return -1;
	return g_date_time_to_unix(time) * 1000000 + g_date_time_get_microsecond(time);
}

// ---- marks

static struct mark *mark_of(const struct event_store *store, const char *node)
{
	struct mark *mark = g_hash_table_lookup(store->marks, node);

	if (!mark) {
		mark = g_new0(struct mark, 1);
		g_hash_table_insert(store->marks, g_strdup(node), mark);
	}
	return mark;
}

const Holdfast__Event *event_store_get(const struct event_store *store, const char *node, uint64_t number)
{
	char id[96];

	snprintf(id, sizeof(id), "%s-%" PRIu64, node, number);
	return g_hash_table_lookup(store->by_id, id);
}

static void advance(const struct event_store *store, const char *node, struct mark *mark)
{
	while (event_store_get(store, node, mark->known + 1))
		mark->known++;
	if (mark->highest < mark->known)
		mark->highest = mark->known;
}

static void raise_mark(const struct event_store *store, const char *node, uint64_t floor)
{
	struct mark *mark = mark_of(store, node);

	if (floor <= mark->floor)
		return;
	mark->floor = floor;
	if (mark->known < floor)
		mark->known = floor;
	if (mark->highest < floor)
		mark->highest = floor;
	advance(store, node, mark);
}

void event_store_mark(const struct event_store *store, const char *node, uint64_t *floor, uint64_t *known)
{
	const struct mark *mark = g_hash_table_lookup(store->marks, node);

	*floor = mark ? mark->floor : 0;
	*known = mark ? mark->known : 0;
}

void event_store_reserve(struct event_store *store, const char *node, uint64_t highest)
{
	struct mark *mark = mark_of(store, node);

	if (highest > mark->highest)
		mark->highest = highest;
}

uint64_t event_store_next(const struct event_store *store, const char *node)
{
	const struct mark *mark = g_hash_table_lookup(store->marks, node);

	return mark ? mark->highest + 1 : 1;
}

Holdfast__EventMarks *event_store_marks(const struct event_store *store)
{
	Holdfast__EventMarks *marks = g_new0(Holdfast__EventMarks, 1);
	GHashTableIter iter;
	gpointer node, value;

	holdfast__event_marks__init(marks);
	marks->marks = g_new0(Holdfast__EventMark *, g_hash_table_size(store->marks) + 1);
	g_hash_table_iter_init(&iter, store->marks);
	while (g_hash_table_iter_next(&iter, &node, &value)) {
		const struct mark *mark = value;
		Holdfast__EventMark *out = g_new0(Holdfast__EventMark, 1);

		holdfast__event_mark__init(out);
		out->node = g_strdup(node);
		out->floor = mark->floor;
		out->known = mark->known;
		marks->marks[marks->n_marks++] = out;
	}
	return marks;
}

// ---- memory

static int by_time(const Holdfast__Event *a, const Holdfast__Event *b)
{
	int order = strcmp(a->time, b->time);
	char node_a[64], node_b[64];
	uint64_t number_a = 0, number_b = 0;

	if (order)
		return order;
	if (!event_id_parse(a->id, node_a, &number_a) || !event_id_parse(b->id, node_b, &number_b))
		return strcmp(a->id, b->id);
	order = strcmp(node_a, node_b);
	return order ? order : (number_a > number_b) - (number_a < number_b);
}

static void insert(struct event_store *store, Holdfast__Event *event, const char *node, uint64_t number)
{
	guint at = store->events->len;
	struct mark *mark = mark_of(store, node);

	while (at > 0 && by_time(g_ptr_array_index(store->events, at - 1), event) > 0)
		at--;
	g_ptr_array_insert(store->events, (gint)at, event);
	g_hash_table_insert(store->by_id, event->id, event);
	if (number > mark->highest)
		mark->highest = number;
	advance(store, node, mark);
}

size_t event_store_count(const struct event_store *store)
{
	return store->events->len;
}

const Holdfast__Event *event_store_at(const struct event_store *store, size_t i)
{
	return g_ptr_array_index(store->events, i);
}

int event_store_since(const struct event_store *store, const char *since, size_t *first, struct error *err)
{
	size_t i = 0;

	*first = 0;
	if (!since || !*since)
		return 0;
	const Holdfast__Event *event = g_hash_table_lookup(store->by_id, since);
	if (event) {
		while (event_store_at(store, i) != event)
			i++;
		*first = i + 1;
		return 0;
	}
	int64_t us = event_time_us(since);
	if (us < 0)
		return error_set(err, ERROR_NOT_FOUND,
			"'%s' is no event that is kept here and no time: give an event's id, or a time like "
			"2026-01-31T08:00:00Z",
			since);
	cleanup_free char *text = event_time_text(us);
	while (i < store->events->len && strcmp(event_store_at(store, i)->time, text) <= 0)
		i++;
	*first = i;
	return 0;
}

// ---- the file

static void load_floor(struct event_store *store, const char *line)
{
	json_t *json = json_loads(line, 0, NULL);
	const char *node;
	json_t *value;

	json_object_foreach (json_object_get(json, "floor"), node, value)
		if (json_is_integer(value) && json_integer_value(value) > 0)
			raise_mark(store, node, (uint64_t)json_integer_value(value));
	json_decref(json);
}

static bool load_event(struct event_store *store, const char *line)
{
	struct error err = ERROR_INIT;
	char node[64];
	uint64_t number;

	Holdfast__Event *event =
		(Holdfast__Event *)proto_from_json_text(&holdfast__event__descriptor, line, &err);
	if (!event)
		return false;
	if (!event_id_parse(event->id, node, &number) || g_hash_table_contains(store->by_id, event->id)) {
		holdfast__event__free_unpacked(event, NULL);
		return false;
	}
	insert(store, event, node, number);
	return true;
}

static void load(struct event_store *store, char *text, size_t *whole)
{
	size_t skipped = 0;

	*whole = 0;
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (!strncmp(line, FLOOR_PREFIX, strlen(FLOOR_PREFIX)))
			load_floor(store, line);
		else if (!load_event(store, line))
			skipped++;
		*whole = (size_t)(end + 1 - text);
	}
	if (skipped)
		log_warning("%s: %zu lines were no events and were skipped", store->path, skipped);
}

static int open_file(struct event_store *store, struct error *err)
{
	store->fd = open(store->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (store->fd < 0)
		return error_set_errno(err, errno, "opening %s", store->path);
	return 0;
}

static int write_line(struct event_store *store, const char *line, struct error *err)
{
	size_t length = strlen(line);

	ssize_t written = write(store->fd, line, length);
	if (written == (ssize_t)length) {
		store->bytes += length;
		return 0;
	}
	int saved = written < 0 ? errno : ENOSPC;
	// Half a line would swallow the next one.
	if (written > 0 && ftruncate(store->fd, (off_t)store->bytes) < 0)
		log_warning("%s: cutting off half a line failed: %s", store->path, strerror(errno));
	return error_set_errno(err, saved, "writing %s", store->path);
}

static char *floor_line(const struct event_store *store)
{
	json_t *floors = json_object(), *line = json_object();
	GHashTableIter iter;
	gpointer node, value;

	g_hash_table_iter_init(&iter, store->marks);
	while (g_hash_table_iter_next(&iter, &node, &value))
		json_object_set_new(floors, node, json_integer((json_int_t)((struct mark *)value)->floor));
	json_object_set_new(line, "floor", floors);
	char *text = json_dumps(line, JSON_COMPACT);
	json_decref(line);
	return text;
}

static int rewrite(struct event_store *store, struct error *err)
{
	cleanup_free char *floors = floor_line(store);
	g_autoptr(GString) text = g_string_new(floors);

	g_string_append_c(text, '\n');
	for (guint i = 0; i < store->events->len; i++) {
		cleanup_free char *line = proto_to_json_text(g_ptr_array_index(store->events, i));
		g_string_append(text, line);
		g_string_append_c(text, '\n');
	}
	if (file_write_atomic(store->path, text->str, text->len, 0640, err) < 0)
		return -1;
	close(store->fd);
	store->bytes = text->len;
	return open_file(store, err);
}

static int rotate(struct event_store *store, struct error *err)
{
	guint drop = store->events->len / 2;

	for (guint i = 0; i < drop; i++) {
		const Holdfast__Event *event = g_ptr_array_index(store->events, i);
		char node[64];
		uint64_t number;

		if (event_id_parse(event->id, node, &number))
			raise_mark(store, node, number);
		g_hash_table_remove(store->by_id, event->id);
	}
	if (drop)
		g_ptr_array_remove_range(store->events, 0, drop);
	return rewrite(store, err);
}

static void event_free(gpointer event)
{
	holdfast__event__free_unpacked(event, NULL);
}

struct event_store *event_store_open(const char *path, size_t limit_bytes, struct error *err)
{
	struct event_store *store = g_new0(struct event_store, 1);
	cleanup_free char *text = NULL;
	struct error local = ERROR_INIT;
	size_t bytes = 0, whole = 0;

	store->path = g_strdup(path);
	store->limit = limit_bytes;
	store->fd = -1;
	store->events = g_ptr_array_new_with_free_func(event_free);
	store->by_id = g_hash_table_new(g_str_hash, g_str_equal);
	store->marks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	if (file_read(path, limit_bytes * 2 + (1 << 20), &text, &bytes, &local) < 0) {
		if (local.code != ERROR_NOT_FOUND) {
			error_copy(err, &local);
			goto fail;
		}
	} else {
		load(store, text, &whole);
	}
	if (open_file(store, err) < 0)
		goto fail;
	store->bytes = whole;
	if (whole < bytes && ftruncate(store->fd, (off_t)whole) < 0) {
		error_set_errno(err, errno, "cutting the torn last line off %s", path);
		goto fail;
	}
	return store;
fail:
	event_store_close(store);
	return NULL;
}

void event_store_close(struct event_store *store)
{
	if (!store)
		return;
	if (store->fd >= 0)
		close(store->fd);
	g_hash_table_destroy(store->by_id);
	g_ptr_array_unref(store->events);
	g_hash_table_destroy(store->marks);
	g_free(store->path);
	g_free(store);
}

int event_store_add(struct event_store *store, const Holdfast__Event *event, struct error *err)
{
	char node[64];
	uint64_t number;

	if (!event_id_parse(event->id, node, &number))
		return error_set(err, ERROR_PROTOCOL, "'%.80s' is no event id", event->id);
	const struct mark *mark = mark_of(store, node);
	if (number <= mark->floor || g_hash_table_contains(store->by_id, event->id))
		return 0;
	g_autofree char *text = proto_to_json_text(&event->base);
	g_autofree char *line = g_strconcat(text, "\n", NULL);
	if (write_line(store, line, err) < 0)
		return -1;
	insert(store, (Holdfast__Event *)proto_copy(&event->base), node, number);
	if (store->bytes > store->limit && rotate(store, err) < 0)
		return -1;
	return 1;
}

void event_store_raise_floor(struct event_store *store, const char *node, uint64_t floor)
{
	struct error err = ERROR_INIT;
	uint64_t before = mark_of(store, node)->floor;

	raise_mark(store, node, floor);
	if (floor > before && rewrite(store, &err) < 0)
		log_warning("%s", err.message);
}

int event_store_dup_fd(const struct event_store *store)
{
	return fcntl(store->fd, F_DUPFD_CLOEXEC, 0);
}
