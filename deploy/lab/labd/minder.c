// SPDX-License-Identifier: GPL-3.0-or-later
// Starts UML under a minder process, see minder.h. The child side uses nothing of labd but its own arguments: it must not touch the
// loop or any of labd's descriptors.
#include "deploy/lab/labd/minder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/cleanup.h"

// Where a descriptor waits for its final number: above all of those.
#define FD_PARKING 100

static void end_all_children(void)
{
	char path[64], line[4096];

	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid < 0)
			return;
		if (pid > 0)
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
		cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t bytes = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

		line[bytes > 0 ? bytes : 0] = '\0';
		for (char *rest = NULL, *word = strtok_r(line, " ", &rest); word;
			word = strtok_r(NULL, " ", &rest))
			kill((pid_t)atoi(word), SIGKILL);
		waitpid(-1, &status, 0);
	}
}

// Runs until UML's main process and everything that it left behind are gone. Returns the main process's status.
static int mind(pid_t uml, int orders)
{
	sigset_t set;
	int status = 0, signals;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	for (;;) {
		struct pollfd fds[] = { { .fd = signals, .events = POLLIN },
			{ .fd = orders, .events = POLLIN } };
		struct signalfd_siginfo info;
		char order = MINDER_KILL;
		pid_t pid;

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[0].revents && read(signals, &info, sizeof(info)) < 0 && errno != EAGAIN)
			break;
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			if (pid == uml)
				goto gone;
		}
		if (!fds[1].revents)
			continue;
		if (read(orders, &order, 1) <= 0)
			order = MINDER_KILL;
		// Only ever the main process: a stop or continue of the others, which it traces, panics UML.
		kill(uml, order == MINDER_FREEZE ? SIGSTOP : order == MINDER_THAW ? SIGCONT : SIGKILL);
		if (order == MINDER_KILL) {
			waitpid(uml, &status, 0);
			goto gone;
		}
	}
	kill(uml, SIGKILL);
gone:
	end_all_children();
	return status;
}

static _Noreturn void become_uml(const struct node_config *node, const int *fds, unsigned count)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < count; i++)
		dup2(fds[i], (int)i);
	closefrom((int)count);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setenv("HOME", node->directory, 1);
	execvp(node->argv[0], node->argv);
	dprintf(2, "cannot run %s: %s\n", node->argv[0], strerror(errno));
	_exit(127);
}

static _Noreturn void become_minder(const struct node_config *node, int *fds, unsigned count, int orders)
{
	sigset_t all;
	pid_t uml;
	int status;

	// Park what we need above the numbers that UML gets, then close the rest of labd's descriptors.
	for (unsigned i = 0; i < count; i++)
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FD_PARKING);
	orders = fcntl(orders, F_DUPFD_CLOEXEC, FD_PARKING);
	for (int fd = 3; fd < FD_PARKING; fd++)
		close(fd);
	setsid();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_NAME, "lab-minder");
	uml = fork();
	if (uml == 0)
		become_uml(node, fds, count);
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
	if (uml < 0)
		_exit(126);
	status = mind(uml, orders);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static int open_log(const struct node_config *node, const char *name, struct error *err)
{
	cleanup_free char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/%s", node->directory, name) < 0)
		return error_set(err, ERROR_FAILED, "out of memory");
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	return fd < 0 ? error_set_errno(err, errno, "cannot write %s", path) : fd;
}

// What the last run of this node left: UML would take its own dead pid file for another instance.
static void clear_umid(const struct node_config *node)
{
	static const char *const files[] = { "pid", "mconsole" };
	char path[512];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", node->umid, files[i]);
		unlink(path);
	}
	rmdir(node->umid);
}

int minder_start(struct minder *minder, const struct node_config *node, struct error *err)
{
	int fds[NODE_FD_SERIAL + LAB_SERIAL_PORTS], channel[2] = { -1, -1 }, orders[2] = { -1, -1 };
	unsigned count = 0;
	int result = -1;

	clear_umid(node);
	fds[count++] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[count++] = open_log(node, "console.log", err);
	fds[count++] = dup(fds[1]);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, orders) < 0) {
		error_set_errno(err, errno, "cannot make a socket pair");
		goto out;
	}
	fds[count++] = channel[1];
	for (unsigned i = 0; i < LAB_SERIAL_PORTS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "serial%u.log", i);
		fds[count++] = open_log(node, name, err);
	}
	for (unsigned i = 0; i < count; i++) {
		if (fds[i] < 0)
			goto out;
	}
	minder->pid = fork();
	if (minder->pid == 0)
		become_minder(node, fds, count, orders[1]);
	if (minder->pid < 0) {
		error_set_errno(err, errno, "cannot start node %s", node->name);
		goto out;
	}
	minder->pidfd = (int)syscall(SYS_pidfd_open, minder->pid, 0);
	minder->orders = steal_fd(&orders[0]);
	minder->channel = steal_fd(&channel[0]);
	fcntl(minder->channel, F_SETFL, O_NONBLOCK);
	result = 0;
out:
	for (unsigned i = 0; i < count; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	for (int i = 0; i < 2; i++) {
		if (channel[i] >= 0 && (i == 0 || count <= NODE_FD_CHANNEL))
			close(channel[i]);
		if (orders[i] >= 0)
			close(orders[i]);
	}
	return result;
}

void minder_order(const struct minder *minder, enum minder_order order)
{
	const char byte = (char)order;

	// Nothing to do if it fails: the minder is gone, and its end is seen through the pidfd.
	if (send(minder->orders, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
}

int minder_collect(struct minder *minder)
{
	int status = 0;

	waitpid(minder->pid, &status, 0);
	close(minder->pidfd);
	close(minder->orders);
	close(minder->channel);
	*minder = (struct minder){ .pidfd = -1, .orders = -1, .channel = -1 };
	return status;
}
