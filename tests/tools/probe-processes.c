// SPDX-License-Identifier: GPL-3.0-or-later
// Tries on other processes and on its own privileges.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/kcmp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "tests/tools/probe.h"

static pid_t victim(const struct probe_targets *targets, const char *who)
{
	return !strcmp(who, "hypervisord")	? targets->daemon
		: !strcmp(who, "another guest") ? targets->other
						: 1;
}

static int may_signal(const struct probe_targets *targets, const char *who)
{
	return kill(victim(targets, who), 0);
}

static int may_queue(const struct probe_targets *targets, const char *who)
{
	return sigqueue(victim(targets, who), 0, (union sigval){ 0 });
}

static int may_trace(const struct probe_targets *targets, const char *who)
{
	return (int)ptrace(PTRACE_SEIZE, victim(targets, who), NULL, NULL);
}

static int may_read_memory(const struct probe_targets *targets, const char *who)
{
	char byte;
	struct iovec ours = { &byte, 1 }, theirs = { (void *)0x400000, 1 };
	return syscall(SYS_process_vm_readv, victim(targets, who), &ours, 1, &theirs, 1, 0) < 0 ? -1 : 0;
}

static int may_write_memory(const struct probe_targets *targets, const char *who)
{
	char byte = 0;
	struct iovec ours = { &byte, 1 }, theirs = { (void *)0x400000, 1 };
	return syscall(SYS_process_vm_writev, victim(targets, who), &ours, 1, &theirs, 1, 0) < 0 ? -1 : 0;
}

static int may_open_pidfd(const struct probe_targets *targets, const char *who)
{
	return syscall(SYS_pidfd_open, victim(targets, who), 0) < 0 ? -1 : 0;
}

static int may_renice(const struct probe_targets *targets, const char *who)
{
	return setpriority(PRIO_PROCESS, (id_t)victim(targets, who), 19);
}

static int may_pin(const struct probe_targets *targets, const char *who)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	return sched_setaffinity(victim(targets, who), sizeof(set), &set);
}

static int may_limit(const struct probe_targets *targets, const char *who)
{
	struct rlimit limit;
	return prlimit(victim(targets, who), RLIMIT_NOFILE, NULL, &limit);
}

static int may_move_memory(const struct probe_targets *targets, const char *who)
{
	return syscall(SYS_move_pages, victim(targets, who), 0UL, NULL, NULL, NULL, 0) < 0 ? -1 : 0;
}

static int may_compare(const struct probe_targets *targets, const char *who)
{
	return syscall(SYS_kcmp, getpid(), victim(targets, who), KCMP_VM, 0UL, 0UL) < 0 ? -1 : 0;
}

static int may_see_processes(const struct probe_targets *targets, const char *who)
{
	DIR *proc = opendir("/proc");
	if (!proc)
		return -1;
	for (struct dirent *entry; (entry = readdir(proc));) {
		int pid = atoi(entry->d_name);
		if (pid == 1 || pid == targets->daemon || pid == targets->other)
			return 0;
	}
	errno = ENOENT;
	return -1;
}

static int may_write_oom(const struct probe_targets *targets, const char *value)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, value, strlen(value)) < 0 ? -1 : 0;
}

// ---- privileges

static int may_be_user(const struct probe_targets *targets, const char *who)
{
	uid_t uid = strcmp(who, "root") ? targets->other_uid : 0;
	return setresuid(uid, uid, uid) && seteuid(uid) && setuid(uid) ? -1 : 0;
}

static int may_be_file_user(const struct probe_targets *targets, const char *who)
{
	setfsuid(0);
	errno = EPERM;
	return setfsuid((uid_t)-1) == 0 ? 0 : -1;
}

static int may_be_group(const struct probe_targets *targets, const char *who)
{
	return setresgid(0, 0, 0) && setegid(0) ? -1 : 0;
}

static int may_join_groups(const struct probe_targets *targets, const char *who)
{
	gid_t group = 0;
	return setgroups(1, &group);
}

static int has_groups(const struct probe_targets *targets, const char *who)
{
	errno = EPERM;
	return getgroups(0, NULL) > 0 ? 0 : -1;
}

