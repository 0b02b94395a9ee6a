// SPDX-License-Identifier: GPL-3.0-or-later
// Turns verbs into steps and walks them. A step begins when its unit is not stopping, and is done when the unit is where the step wants it,
// or when it cannot get there. Never blocks.
#include "deploy/lab/node/requests.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "common/cleanup.h"

#define INIT_SOCKET "/run/lab/init"
#define PACKET_MAX 4096
#define WORDS_MAX 32
#define STEPS_MAX (4 * UNITS_MAX)

enum step_want { STEP_START, STEP_STOP };

struct request {
	TAILQ_ENTRY(request) link;
	int fd; // the client, or -1
	struct {
		enum step_want want;
		unsigned unit;
		bool begun;
	} steps[STEPS_MAX];
	unsigned count, current;
	bool shuts_down;
	enum shutdown_kind shutdown;
	int status;
	char text[1024];
};

struct requests {
	struct loop *loop;
	struct units *units;
	requests_shutdown_cb *shut_down;
	void *data;
	int listen_fd;
	struct loop_source *again;
	TAILQ_HEAD(, request) list;
};

static __attribute__((format(printf, 3, 4))) void say(
	struct request *request, int status, const char *format, ...)
{
	size_t used = strlen(request->text);
	va_list args;

	if (status)
		request->status = status;
	va_start(args, format);
	vsnprintf(request->text + used, sizeof(request->text) - used, format, args);
	va_end(args);
}

static void add_step(struct request *request, enum step_want want, unsigned unit)
{
	if (request->count == STEPS_MAX)
		return;
	request->steps[request->count].want = want;
	request->steps[request->count++].unit = unit;
}

static void add_start(struct request *request, unsigned unit)
{
	if (units_required(unit) >= 0)
		add_step(request, STEP_START, (unsigned)units_required(unit));
	add_step(request, STEP_START, unit);
}

static void add_stop(struct request *request, unsigned unit)
{
	for (unsigned other = units_count(); other-- > 0;) {
		if (units_required(other) == (int)unit)
			add_step(request, STEP_STOP, other);
	}
	add_step(request, STEP_STOP, unit);
}

