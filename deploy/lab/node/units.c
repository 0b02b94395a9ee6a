// SPDX-License-Identifier: GPL-3.0-or-later
// Service supervision: a state machine per unit (the table below), readiness by sd_notify's datagrams, restart with a growing pause. A pair
// of state and event that is not in the table changes nothing.
#include "deploy/lab/node/units.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/cleanup.h"

#define NOTIFY_SOCKET "/run/lab/notify"
#define ENABLED_DIRECTORY "/state/units"
#define RESTART_MIN_MS 1000
#define RESTART_MAX_MS 5000
#define STABLE_MS 10000 // after so long a run the pause starts small again
#define START_TIMEOUT_MS 60000 // then it counts as running, with a line in the log

enum restart { RESTART_ON_FAILURE, RESTART_ALWAYS };
enum readiness { READY_AT_ONCE, READY_BY_NOTIFY };

struct unit_type {
	const char *name;
	const char *argv[8];
	const char *environment[6];
	const char *run_directory;
	mode_t run_mode;
	enum readiness readiness;
	enum restart restart;
	int clean_status; // on failure: ends with it as if stopped, besides 0
	unsigned stop_timeout_ms;
	unsigned stack_kib;		// of its threads, which it locks into memory; 0: as usual
	const char *required;
};

// In the order in which they start at boot. Restarted when they die, whatever Debian's own unit says.
static const struct unit_type types[] = {
	{ .name = "corosync",
		.argv = { "/usr/sbin/corosync", "-f" },
		.readiness = READY_BY_NOTIFY,
		.stop_timeout_ms = 30000,
		.stack_kib = 1024 },
	{ .name = "corosync-qnetd",
		.argv = { "/usr/bin/corosync-qnetd", "-f", "-s", "off", "-p", "5403" },
		.run_directory = "/run/corosync-qnetd",
		.run_mode = 0770,
		.readiness = READY_BY_NOTIFY,
		.stop_timeout_ms = 30000 },
	{ .name = "corosync-qdevice",
		.argv = { "/usr/sbin/corosync-qdevice", "-f" },
		.run_directory = "/run/corosync-qdevice",
		.run_mode = 0770,
		.readiness = READY_BY_NOTIFY,
		.stop_timeout_ms = 30000,
		.required = "corosync" },
	{ .name = "holdfast-hypervisord",
		.argv = { "/usr/sbin/hypervisord" },
		.environment = { "HOLDFAST_FAULT_FILE=/run/lab/fault" }, // common/fault.h
		.run_directory = "/run/holdfast",
		.run_mode = 0755,
		.readiness = READY_BY_NOTIFY,
		.restart = RESTART_ALWAYS,
		.stop_timeout_ms = 30000 },
	{ .name = "pacemaker",
		.argv = { "/usr/sbin/pacemakerd" },
		.environment = { "PCMK_logfile=/var/log/pacemaker/pacemaker.log", "PCMK_logfacility=none" },
		.clean_status = 100,
		.stop_timeout_ms = 600000,
		.required = "corosync" },
	{ .name = "holdfast-clusterd",
		.argv = { "/usr/sbin/clusterd" },
		.run_directory = "/run/holdfast",
		.run_mode = 0755,
		.readiness = READY_BY_NOTIFY,
		.restart = RESTART_ALWAYS,
		.stop_timeout_ms = 30000 },
};
#define TYPES (sizeof(types) / sizeof(types[0]))

static const char *const aliases[][2] = { { "hypervisord", "holdfast-hypervisord" },
	{ "clusterd", "holdfast-clusterd" } };

enum event { WANT_START, WANT_STOP, IS_READY, ENDED_CLEAN, ENDED_BADLY, TIMER, EVENTS };
enum action { IGNORE, NOTHING, LAUNCH, TERMINATE, KILL, PAUSE, GIVE_UP_WAITING };

struct rule {
	enum action action;
	enum unit_state next;
};

