// SPDX-License-Identifier: GPL-3.0-or-later
// A QMP client for one command, blocking and with a deadline: hypervisord's needs a loop. QEMU gives its second monitor socket to the agent alone.
#include "clusterd/agent/agent.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "common/cleanup.h"

#define LINE_BYTES 65536

struct qmp_line {
	int fd;
	int64_t deadline_ms;
	size_t used;
	char text[LINE_BYTES];
};

static int connect_to(const char *path, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, ERROR_USAGE, "%s is too long for a socket", path);
	memcpy(address.sun_path, path, strlen(path));
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set_errno(err, errno, "cannot reach QEMU at %s", path);
	return steal_fd(&fd);
}

static int wait_for(const struct qmp_line *line, short events, struct error *err)
{
	struct pollfd pollfd = { .fd = line->fd, .events = events };
	int64_t left = line->deadline_ms - agent_now_ms();

	if (left <= 0 || poll(&pollfd, 1, (int)left) == 0)
		return error_set(err, ERROR_TIMEOUT, "QEMU did not answer in time");
	return 0;
}

// The next line as JSON; NULL when QEMU has hung up, does not answer, or sends garbage.
static json_t *next(struct qmp_line *line, struct error *err)
{
	for (;;) {
		char *end = memchr(line->text, '\n', line->used);
		if (end) {
			json_t *json = json_loadb(line->text, (size_t)(end - line->text), 0, NULL);
			line->used -= (size_t)(end + 1 - line->text);
			memmove(line->text, end + 1, line->used);
			if (!json)
				error_set(err, ERROR_PROTOCOL, "QEMU sent a line that is no JSON");
			return json;
		}
		if (line->used == sizeof(line->text)) {
			error_set(err, ERROR_PROTOCOL, "QEMU sent a line of more than %d bytes", LINE_BYTES);
			return NULL;
		}
		if (wait_for(line, POLLIN, err) < 0)
			return NULL;
		ssize_t count = recv(line->fd, line->text + line->used, sizeof(line->text) - line->used, 0);
		if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
			error_set(err, ERROR_UNREACHABLE, "QEMU has closed its monitor");
			return NULL;
		}
		line->used += count > 0 ? (size_t)count : 0;
	}
}

// Reads until a line has KEY; events come between.
static int expect(struct qmp_line *line, const char *key, struct error *err)
{
	for (;;) {
		json_t *json = next(line, err);
		if (!json)
			return -1;
		const char *text = json_string_value(json_object_get(json_object_get(json, "error"), "desc"));
		int result = json_object_get(json, key) ? 1
			: text				? error_set(err, ERROR_FAILED, "QEMU: %s", text)
							: 0;
		json_decref(json);
		if (result)
			return result < 0 ? -1 : 0;
	}
}

static int say(const struct qmp_line *line, const char *command, struct error *err)
{
	char text[64];
	int length = snprintf(text, sizeof(text), "{\"execute\":\"%s\"}\n", command);

	if (send(line->fd, text, (size_t)length, MSG_NOSIGNAL) != length)
		return error_set_errno(err, errno, "cannot tell QEMU to %s", command);
	return 0;
}

int agent_quit_guest(const struct rundir *run, const char *vm, unsigned timeout_ms, struct error *err)
{
	struct qmp_line line = { .deadline_ms = agent_now_ms() + timeout_ms };
	char path[256];

	if (rundir_vm_path(run, vm, "agent.sock", path, sizeof(path), err) < 0)
		return -1;
	cleanup_fd int fd = connect_to(path, err);
	line.fd = fd;
	if (fd < 0 || expect(&line, "QMP", err) < 0 || say(&line, "qmp_capabilities", err) < 0 ||
		expect(&line, "return", err) < 0 || say(&line, "quit", err) < 0)
		return -1;
	return expect(&line, "return", err);
}
