// SPDX-License-Identifier: GPL-3.0-or-later
// Keeps this node's events: a list in memory, a line of JSON each in STATE/host-events.jsonl. Ids are made of the time in microseconds, so that they
// go up across restarts. An event that cannot be written down is still logged and sent.
#include "hypervisor/host-events.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "hypervisor/clock.h"
#include "proto/json.h"

#define EVENTS_MAX 2000
#define FILE_LIMIT (16u << 20)

struct follower { // on the stack of the task that sends
	struct follower *next;
	struct task_wait wait;
};

struct host_events {
	struct hypervisor *hv;
	char path[512];
	Holdfast__Event *list[EVENTS_MAX];
	size_t count;
	uint64_t first; // the number of list[0], counted since this start
	uint64_t last_us; // of the last id
	struct follower *followers;
};

static void drop_oldest(struct host_events *events, size_t count)
{
	for (size_t i = 0; i < count; i++)
		holdfast__event__free_unpacked(events->list[i], NULL);
	memmove(events->list, events->list + count, (events->count - count) * sizeof(events->list[0]));
	events->count -= count;
	events->first += count;
}

static void append(struct host_events *events, Holdfast__Event *event)
{
	if (events->count == EVENTS_MAX)
		drop_oldest(events, EVENTS_MAX / 10);
	events->list[events->count++] = event;
	for (struct follower *follower = events->followers; follower; follower = follower->next)
		task_wake(&follower->wait);
}

static void write_line(struct host_events *events, const Holdfast__Event *event)
{
	cleanup_free char *text = proto_to_json_text(&event->base);
	cleanup_free char *line = NULL;
	if (!text || asprintf(&line, "%s\n", text) < 0)
		return;
	cleanup_fd int fd = open(events->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, line, strlen(line)) != (ssize_t)strlen(line))
		log_warning("cannot write %s: %s", events->path, strerror(errno));
}

static void rewrite(struct host_events *events)
{
	struct error err = ERROR_INIT;
	if (file_write_atomic(events->path, "", 0, 0600, &err))
		log_warning("%s", err.message);
	for (size_t i = 0; i < events->count; i++)
		write_line(events, events->list[i]);
}

static void load(struct host_events *events)
{
	cleanup_free char *text = NULL;
	struct error err = ERROR_INIT;
	char *rest = NULL;
	if (file_read(events->path, FILE_LIMIT, &text, NULL, &err)) {
		if (err.code != ERROR_NOT_FOUND)
			log_warning("%s: older events are lost: %s", events->path, err.message);
		return;
	}
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		ProtobufCMessage *event = proto_from_json_text(&holdfast__event__descriptor, line, NULL);
		if (event)
			append(events, (Holdfast__Event *)event);
	}
	rewrite(events);
}

struct host_events *host_events_open(struct hypervisor *hv, struct error *err)
{
	struct host_events *events = calloc(1, sizeof(*events));
	if (!events) {
		error_set(err, ERROR_FAILED, "no memory for events");
		return NULL;
	}
	events->hv = hv;
	snprintf(events->path, sizeof(events->path), "%s/host-events.jsonl", hv->state_directory);
	load(events);
	return events;
}

void host_events_close(struct host_events *events)
{
	if (events)
		drop_oldest(events, events->count);
	free(events);
}

static Holdfast__Event *make(
	struct host_events *events, const char *kind, const char *group, const char *vm, const char *text)
{
	Holdfast__Event event = HOLDFAST__EVENT__INIT;
	char id[128], time_text[32];
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	events->last_us = us > events->last_us ? us : events->last_us + 1;
	snprintf(id, sizeof(id), "%s-%" PRIu64, events->hv->config.node, events->last_us);
	clock_rfc3339(time_text);
	event.id = id;
	event.time = time_text;
	event.kind = (char *)kind;
	event.node = events->hv->config.node;
	event.group = (char *)(group ? group : "");
	event.vm = (char *)(vm ? vm : "");
	event.text = (char *)text;
	return (Holdfast__Event *)proto_copy(&event.base);
}