// clang-format off
static const struct rule rules[UNIT_STATES][EVENTS] = {
	[UNIT_STOPPED] = {
		[WANT_START] = { LAUNCH, UNIT_STARTING },
	},
	[UNIT_STARTING] = {
		[WANT_START] = { NOTHING, UNIT_STARTING },
		[WANT_STOP] = { TERMINATE, UNIT_STOPPING },
		[IS_READY] = { NOTHING, UNIT_RUNNING },
		[ENDED_CLEAN] = { NOTHING, UNIT_STOPPED },
		[ENDED_BADLY] = { PAUSE, UNIT_WAITING },
		[TIMER] = { GIVE_UP_WAITING, UNIT_RUNNING },
	},
	[UNIT_RUNNING] = {
		[WANT_START] = { NOTHING, UNIT_RUNNING },
		[WANT_STOP] = { TERMINATE, UNIT_STOPPING },
		[IS_READY] = { NOTHING, UNIT_RUNNING },
		[ENDED_CLEAN] = { NOTHING, UNIT_STOPPED },
		[ENDED_BADLY] = { PAUSE, UNIT_WAITING },
		[TIMER] = { NOTHING, UNIT_RUNNING },
	},
	[UNIT_STOPPING] = {
		[WANT_START] = { NOTHING, UNIT_STOPPING },
		[WANT_STOP] = { NOTHING, UNIT_STOPPING },
		[IS_READY] = { NOTHING, UNIT_STOPPING },
		[ENDED_CLEAN] = { NOTHING, UNIT_STOPPED },
		[ENDED_BADLY] = { NOTHING, UNIT_STOPPED },
		[TIMER] = { KILL, UNIT_STOPPING },
	},
	[UNIT_WAITING] = {
		[WANT_START] = { LAUNCH, UNIT_STARTING },
		[WANT_STOP] = { NOTHING, UNIT_STOPPED },
		[TIMER] = { LAUNCH, UNIT_STARTING },
	},
};
// clang-format on

struct unit {
	struct units *owner;
	const struct unit_type *type;
	enum unit_state state;
	pid_t pid;
	struct loop_source *timer;
	double launched_ms;
	unsigned pause_ms;
	bool start_failed;
};

struct units {
	struct loop *loop;
	units_changed_cb *changed;
	void *data;
	int notify_fd;
	struct unit list[TYPES];
};

static void step(struct unit *unit, enum event event);

static enum loop_verdict timer_due(void *data)
{
	struct unit *unit = data;

	unit->timer = NULL;
	step(unit, TIMER);
	return LOOP_STOP;
}

static void set_timer(struct unit *unit, unsigned ms)
{
	loop_source_remove(unit->timer);
	unit->timer = ms ? loop_add_timer(unit->owner->loop, ms, timer_due, unit) : NULL;
}

// Did it end as a service may that was not told to?
static bool ended_clean(const struct unit_type *type, int status)
{
	return type->restart == RESTART_ON_FAILURE && WIFEXITED(status) &&
		(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == type->clean_status);
}

static _Noreturn void become_service(const struct unit_type *type)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY }, files = { 65536, 65536 };
	const char *environment[16] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LANG=C.UTF-8", "NOTIFY_SOCKET=" NOTIFY_SOCKET };
	unsigned count = 3;
	char log[128];
	sigset_t none;

	for (unsigned i = 0; type->environment[i]; i++)
		environment[count++] = type->environment[i];
	snprintf(log, sizeof(log), "/var/log/lab/%s.log", type->name);
	if (type->run_directory && mkdir(type->run_directory, type->run_mode) == 0)
		chmod(type->run_directory, type->run_mode);
	setsid();
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	setrlimit(RLIMIT_NOFILE, &files);
	if (type->stack_kib)
		setrlimit(RLIMIT_STACK, &(const struct rlimit){ (rlim_t)type->stack_kib << 10, RLIM_INFINITY });
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	close(0);
	if (open("/dev/null", O_RDONLY) != 0)
		_exit(126);
	dup2(open(log, O_WRONLY | O_CREAT | O_APPEND, 0644), 1);
	dup2(1, 2);
	closefrom(3);
	execvpe(type->argv[0], (char *const *)type->argv, (char *const *)environment);
	dprintf(2, "cannot run %s: %s\n", type->argv[0], strerror(errno));
	_exit(126);
}

