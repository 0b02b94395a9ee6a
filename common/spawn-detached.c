// SPDX-License-Identifier: GPL-3.0-or-later
// A process that outlives us: we fork an intermediate that forks it and ends; one that dies with us is our own child.
// Between fork and exec only plain system calls are made, since our threads' locks may be held in the copy. It sends us
// its own pidfd before exec, so the number cannot have been reused; the socket is closed by exec, and what fails before
// that is sent over it.
#include "common/spawn-private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/cage-private.h"
#include "common/cleanup.h"

#define EXEC_TIMEOUT_MS 10000
#define FDS_MAX 64

enum step {
	STEP_BORN,
	STEP_FORK,
	STEP_DIRECTORY,
	STEP_CGROUP,
	STEP_FDS,
	STEP_CAGE,
	STEP_PRIVILEGES,
	STEP_EXEC
};

static const char *const step_texts[] = {
	[STEP_BORN] = "be watched",
	[STEP_FORK] = "be forked",
	[STEP_DIRECTORY] = "enter its directory",
	[STEP_CGROUP] = "join its cgroup",
	[STEP_FDS] = "take its descriptors",
	[STEP_CAGE] = "get namespaces and a root of its own",
	[STEP_PRIVILEGES] = "drop its privileges",
	[STEP_EXEC] = "be executed",
};

struct note {
	enum step step;
	int errnum;
	pid_t pid;
	char at[200]; // the path that it failed at; ""
};

// What the child needs, prepared before fork because it must not allocate.
struct birth {
	const struct spawn_params *params;
	char *const *environment;
	int socket;
	int highest; // descriptor that is named as a target
	pid_t parent; // with which it dies; 0: it outlives us
	size_t fds;
	int moved[FDS_MAX];
};

static _Noreturn void give_up_at(int socket, enum step step, const char *at)
{
	struct note note = { .step = step, .errnum = errno };

	if (at)
		strncpy(note.at, at, sizeof(note.at) - 1);

	(void)!send(socket, &note, sizeof(note), MSG_NOSIGNAL);
	_exit(127);
}

static _Noreturn void give_up(int socket, enum step step)
{
	give_up_at(socket, step, NULL);
}

static int send_pidfd(int socket)
{
	struct note note = { .step = STEP_BORN, .pid = getpid() };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { &note, sizeof(note) };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	int pidfd = (int)syscall(SYS_pidfd_open, note.pid, 0);

	if (pidfd < 0)
		return -1;
	control.header = (struct cmsghdr){
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))
	};
	memcpy(CMSG_DATA(&control.header), &pidfd, sizeof(int));
	return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int join_cgroup(const char *path)
{
	if (!path)
		return 0;
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, "0", 1) != 1 ? -1 : 0;
}

static bool is_target(const struct birth *birth, int fd)
{
	for (size_t i = 0; i < birth->fds; i++)
		if (birth->params->fds[i].as == fd)
			return true;
	return false;
}

// First all out of the way of the targets, then everything else marked to be closed by exec, then the targets.
static int arrange_fds(struct birth *birth)
{
	for (size_t i = 0; i < birth->fds; i++) {
		birth->moved[i] = fcntl(birth->params->fds[i].fd, F_DUPFD_CLOEXEC, birth->highest + 1);
		if (birth->moved[i] < 0)
			return -1;
	}
	birth->socket = fcntl(birth->socket, F_DUPFD_CLOEXEC, birth->highest + 1);
	if (birth->socket < 0 || syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return -1;
	for (size_t i = 0; i < birth->fds; i++)
		if (dup2(birth->moved[i], birth->params->fds[i].as) < 0)
			return -1;
	for (int fd = 0; fd <= 2; fd++) {
		if (is_target(birth, fd))
			continue;
		int null = open("/dev/null", O_RDWR);
		if (null < 0 || (null != fd && dup2(null, fd) < 0))
			return -1;
		if (null > 2)
			close(null);
	}
	return 0;
}

static int drop_privileges(uid_t uid, gid_t gid)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	if (uid == 0)
		return 0;
	if (geteuid() != uid) {
		for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
			if (prctl(PR_CAPBSET_DROP, cap) < 0)
				return -1;
		// the system calls themselves: glibc's wrappers talk to threads that this copy does not have
		if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, gid, gid, gid) < 0 ||
			syscall(SYS_setresuid, uid, uid, uid) < 0)
			return -1;
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, none) < 0)
		return -1;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

// The system call itself: glibc's wrapper refuses the two signals that it keeps for threads, and an ignored one is inherited.
static void default_signals(void)
{
	static const char action[64]; // the kernel's struct in any layout: SIG_DFL, no flags, empty mask
	sigset_t none;

	for (int signum = 1; signum < _NSIG; signum++)
		(void)syscall(
			SYS_rt_sigaction, signum, action, NULL, _NSIG / 8); // SIGKILL and SIGSTOP refuse
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void become(struct birth *birth)
{
	const struct spawn_params *params = birth->params;
	const char *at = NULL;

	setpgid(0, 0);
	if (send_pidfd(birth->socket) < 0)
		give_up(birth->socket, STEP_BORN);
	if (join_cgroup(params->cgroup) < 0)
		give_up(birth->socket, STEP_CGROUP);
	if (arrange_fds(birth) < 0)
		give_up(birth->socket, STEP_FDS);
	if (params->cage && (cage_enter(params->cage, &at) < 0 || cage_limit(params->cage) < 0))
		give_up_at(birth->socket, STEP_CAGE, at);
	if (drop_privileges(params->uid, params->gid) < 0)
		give_up(birth->socket, STEP_PRIVILEGES);
	// After the change of users, which clears it; a parent that died before is noticed by its number.
	if (birth->parent && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != birth->parent))
		give_up(birth->socket, STEP_BORN);
	if (chdir(params->directory ? params->directory : "/") < 0)
		give_up(birth->socket, STEP_DIRECTORY);
	default_signals();
	if (params->cage && cage_lock(params->cage) < 0)
		give_up(birth->socket, STEP_PRIVILEGES);
	execvpe(params->argv[0], (char *const *)(uintptr_t)params->argv, birth->environment);
	give_up(birth->socket, STEP_EXEC);
}