static void finish(struct requests *requests, struct request *request)
{
	char packet[sizeof(request->text) + 1];
	int bytes = snprintf(packet, sizeof(packet), "%c%s", '0' + request->status, request->text);

	TAILQ_REMOVE(&requests->list, request, link);
	if (request->fd >= 0) {
		// A client that has gone needs no answer.
		if (send(request->fd, packet, (size_t)bytes, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			fprintf(stderr, "nodeinit: a systemctl did not wait for its answer\n");
		close(request->fd);
	}
	if (request->shuts_down)
		requests->shut_down(request->shutdown, requests->data);
	free(request);
}

// Returns whether the current step is done.
static bool step_done(struct requests *requests, struct request *request)
{
	unsigned unit = request->steps[request->current].unit;
	enum unit_state state = units_state(requests->units, unit);

	if (request->steps[request->current].want == STEP_STOP) {
		if (state != UNIT_STOPPED && state != UNIT_STOPPING)
			units_stop(requests->units, unit);
		return units_state(requests->units, unit) == UNIT_STOPPED;
	}
	if (state == UNIT_STOPPING)
		return false;
	if (!request->steps[request->current].begun) {
		request->steps[request->current].begun = true;
		units_start(requests->units, unit);
		state = units_state(requests->units, unit);
	}
	if (state == UNIT_STARTING)
		return false;
	if (state != UNIT_RUNNING || units_last_start_failed(requests->units, unit))
		say(request, 1, "Job for %s.service failed: see /var/log/lab/%s.log\n", units_name(unit),
			units_name(unit));
	return true;
}

static enum loop_verdict walk(void *data)
{
	struct requests *requests = data;
	struct request *request, *next;

	requests->again = NULL;
	for (request = TAILQ_FIRST(&requests->list); request; request = next) {
		next = TAILQ_NEXT(request, link);
		while (request->current < request->count && step_done(requests, request))
			request->current++;
		if (request->current == request->count)
			finish(requests, request);
	}
	return LOOP_STOP;
}

// On the next turn of the loop, so that a unit's own change of state is over.
void requests_units_changed(struct requests *requests)
{
	if (requests && !requests->again)
		requests->again = loop_add_idle(requests->loop, walk, requests);
}

static void shutdown_requested(struct request *request, enum shutdown_kind kind)
{
	for (unsigned unit = units_count(); unit-- > 0;)
		add_step(request, STEP_STOP, unit);
	request->shuts_down = true;
	request->shutdown = kind;
}

// The verbs that take units; false: there is no such verb.
static bool unit_verb(
	struct requests *requests, struct request *request, const char *verb, unsigned unit, bool now)
{
	struct error err = ERROR_INIT;
	int result = 0;

	if (strcmp(verb, "start") == 0) {
		add_start(request, unit);
	} else if (strcmp(verb, "stop") == 0) {
		add_stop(request, unit);
	} else if (strcmp(verb, "restart") == 0) {
		add_stop(request, unit);
		add_start(request, unit);
	} else if (strcmp(verb, "reload") == 0) {
		result = units_reload(requests->units, unit, &err);
	} else if (strcmp(verb, "enable") == 0) {
		result = units_enable(unit, &err);
		if (now)
			add_start(request, unit);
	} else if (strcmp(verb, "disable") == 0) {
		result = units_disable(unit, &err);
		if (now)
			add_stop(request, unit);
	} else if (strcmp(verb, "is-active") == 0 || strcmp(verb, "status") == 0) {
		enum unit_state state = units_state(requests->units, unit);

		say(request, state == UNIT_RUNNING ? 0 : 3, "%s\n", unit_state_name(state));
	} else if (strcmp(verb, "is-enabled") == 0) {
		say(request, units_enabled(unit) ? 0 : 1, units_enabled(unit) ? "enabled\n" : "disabled\n");
	} else {
		return false;
	}
	if (result < 0)
		say(request, 1, "%s\n", err.message);
	return true;
}

static void parse(struct requests *requests, struct request *request, char **words, unsigned count)
{
	const char *verb = NULL;
	bool now = false;

	for (unsigned i = 0; i < count; i++) {
		if (words[i][0] == '-')
			now |= strcmp(words[i], "--now") == 0;
		else if (!verb)
			verb = words[i];
	}
	if (!verb)
		say(request, 1, "systemctl of the lab: a verb is missing\n");
	else if (strcmp(verb, "daemon-reload") == 0)
		return;
	else if (strcmp(verb, "reboot") == 0)
		shutdown_requested(request, SHUTDOWN_REBOOT);
	else if (strcmp(verb, "poweroff") == 0 || strcmp(verb, "halt") == 0)
		shutdown_requested(request, SHUTDOWN_POWEROFF);
	for (unsigned i = 0; i < count && verb && !request->shuts_down; i++) {
		int unit;

		if (words[i][0] == '-' || words[i] == verb)
			continue;
		unit = units_find(words[i]);
		if (unit < 0)
			say(request, strcmp(verb, "is-active") == 0 ? 3 : 5, "Unit %s not found.\n",
				words[i]);
		else if (!unit_verb(requests, request, verb, (unsigned)unit, now))
			say(request, 1, "systemctl of the lab does not know the verb '%s'\n", verb);
	}
}

static enum loop_verdict client_readable(int fd, short events, void *data)
{
	struct requests *requests = data;
	struct request *request = calloc(1, sizeof(*request));
	char packet[PACKET_MAX], *words[WORDS_MAX];
	ssize_t bytes = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
	unsigned count = 0;

	(void)events;
	if (bytes <= 0 || packet[bytes - 1] != '\0' || !request) {
		close(fd);
		free(request);
		return LOOP_STOP;
	}
	for (ssize_t i = 0; i < bytes && count < WORDS_MAX; i += (ssize_t)strlen(packet + i) + 1)
		words[count++] = packet + i;
	request->fd = fd;
	TAILQ_INSERT_TAIL(&requests->list, request, link);
	parse(requests, request, words, count);
	requests_units_changed(requests);
	return LOOP_STOP;
}

static enum loop_verdict client_connected(int listen_fd, short events, void *data)
{
	struct requests *requests = data;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0)
		loop_add_fd(requests->loop, fd, POLLIN, client_readable, requests);
	return LOOP_CONTINUE;
}

struct requests *requests_new(struct loop *loop, struct units *units, requests_shutdown_cb *shut_down,
	void *data, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = INIT_SOCKET };
	struct requests *requests = calloc(1, sizeof(*requests));

	if (!requests) {
		error_set(err, ERROR_FAILED, "out of memory");
		return NULL;
	}
	requests->loop = loop;
	requests->units = units;
	requests->shut_down = shut_down;
	requests->data = data;
	TAILQ_INIT(&requests->list);
	requests->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (requests->listen_fd < 0 ||
		bind(requests->listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(requests->listen_fd, 16) < 0) {
		error_set_errno(err, errno, "cannot listen on " INIT_SOCKET);
		free(requests);
		return NULL;
	}
	loop_add_fd(loop, requests->listen_fd, POLLIN, client_connected, requests);
	return requests;
}

void requests_start_enabled(struct requests *requests)
{
	struct request *request = calloc(1, sizeof(*request));

	if (!request)
		return;
	request->fd = -1;
	for (unsigned unit = 0; unit < units_count(); unit++) {
		if (units_enabled(unit))
			add_start(request, unit);
	}
	TAILQ_INSERT_TAIL(&requests->list, request, link);
	requests_units_changed(requests);
}