static void launch(struct unit *unit)
{
	unit->start_failed = false;
	unit->launched_ms = loop_now_ms();
	unit->pid = fork();
	if (unit->pid == 0)
		become_service(unit->type);
	set_timer(unit, START_TIMEOUT_MS);
	fprintf(stderr, "nodeinit: %s: started, pid %d\n", unit->type->name, (int)unit->pid);
}

static void pause_before_restart(struct unit *unit)
{
	if (unit->state == UNIT_STARTING)
		unit->start_failed = true;
	if (loop_now_ms() - unit->launched_ms > STABLE_MS || unit->pause_ms == 0)
		unit->pause_ms = RESTART_MIN_MS;
	else if (unit->pause_ms < RESTART_MAX_MS)
		unit->pause_ms = unit->pause_ms * 2 < RESTART_MAX_MS ? unit->pause_ms * 2 : RESTART_MAX_MS;
	set_timer(unit, unit->pause_ms);
}

static void act(struct unit *unit, enum action action)
{
	switch (action) {
	case IGNORE:
	case NOTHING:
		break;
	case LAUNCH:
		launch(unit);
		break;
	case TERMINATE:
		kill(unit->pid, SIGTERM);
		set_timer(unit, unit->type->stop_timeout_ms);
		break;
	case KILL:
		kill(unit->pid, SIGKILL);
		break;
	case PAUSE:
		pause_before_restart(unit);
		break;
	case GIVE_UP_WAITING:
		fprintf(stderr, "nodeinit: %s has not said that it is ready in %d s\n", unit->type->name,
			START_TIMEOUT_MS / 1000);
		break;
	}
}

static void step(struct unit *unit, enum event event)
{
	const struct rule *rule = &rules[unit->state][event];

	if (rule->action == IGNORE)
		return;
	if (rule->next != unit->state && rule->action == NOTHING)
		set_timer(unit, 0);
	if (event == ENDED_CLEAN && unit->state == UNIT_STARTING)
		unit->start_failed = true;
	act(unit, rule->action);
	unit->state = rule->next;
	if (rule->action == LAUNCH && unit->type->readiness == READY_AT_ONCE)
		step(unit, IS_READY);
	else
		unit->owner->changed(unit->owner->data);
}

static enum loop_verdict notified(int fd, short events, void *data)
{
	struct units *units = data;
	char text[2048], control[CMSG_SPACE(sizeof(struct ucred))];
	struct iovec vector = { text, sizeof(text) - 1 };
	struct msghdr message = {
		.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	ssize_t bytes = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *header = bytes < 0 ? NULL : CMSG_FIRSTHDR(&message);
	struct ucred sender;

	if (!header || header->cmsg_type != SCM_CREDENTIALS)
		return LOOP_CONTINUE;
	memcpy(&sender, CMSG_DATA(header), sizeof(sender));
	text[bytes] = '\0';
	for (unsigned i = 0; i < TYPES; i++) {
		if (units->list[i].pid == sender.pid &&
			(strncmp(text, "READY=1", 7) == 0 || strstr(text, "\nREADY=1")))
			step(&units->list[i], IS_READY);
	}
	return LOOP_CONTINUE;
}

static int listen_for_notify(struct units *units, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = NOTIFY_SOCKET };
	const int on = 1;