static int may_take_capabilities(const struct probe_targets *targets, const char *who)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { .effective = ~0u, .permitted = ~0u }, { ~0u, ~0u, 0 } };
	return (int)syscall(SYS_capset, &header, data);
}

static int has_capabilities(const struct probe_targets *targets, const char *who)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	if (syscall(SYS_capget, &header, data))
		return -1;
	errno = EPERM;
	return data[0].effective || data[0].permitted || data[0].inheritable || data[1].permitted ? 0 : -1;
}

static int has_bounding_set(const struct probe_targets *targets, const char *who)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (prctl(PR_CAPBSET_READ, cap) == 1)
			return 0;
	errno = EPERM;
	return -1;
}

static int may_raise_ambient(const struct probe_targets *targets, const char *who)
{
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0);
}

static int may_set_securebits(const struct probe_targets *targets, const char *who)
{
	return prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS, 0, 0, 0);
}

static int may_gain_by_exec(const struct probe_targets *targets, const char *who)
{
	errno = EPERM;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? -1 : 0;
}

static int may_leave_filter(const struct probe_targets *targets, const char *who)
{
	errno = EPERM;
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0 ? 0 : -1;
}

static int may_dump_core(const struct probe_targets *targets, const char *who)
{
	struct rlimit limit = { 4096, 4096 };
	if (setrlimit(RLIMIT_CORE, &limit))
		return -1;
	return 0;
}

static int may_have_more_processes(const struct probe_targets *targets, const char *who)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	return setrlimit(RLIMIT_NPROC, &limit);
}

static int may_be_realtime(const struct probe_targets *targets, const char *who)
{
	struct sched_param param = { .sched_priority = 1 };
	return sched_setscheduler(0, SCHED_FIFO, &param);
}

static int may_be_urgent(const struct probe_targets *targets, const char *who)
{
	return setpriority(PRIO_PROCESS, 0, -10);
}

static int may_do_urgent_io(const struct probe_targets *targets, const char *who)
{
	return (int)syscall(SYS_ioprio_set, 1, 0, 1 << 13);
}

static int may_lock_memory(const struct probe_targets *targets, const char *who)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	return setrlimit(RLIMIT_MEMLOCK, &limit);
}

#define EACH(text, act)                                               \
	{ text, act, "hypervisord" }, { text, act, "another guest" }, \
	{                                                             \
		text, act, "init"                                     \
	}

const struct probe process_probes[] = {
	EACH("signal", may_signal),
	EACH("queue a signal to", may_queue),
	EACH("trace", may_trace),
	EACH("read the memory of", may_read_memory),
	EACH("write the memory of", may_write_memory),
	EACH("open a descriptor of", may_open_pidfd),
	EACH("renice", may_renice),
	EACH("pin", may_pin),
	EACH("read the limits of", may_limit),
	EACH("move the memory of", may_move_memory),
	EACH("compare itself with", may_compare),
	{ "see other processes", may_see_processes, "" },
	{ "be the last to be killed", may_write_oom, "-1000" },
	{ "become", may_be_user, "root" },
	{ "become", may_be_user, "another guest" },
	{ "reach files as root", may_be_file_user, "" },
	{ "become root's group", may_be_group, "" },
	{ "join groups", may_join_groups, "" },
	{ "have groups", has_groups, "" },
	{ "have capabilities", has_capabilities, "" },
	{ "take capabilities", may_take_capabilities, "" },
	{ "have a bounding set", has_bounding_set, "" },
	{ "raise ambient capabilities", may_raise_ambient, "" },
	{ "set secure bits", may_set_securebits, "" },
	{ "gain privileges by exec", may_gain_by_exec, "" },
	{ "be without a filter", may_leave_filter, "" },
	{ "dump its guest's memory", may_dump_core, "" },
	{ "have processes without limit", may_have_more_processes, "" },
	{ "lock memory without limit", may_lock_memory, "" },
	{ "run in real time", may_be_realtime, "" },
	{ "run before others", may_be_urgent, "" },
	{ "do I/O before others", may_do_urgent_io, "" },
	{ 0 },
};