static _Noreturn void intermediate(struct birth *birth)
{
	setsid();
	pid_t pid = fork();
	if (pid == 0)
		become(birth);
	if (pid < 0)
		give_up(birth->socket, STEP_FORK);
	_exit(0);
}

// 1 with a note, 0 at the end, -1 with errno.
static int receive_note(int socket, struct note *note, int *pidfd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { note, sizeof(*note) };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	struct pollfd pollfd = { .fd = socket, .events = POLLIN };

	int ready = poll(&pollfd, 1, EXEC_TIMEOUT_MS);
	if (ready <= 0) {
		errno = ready == 0 ? ETIMEDOUT : errno;
		return -1;
	}
	ssize_t count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	if (count <= 0)
		return (int)count;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(pidfd, CMSG_DATA(header), sizeof(int));
	return 1;
}

static int refused(const char *program, const struct note *note, struct error *err)
{
	if (note->step == STEP_CAGE && note->errnum == EPERM)
		return error_set_errno(err, note->errnum,
			"cannot start %s: this node does not let it have namespaces and a root of its own; "
			"permit them, "
			"or set isolation=basic in [hypervisor] of the node's configuration",
			program);
	return error_set_errno(err, note->errnum, "cannot start %s: it could not %s%s%s", program,
		step_texts[note->step], note->at[0] ? ", at " : "", note->at);
}

static int await_exec(int socket, const char *program, pid_t *pid, int *pidfd, struct error *err)
{
	struct note note;
	int result;

	*pid = 0;
	while ((result = receive_note(socket, &note, pidfd)) > 0) {
		if (note.step != STEP_BORN || note.errnum != 0)
			return refused(program, &note, err);
		*pid = note.pid;
	}
	if (result < 0) {
		int errnum = errno;
		if (*pidfd >= 0)
			syscall(SYS_pidfd_send_signal, *pidfd, SIGKILL, NULL, 0);
		return error_set_errno(
			err, errnum, "cannot start %s: its execution hangs, it was killed", program);
	}
	if (*pid == 0)
		return error_set(
			err, ERROR_FAILED, "cannot start %s: its process died before it ran", program);
	return 0;
}

// PATH and TMPDIR of ours and the plain locale; nothing of what our service manager told us.
static char **environment_for_detached(void)
{
	static const char *const names[] = { "PATH", "TMPDIR" };
	char **variables = calloc(4, sizeof(*variables));
	size_t used = 0;

	if (!variables)
		return NULL;
	for (size_t i = 0; i < 2; i++) {
		const char *value = getenv(names[i]);
		if (value && asprintf(&variables[used], "%s=%s", names[i], value) >= 0)
			used++;
	}
	variables[used] = strdup("LC_ALL=C");
	return variables;
}

static void environment_free(char **variables)
{
	for (size_t i = 0; variables[i]; i++)
		free(variables[i]);
	free(variables);
}

static int prepare(struct birth *birth, const struct spawn_params *params, struct error *err)
{
	*birth = (struct birth){ .params = params, .highest = 2 };
	for (; params->fds && params->fds[birth->fds].fd >= 0; birth->fds++) {
		if (birth->fds == FDS_MAX)
			return error_set(err, ERROR_FAILED, "cannot start %s: more than %d descriptors",
				params->argv[0], FDS_MAX);
		if (params->fds[birth->fds].as > birth->highest)
			birth->highest = params->fds[birth->fds].as;
	}
	return 0;
}

static void reap(pid_t child)
{
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

static _Noreturn void attached(struct birth *birth)
{
	setsid();
	become(birth);
}

static int start(const struct spawn_params *params, pid_t parent, pid_t *pid, int *pidfd, struct error *err)
{
	struct birth birth;
	int ends[2];
	cleanup_fd int watch = -1;

	if (prepare(&birth, params, err) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return error_set_errno(err, errno, "cannot start %s", params->argv[0]);
	cleanup_fd int ours = ends[0];
	char **environment = environment_for_detached();
	if (!environment) {
		close(ends[1]);
		return error_set(err, ERROR_NO_SPACE, "cannot start %s: no memory", params->argv[0]);
	}
	birth.environment = environment;
	birth.socket = ends[1];
	birth.parent = parent;
	pid_t child = fork();
	if (child == 0 && parent)
		attached(&birth);
	if (child == 0)
		intermediate(&birth);
	int errnum = errno;
	close(ends[1]);
	environment_free(environment);
	if (child < 0)
		return error_set_errno(err, errnum, "cannot start %s", params->argv[0]);
	if (!parent)
		reap(child);
	if (await_exec(ours, params->argv[0], pid, &watch, err) < 0) {
		if (parent)
			reap(child); // it gave up, or was killed
		return -1;
	}
	if (pidfd)
		*pidfd = steal_fd(&watch);
	return 0;
}

int spawn_detached(const struct spawn_params *params, pid_t *pid, int *pidfd, struct error *err)
{
	return start(params, 0, pid, pidfd, err);
}

int spawn_attached(const struct spawn_params *params, pid_t *pid, int *pidfd, struct error *err)
{
	return start(params, getpid(), pid, pidfd, err);
}