	units->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (units->notify_fd < 0 ||
		bind(units->notify_fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		setsockopt(units->notify_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return error_set_errno(err, errno, "cannot listen on " NOTIFY_SOCKET);
	chmod(NOTIFY_SOCKET, 0666);
	loop_add_fd(units->loop, units->notify_fd, POLLIN, notified, units);
	return 0;
}

struct units *units_new(struct loop *loop, units_changed_cb *changed, void *data, struct error *err)
{
	struct units *units = calloc(1, sizeof(*units));

	_Static_assert(TYPES <= UNITS_MAX, "more units than UNITS_MAX");
	if (!units) {
		error_set(err, ERROR_FAILED, "out of memory");
		return NULL;
	}
	units->loop = loop;
	units->changed = changed;
	units->data = data;
	for (unsigned i = 0; i < TYPES; i++)
		units->list[i] = (struct unit){ .owner = units, .type = &types[i] };
	if (listen_for_notify(units, err) < 0) {
		free(units);
		return NULL;
	}
	return units;
}

unsigned units_count(void)
{
	return TYPES;
}

int units_find(const char *name)
{
	size_t length = strlen(name);

	if (length > 8 && strcmp(name + length - 8, ".service") == 0)
		length -= 8;
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		if (strlen(aliases[i][0]) == length && strncmp(aliases[i][0], name, length) == 0)
			return units_find(aliases[i][1]);
	}
	for (unsigned i = 0; i < TYPES; i++) {
		if (strlen(types[i].name) == length && strncmp(types[i].name, name, length) == 0)
			return (int)i;
	}
	return -1;
}

const char *units_name(unsigned unit)
{
	return types[unit].name;
}

int units_required(unsigned unit)
{
	return types[unit].required ? units_find(types[unit].required) : -1;
}

enum unit_state units_state(const struct units *units, unsigned unit)
{
	return units->list[unit].state;
}

const char *unit_state_name(enum unit_state state)
{
	static const char *const names[UNIT_STATES] = { "inactive", "activating", "active", "deactivating",
		"activating" };

	return names[state];
}

void units_start(struct units *units, unsigned unit)
{
	units->list[unit].pause_ms = 0;
	step(&units->list[unit], WANT_START);
}

void units_stop(struct units *units, unsigned unit)
{
	step(&units->list[unit], WANT_STOP);
}

int units_reload(struct units *units, unsigned unit, struct error *err)
{
	if (units->list[unit].state != UNIT_RUNNING)
		return error_set(err, ERROR_FAILED, "%s is not active: nothing to reload", types[unit].name);
	kill(units->list[unit].pid, SIGHUP);
	return 0;
}

bool units_child_ended(struct units *units, pid_t pid, int status)
{
	for (unsigned i = 0; i < TYPES; i++) {
		struct unit *unit = &units->list[i];

		if (unit->pid != pid)
			continue;
		unit->pid = 0;
		fprintf(stderr, "nodeinit: %s: ended, %s %d\n", unit->type->name,
			WIFEXITED(status) ? "status" : "signal",
			WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
		step(unit, ended_clean(unit->type, status) ? ENDED_CLEAN : ENDED_BADLY);
		return true;
	}
	return false;
}

bool units_last_start_failed(const struct units *units, unsigned unit)
{
	return units->list[unit].start_failed;
}

static void enabled_path(unsigned unit, char path[128])
{
	snprintf(path, 128, ENABLED_DIRECTORY "/%s", types[unit].name);
}

bool units_enabled(unsigned unit)
{
	char path[128];

	enabled_path(unit, path);
	return access(path, F_OK) == 0;
}

// A power cut may follow at once: both are synced.
static int sync_enabled(struct error *err)
{
	cleanup_fd int fd = open(ENABLED_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return error_set_errno(err, errno, "cannot sync " ENABLED_DIRECTORY);
	return 0;
}

int units_enable(unsigned unit, struct error *err)
{
	char path[128];
	int fd;

	enabled_path(unit, path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return error_set_errno(err, errno, "cannot enable %s", types[unit].name);
	close(fd);
	return sync_enabled(err);
}

int units_disable(unsigned unit, struct error *err)
{
	char path[128];

	enabled_path(unit, path);
	if (unlink(path) < 0 && errno != ENOENT)
		return error_set_errno(err, errno, "cannot disable %s", types[unit].name);
	return sync_enabled(err);
}
