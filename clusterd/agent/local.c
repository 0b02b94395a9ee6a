// SPDX-License-Identifier: GPL-3.0-or-later
// A group by the run directory and the processes alone, for when hypervisord is dead or hangs. What is wanted changes only under the group's
// lock; a hypervisord that hangs while it holds the lock is ended, which disturbs no guest.
#include "clusterd/agent/agent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "storage/storage.h"

#define LOCK_MS 4000
#define QUIT_MS 3000 // for all guests together; then they are killed
#define DEAD_MS 8000 // from SIGKILL to the end of the process

// The guests of one group.
struct guests {
	struct rundir_guest *list;
	size_t count;
};

static void guests_done(struct guests *guests)
{
	free(guests->list);
}
#define cleanup_guests __attribute__((cleanup(guests_done)))

static int read_guests(const struct agent *agent, struct guests *guests, struct error *err)
{
	size_t all = 0;

	*guests = (struct guests){ 0 };
	if (rundir_guest_list(&agent->run, &guests->list, &all, err) < 0)
		return -1;
	for (size_t i = 0; i < all; i++)
		if (!strcmp(guests->list[i].group, agent->group))
			guests->list[guests->count++] = guests->list[i];
	return 0;
}

// ---- health

static size_t expected_guests(const struct agent *agent)
{
	Holdfast__GroupSpec *spec = NULL;
	size_t expected = 0;

	if (rundir_spec_get(&agent->run, agent->group, &spec, NULL) < 0)
		return 0;
	for (size_t i = 0; i < spec->n_vms; i++)
		expected += spec->vms[i]->target == HOLDFAST__VM_TARGET__TARGET_RUNNING;
	holdfast__group_spec__free_unpacked(spec, NULL);
	return expected;
}

// A guest that a move has released to its target, or is still receiving, does not run here.
static bool runs_here(const struct rundir_guest *guest)
{
	return strcmp(guest->phase, RUNDIR_PHASE_LEAVING) && strcmp(guest->phase, RUNDIR_PHASE_INCOMING) &&
		rundir_guest_alive(guest, NULL);
}

enum agent_health agent_local_health(struct agent *agent, struct error *err)
{
	cleanup_guests struct guests guests = { 0 };
	enum wanted wanted;
	uint64_t generation;
	size_t running = 0, moving = 0, shut_down = 0;

	if (rundir_wanted_get(&agent->run, agent->group, &wanted, &generation, err) < 0 ||
		read_guests(agent, &guests, err) < 0)
		return AGENT_UNKNOWN;
	for (size_t i = 0; i < guests.count; i++) {
		running += runs_here(&guests.list[i]);
		moving += !strcmp(guests.list[i].phase, RUNDIR_PHASE_LEAVING) ||
			!strcmp(guests.list[i].phase, RUNDIR_PHASE_INCOMING);
		shut_down += !strcmp(guests.list[i].phase, RUNDIR_PHASE_SHUT_DOWN);
	}
	if (running) // what runs must be known to run, whatever is wanted: Pacemaker stops it then
		return AGENT_RUNNING;
	// wanted here with no guest that should run: the administrator stopped them all, or they shut themselves down, and the group is healthy
	return wanted == WANTED_STARTED && !moving && expected_guests(agent) <= shut_down ? AGENT_RUNNING : AGENT_STOPPED;
}

// ---- stop

// SIGKILL for whoever listens on hypervisord's socket: it has not answered, and it holds the lock.
static void end_hypervisord(const struct agent *agent)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct ucred peer;
	socklen_t size = sizeof(peer);
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || strlen(agent->socket) >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, agent->socket, strlen(agent->socket));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.pid <= 1 ||
		peer.uid != geteuid())
		return;
	fprintf(stderr, "holdfast: hypervisord (pid %d) hangs with group %s locked: ending it\n",
		(int)peer.pid, agent->group);
	kill(peer.pid, SIGKILL);
}

static int lock_group(const struct agent *agent, int *fd, struct error *err)
{
	if (rundir_group_lock(&agent->run, agent->group, LOCK_MS, fd, err) == 0)
		return 0;
	if (err->code != ERROR_BUSY)
		return -1;
	end_hypervisord(agent);
	error_clear(err);
	return rundir_group_lock(&agent->run, agent->group, LOCK_MS, fd, err);
}

static int await_end(int pidfd, int64_t deadline_ms)
{
	struct pollfd pollfd = { .fd = pidfd, .events = POLLIN };

	for (;;) {
		int64_t left = deadline_ms - agent_now_ms();
		int ready = poll(&pollfd, 1, left > 0 ? (int)left : 0);
		if (ready > 0)
			return 0;
		if (ready == 0 && left <= 0)
			return -1;
	}
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

// Asks all to quit, then ends by force whoever is still there, then waits for all.
static int end_guests(const struct agent *agent, const struct guests *guests, int *pidfds, struct error *err)
{
	int64_t quit_by = earlier(agent_now_ms() + QUIT_MS, agent->deadline_ms);

	for (size_t i = 0; i < guests->count; i++) {
		int64_t left = quit_by - agent_now_ms();
		struct error why = ERROR_INIT;
		if (pidfds[i] >= 0 && left > 0 &&
			agent_quit_guest(&agent->run, guests->list[i].vm, (unsigned)left, &why) < 0)
			fprintf(stderr, "holdfast: vm=%s %s\n", guests->list[i].vm, why.message);
	}
	for (size_t i = 0; i < guests->count; i++)
		if (pidfds[i] >= 0 && await_end(pidfds[i], quit_by) < 0)
			syscall(SYS_pidfd_send_signal, pidfds[i], SIGKILL, NULL, 0);
	int64_t dead_by = earlier(agent_now_ms() + DEAD_MS, agent->deadline_ms);
	for (size_t i = 0; i < guests->count; i++)
		if (pidfds[i] >= 0 && await_end(pidfds[i], dead_by) < 0)
			return error_set(err, ERROR_TIMEOUT,
				"QEMU of VM %s (pid %d) cannot be killed: its storage may hang",
				guests->list[i].vm, (int)guests->list[i].pid);
	return 0;
}

static int end_all(const struct agent *agent, struct error *err)
{
	cleanup_guests struct guests guests = { 0 };

	if (read_guests(agent, &guests, err) < 0)
		return -1;
	cleanup_free int *pidfds = calloc(guests.count + 1, sizeof(int));
	if (!pidfds)
		return error_set(err, ERROR_FAILED, "no memory for the guests");
	for (size_t i = 0; i < guests.count; i++)
		if (!rundir_guest_alive(&guests.list[i], &pidfds[i]))
			pidfds[i] = -1;
	int status = end_guests(agent, &guests, pidfds, err);
	for (size_t i = 0; i < guests.count; i++)
		if (pidfds[i] >= 0)
			close(pidfds[i]);
	return status;
}

int agent_local_stop(struct agent *agent, struct error *err)
{
	cleanup_fd int lock = -1;
	Holdfast__GroupSpec *spec = NULL;
	struct error why = ERROR_INIT;

	if (lock_group(agent, &lock, err) < 0 ||
		rundir_wanted_set(&agent->run, agent->group, WANTED_STOPPED, agent->generation, err) < 0 ||
		end_all(agent, err) < 0)
		return -1;
	if (rundir_spec_get(&agent->run, agent->group, &spec, &why) < 0) {
		// no definition: it was not started here since the node booted, so nothing is promoted
		return why.code == ERROR_NOT_FOUND ? 0 : error_copy(err, &why);
	}
	int status = storage_demote_blocking(spec->group, err);
	holdfast__group_spec__free_unpacked(spec, NULL);
	return status;
}
