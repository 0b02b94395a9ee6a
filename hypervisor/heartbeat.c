// SPDX-License-Identifier: GPL-3.0-or-later
// Talks to one guest's agent through QEMU's socket of its channel. Nothing here waits: a guest that does not read, or writes without end, costs one
// read a turn of the loop and no memory beyond one line.
#include "hypervisor/heartbeat.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "hypervisor/agent-connect.h"
#include "hypervisor/agent-line.h"

#define ASKS_PER_PERIOD 4

struct heartbeat {
	struct loop *loop;
	int fd;
	struct loop_source *source;
	struct agent_line line;
	int64_t id; // of the question that is open; 0: none
	size_t taken; // bytes since then
	double asked_ms, answered_ms; // 0: never
};

struct heartbeat *heartbeat_new(struct loop *loop)
{
	struct heartbeat *beat = calloc(1, sizeof(*beat));
	if (beat) {
		beat->loop = loop;
		beat->fd = -1;
	}
	return beat;
}

static void hang_up(struct heartbeat *beat)
{
	loop_source_remove(beat->source);
	beat->source = NULL;
	if (beat->fd >= 0)
		close(steal_fd(&beat->fd));
	beat->line = (struct agent_line){ .used = 0 };
	beat->id = 0;
}

void heartbeat_free(struct heartbeat *beat)
{
	if (beat)
		hang_up(beat);
	free(beat);
}

static enum loop_verdict on_input(int fd, short events, void *data)
{
	struct heartbeat *beat = data;
	char bytes[1024];
	ssize_t count = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return LOOP_CONTINUE;
	beat->taken += count > 0 ? (size_t)count : 0;
	if (count <= 0 || beat->taken > AGENT_CHATTER_MAX) {
		beat->source = NULL; // the loop takes it away
		hang_up(beat);
		return LOOP_STOP;
	}
	if (beat->id && agent_line_feed(&beat->line, bytes, (size_t)count, beat->id)) {
		beat->id = 0;
		beat->answered_ms = loop_now_ms();
	}
	return LOOP_CONTINUE;
}

void heartbeat_ask(struct heartbeat *beat, const char *path, unsigned period_s)
{
	char text[128];
	double now_ms = loop_now_ms();
	if (beat->asked_ms > 0 && now_ms - beat->asked_ms < 1000.0 * period_s / ASKS_PER_PERIOD)
		return;
	beat->asked_ms = now_ms;
	if (beat->id)
		hang_up(beat); // what it has not read yet is not to be answered later, one old question after the other
	if (beat->fd < 0) {
		beat->fd = agent_connect(path);
		if (beat->fd < 0)
			return; // somebody else has it, or there is none
		beat->source = loop_add_fd(beat->loop, beat->fd, POLLIN, on_input, beat);
	}
	beat->id = agent_question_id();
	beat->taken = 0;
	size_t length = agent_line_question(text, sizeof(text), beat->id);
	ssize_t sent = send(beat->fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0 && errno != EAGAIN && errno != EINTR)
		hang_up(beat);
}

void heartbeat_rest(struct heartbeat *beat)
{
	hang_up(beat);
	heartbeat_forgive(beat);
}

void heartbeat_forgive(struct heartbeat *beat)
{
	if (beat->answered_ms > 0)
		beat->answered_ms = loop_now_ms();
}

void heartbeat_forget(struct heartbeat *beat)
{
	beat->answered_ms = 0;
}

bool heartbeat_late(const struct heartbeat *beat, unsigned period_s)
{
	return beat->answered_ms > 0 && loop_now_ms() - beat->answered_ms > 1000.0 * period_s;
}

double heartbeat_age_s(const struct heartbeat *beat)
{
	return beat->answered_ms > 0 ? (loop_now_ms() - beat->answered_ms) / 1000 : -1;
}
