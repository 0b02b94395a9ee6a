// SPDX-License-Identifier: GPL-3.0-or-later
// Has a guest's agent set the guest's clock, first from the machine's clock (QEMU's RTC follows the host), and where the guest has no program for
// that, to our time, if the agent answered so fast that it is right. Knows nothing of why the guest stood still.
#include "hypervisor/guest-clock.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include "common/cleanup.h"
#include "common/log.h"
#include "hypervisor/agent-connect.h"
#include "hypervisor/agent-line.h"
#include "hypervisor/group-private.h"
#include "hypervisor/heartbeat.h"
#include "hypervisor/vm-private.h"

#define AGENT_MS 30000 // a guest that has just come back may be slow
#define FAST_MS 500 // an agent slower than this would set a time that is over

struct setting { // names, not pointers: both may be gone when the agent answers
	struct hypervisor *hv;
	char group[64], vm[64];
};

struct talk {
	int fd;
	struct agent_line line;
	double deadline_ms;
	size_t taken;
};

static int say(struct talk *talk, const char *text, size_t length, struct error *err)
{
	ssize_t sent = send(talk->fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	talk->taken = 0;
	if (sent == (ssize_t)length)
		return 0;
	return error_set_errno(err, sent < 0 ? errno : EAGAIN, "its channel takes nothing");
}

// Waits for bytes. Returns their number, or -1.
static ssize_t hear(struct talk *talk, char *bytes, size_t size, struct error *err)
{
	for (;;) {
		double left = talk->deadline_ms - loop_now_ms();
		if (task_wait_fd(talk->fd, POLLIN, left > 1 ? (unsigned)left : 1, "an answer", err))
			return -1;
		ssize_t count = recv(talk->fd, bytes, size, MSG_DONTWAIT);
		if (count < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		talk->taken += count > 0 ? (size_t)count : 0;
		if (count <= 0)
			return error_set(err, ERROR_UNREACHABLE, "its channel was closed");
		if (talk->taken > AGENT_CHATTER_MAX)
			return error_set(err, ERROR_PROTOCOL, "it does not stop talking");
		return count;
	}
}

static int await_agent(struct talk *talk, struct error *err)
{
	char bytes[1024];
	int64_t id = agent_question_id();
	if (say(talk, bytes, agent_line_question(bytes, sizeof(bytes), id), err))
		return -1;
	for (;;) {
		ssize_t count = hear(talk, bytes, sizeof(bytes), err);
		if (count < 0)
			return -1;
		if (agent_line_feed(&talk->line, bytes, (size_t)count, id))
			return 0;
	}
}

static int command(struct talk *talk, int64_t time_ns, enum agent_answer *answer, struct error *err)
{
	char bytes[1024], why[160] = "";
	if (say(talk, bytes, agent_line_set_time(bytes, sizeof(bytes), time_ns), err))
		return -1;
	do {
		ssize_t count = hear(talk, bytes, sizeof(bytes), err);
		if (count < 0)
			return -1;
		*answer = agent_line_answer(&talk->line, bytes, (size_t)count, why, sizeof(why));
	} while (*answer == AGENT_SILENT);
	return *answer == AGENT_DONE ? 0 : error_set(err, ERROR_FAILED, "it says: %s", why);
}

static int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int set(const char *path, struct error *err)
{
	cleanup_fd int fd = agent_connect(path);
	struct talk talk = { .fd = fd, .deadline_ms = loop_now_ms() + AGENT_MS };
	enum agent_answer answer = AGENT_SILENT;
	struct error why = ERROR_INIT;
	if (fd < 0)
		return error_set_errno(err, errno, "its channel cannot be reached");
	if (await_agent(&talk, err))
		return -1;
	if (!command(&talk, 0, &answer, &why))
		return 0;
	double asked_ms = loop_now_ms();
	if (answer != AGENT_REFUSED || await_agent(&talk, err))
		return error_copy(err, &why);
	if (loop_now_ms() - asked_ms > FAST_MS)
		return error_copy(err, &why);
	return command(&talk, now_ns(), &answer, err);
}

static struct vm *find(const struct setting *setting)
{
	struct group *group = group_find(setting->hv, setting->group);
	return group && !group->removed ? group_vm_find(group, setting->vm) : NULL;
}

static void set_task(void *data)
{
	struct setting *setting = data;
	struct vm *vm = find(setting);
	while (vm && vm->clock.under_way) {
		struct error err = ERROR_INIT;
		char path[512];
		vm->clock.again = false;
		if (vm_path(vm, "guest-agent.sock", path, sizeof(path), &err) || set(path, &err))
			log_debug(
				"vm=%s its clock is not set, no agent did it: %s", setting->vm, err.message);
		else
			log_info("vm=%s its agent has set its clock", setting->vm);
		vm = find(setting);
		if (vm && !vm->clock.again)
			vm->clock.under_way = false;
	}
	free(setting);
}

void guest_clock_set(struct vm *vm)
{
	struct error err = ERROR_INIT;
	struct hypervisor *hv = group_hypervisor(vm->group);
	if (vm->clock.under_way) {
		vm->clock.again = true;
		return;
	}
	struct setting *setting = calloc(1, sizeof(*setting));
	if (!setting)
		return;
	setting->hv = hv;
	snprintf(setting->group, sizeof(setting->group), "%s", group_name(vm->group));
	snprintf(setting->vm, sizeof(setting->vm), "%s", vm->name);
	if (task_start(hv->loop, "guest-clock", set_task, setting, &err)) {
		vm->clock.under_way = true;
		if (vm->health.beat)
			heartbeat_rest(vm->health.beat);
		return;
	}
	log_warning("vm=%s its clock is not set: %s", vm->name, err.message);
	free(setting);
}