static void add_steps(Holdfast__Event *event, const Holdfast__Step *const *steps, size_t count)
{
	event->steps = calloc(count + 1, sizeof(*event->steps));
	for (size_t i = 0; event->steps && i < count; i++) {
		Holdfast__Step *step = (Holdfast__Step *)proto_copy(&steps[i]->base);
		if (step)
			event->steps[event->n_steps++] = step;
	}
}

void host_event(struct hypervisor *hv, const char *kind, const char *group, const char *vm,
	double duration_ms, double pause_ms, const Holdfast__Step *const *steps, size_t step_count,
	const char *format, ...)
{
	va_list list;
	char text[700];
	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	log_info("event=%s group=%s vm=%s duration_ms=%.0f pause_ms=%.0f %s", kind, group ? group : "", vm ? vm : "", duration_ms,
		 pause_ms, text);
	Holdfast__Event *event = hv->events ? make(hv->events, kind, group, vm, text) : NULL;
	if (!event)
		return;
	event->duration_ms = duration_ms;
	event->pause_ms = pause_ms;
	if (step_count)
		add_steps(event, steps, step_count);
	write_line(hv->events, event);
	append(hv->events, event);
}

void host_event_evidence(struct hypervisor *hv, const char *kind, const char *group, const char *vm,
	const char *evidence, const char *format, ...)
{
	va_list list;
	char text[700];
	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	log_info("event=%s group=%s vm=%s %s", kind, group, vm, text);
	Holdfast__Event *event = hv->events ? make(hv->events, kind, group, vm, text) : NULL;
	if (!event)
		return;
	event->evidence = strdup(evidence);
	write_line(hv->events, event);
	append(hv->events, event);
}

// ---- to those who listen

static void wake_follower(void *data)
{
	task_wake(data);
}

// Waits until there is an event with a number from *next on, or the client has hung up.
static int wait_more(struct host_events *events, struct rpc_call *call, uint64_t next, struct error *err)
{
	struct follower follower = { .next = events->followers };
	int result = 0;
	events->followers = &follower;
	rpc_call_on_gone(call, wake_follower, &follower.wait);
	while (!result && !rpc_call_gone(call) && events->first + events->count <= next)
		result = task_wait(&follower.wait, TASK_FOREVER, "the next event", err);
	rpc_call_on_gone(call, NULL, NULL);
	struct follower **link = &events->followers;
	while (*link != &follower)
		link = &(*link)->next;
	*link = follower.next;
	return result;
}

static int follow(
	struct host_events *events, struct rpc_call *call, uint64_t next, bool forget, struct error *err)
{
	while (!rpc_call_gone(call)) {
		if (next < events->first)
			next = events->first;
		while (next < events->first + events->count) {
			if (rpc_call_event(call, events->list[next - events->first]))
				return 0; // gone: the next one gets it
			next++;
		}
		if (forget && events->count && next == events->first + events->count) {
			drop_oldest(events, events->count);
			rewrite(events);
		}
		if (wait_more(events, call, next, err))
			return -1;
	}
	return 0;
}

int host_events_serve(struct host_events *events, struct rpc_call *call, struct error *err)
{
	return follow(events, call, events->first, true, err);
}

static size_t first_wanted(const struct host_events *events, const Holdfast__EventQuery *query)
{
	size_t i = 0;
	while (i < events->count && strcmp(events->list[i]->time, query->since) < 0)
		i++;
	if (query->limit && events->count - i > query->limit)
		i = events->count - query->limit;
	return i;
}

int host_events_query(struct host_events *events, struct rpc_call *call, const Holdfast__EventQuery *query,
	Holdfast__EventList *list, struct error *err)
{
	size_t from = first_wanted(events, query);
	if (query->follow)
		return follow(events, call, events->first + from, false, err);
	list->events = calloc(events->count - from + 1, sizeof(*list->events));
	for (size_t i = from; list->events && i < events->count; i++) {
		Holdfast__Event *event = (Holdfast__Event *)proto_copy(&events->list[i]->base);
		if (event)
			list->events[list->n_events++] = event;
	}
	return 0;
}
