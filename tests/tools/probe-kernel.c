// SPDX-License-Identifier: GPL-3.0-or-later
// Tries on the kernel itself: file systems, namespaces, modules, clocks, keys, and system calls of other kinds of programs.
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/quota.h>
#include <sys/reboot.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>
#include "tests/tools/probe.h"

#define TRY(name) static int name(const struct probe_targets *targets, const char *argument)
#define NUMBER(call) ((call) < 0 ? -1 : 0)

TRY(may_mount)
{
	return mount("probe", argument, "tmpfs", 0, NULL);
}
TRY(may_bind)
{
	return mount("/", argument, NULL, MS_BIND, NULL);
}
TRY(may_remount)
{
	return mount(NULL, argument, NULL, MS_REMOUNT | MS_BIND, NULL);
}
TRY(may_unmount)
{
	return umount2(argument, MNT_DETACH);
}
TRY(may_change_root)
{
	return chroot(argument);
}
TRY(may_pivot)
{
	return (int)syscall(SYS_pivot_root, "/", "/");
}
TRY(may_open_tree)
{
	return NUMBER(syscall(SYS_open_tree, AT_FDCWD, "/", 1 /* clone */));
}
TRY(may_open_file_system)
{
	return NUMBER(syscall(SYS_fsopen, "tmpfs", 0));
}
TRY(may_move_mount)
{
	return (int)syscall(SYS_move_mount, AT_FDCWD, "/usr/lib", AT_FDCWD, "/proc", 0);
}
TRY(may_unshare)
{
	return unshare(atoi(argument));
}

static int nothing(void *data)
{
	return 0;
}

TRY(may_clone)
{
	static char stack[16384] __attribute__((aligned(16)));
	return NUMBER(clone(nothing, stack + sizeof(stack), atoi(argument) | SIGCHLD, NULL));
}
TRY(may_clone3)
{
	struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(0);
	return NUMBER(pid);
}
TRY(may_enter)
{
	int fd = open(argument, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -1 : setns(fd, 0);
}
TRY(may_open_handle)
{
	struct {
		unsigned bytes;
		int type;
		unsigned char handle[64];
	} handle = { .bytes = 8, .type = 1 };
	int fd = open("/", O_RDONLY | O_CLOEXEC);
	return NUMBER(syscall(SYS_open_by_handle_at, fd, &handle, O_RDONLY));
}
TRY(may_watch_files)
{
	return NUMBER(syscall(SYS_fanotify_init, 0, O_RDONLY));
}
TRY(may_load_module)
{
	return (int)syscall(SYS_init_module, "x", 1UL, "");
}
TRY(may_load_module_file)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	return (int)syscall(SYS_finit_module, fd, "", 0);
}
TRY(may_unload_module)
{
	return (int)syscall(SYS_delete_module, "probe_has_no_such_module", O_NONBLOCK);
}
TRY(may_load_kernel)
{
	return (int)syscall(SYS_kexec_load, 0UL, 0UL, NULL, 0UL);
}
TRY(may_reboot)
{
	return reboot(RB_DISABLE_CAD);
}
TRY(may_swap)
{
	return swapon("/proc/self/exe", 0);
}
TRY(may_stop_swap)
{
	return swapoff("/proc/self/exe");
}
TRY(may_rename_host)
{
	return sethostname("probe", 5);
}
TRY(may_rename_domain)
{
	return setdomainname("probe", 5);
}
TRY(may_set_time)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return clock_settime(CLOCK_REALTIME, &now);
}
TRY(may_set_day)
{
	struct timeval now;
	gettimeofday(&now, NULL);
	return settimeofday(&now, NULL);
}
TRY(may_tune_clock)
{
	struct timex timex = { .modes = ADJ_MAXERROR, .maxerror = 500000 };
	return NUMBER(adjtimex(&timex));
}
TRY(may_account)
{
	return acct(NULL);
}
TRY(may_read_quota)
{
	return quotactl(QCMD(Q_SYNC, USRQUOTA), "/dev/sda", 0, NULL);
}
TRY(may_read_kernel_log)
{
	char text[256];
	return NUMBER(klogctl(3, text, sizeof(text)));
}
TRY(may_clear_kernel_log)
{
	return klogctl(6, NULL, 0); // 6: console off
}
TRY(may_use_ports)
{
	return iopl(3);
}
TRY(may_use_port)
{
	return ioperm(0x80, 1, 1);
}
TRY(may_hang_up)
{
	return vhangup();
}
TRY(may_load_bpf)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1
	};
	return NUMBER(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}
TRY(may_measure)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.exclude_kernel = 1 };
	return NUMBER(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0UL));
}
TRY(may_handle_faults)
{
	return NUMBER(syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* user mode only */));
}
TRY(may_use_keys)
{
	return NUMBER(syscall(SYS_keyctl, 0 /* get id */, -3 /* session */, 1));
}
TRY(may_add_key)
{
	return NUMBER(syscall(SYS_add_key, "user", "probe", "x", 1UL, -3));
}
TRY(may_request_key)
{
	return NUMBER(syscall(SYS_request_key, "user", "probe", NULL, 0));
}
TRY(may_use_uring)
{
	char params[120] = { 0 };
	return NUMBER(syscall(SYS_io_uring_setup, 4, params));
}
TRY(may_share_memory)
{
	return NUMBER(syscall(SYS_shmget, 0, 4096UL, 0600 | 01000));
}
TRY(may_share_semaphores)
{
	return NUMBER(syscall(SYS_semget, 0, 1, 0600 | 01000));
}
TRY(may_share_messages)
{
	return NUMBER(syscall(SYS_msgget, 0, 0600 | 01000));
}
TRY(may_open_queue)
{
	return NUMBER(syscall(SYS_mq_open, "probe", O_RDWR | O_CREAT, 0600, NULL));
}
TRY(may_change_personality)
{
	return NUMBER(syscall(SYS_personality, 0x0400000 /* read implies exec */));
}
TRY(may_change_segments)
{
	char table[16];
	return NUMBER(syscall(SYS_modify_ldt, 0, table, sizeof(table)));
}
TRY(may_type_on_terminal)
{
	return NUMBER(syscall(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, "x"));
}

// The same system calls by another door, which a filter might forget.
TRY(may_call_as_32_bit)
{
#ifdef __x86_64__
	long result;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20L /* getpid */) : "memory", "cc");
	errno = ENOSYS;
	return result > 0 ? 0 : -1;
#else
	errno = ENOSYS;
	return -1;
#endif
}
TRY(may_call_as_x32)
{
	return NUMBER(syscall(0x40000000 | SYS_getpid));
}

#define UNSHARE(text, flag)                           \
	{ "get another", may_unshare, flag },         \
	{                                             \
		"clone into another", may_clone, flag \
	}

const struct probe kernel_probes[] = {
	{ "mount on", may_mount, "/proc" },
	{ "mount on", may_mount, "/tmp" },
	{ "bind over", may_bind, "/proc" },
	{ "make writable", may_remount, "/" },
	{ "make writable", may_remount, "/usr/lib" },
	{ "unmount", may_unmount, "/proc" },
	{ "unmount", may_unmount, "/usr/lib" },
	{ "change its root to", may_change_root, "/proc" },
	{ "exchange its root", may_pivot, "" },
	{ "copy its mounts", may_open_tree, "" },
	{ "open a file system", may_open_file_system, "" },
	{ "move a mount", may_move_mount, "" },
	UNSHARE("user namespace", "268435456"),
	UNSHARE("mount namespace", "131072"),
	UNSHARE("network namespace", "1073741824"),
	UNSHARE("pid namespace", "536870912"),
	UNSHARE("ipc namespace", "134217728"),
	UNSHARE("uts namespace", "67108864"),
	UNSHARE("cgroup namespace", "33554432"),
	{ "clone3 into another user namespace", may_clone3, "" },
	{ "enter", may_enter, "/proc/1/ns/mnt" },
	{ "enter", may_enter, "/proc/1/ns/net" },
	{ "enter", may_enter, "/proc/self/ns/user" },
	{ "open a file by its handle", may_open_handle, "" },
	{ "watch all files", may_watch_files, "" },
	{ "load a module", may_load_module, "" },
	{ "load a module from a file", may_load_module_file, "" },
	{ "unload a module", may_unload_module, "" },
	{ "load another kernel", may_load_kernel, "" },
	{ "reboot", may_reboot, "" },
	{ "add swap", may_swap, "" },
	{ "take swap away", may_stop_swap, "" },
	{ "rename the host", may_rename_host, "" },
	{ "rename the domain", may_rename_domain, "" },
	{ "set the clock", may_set_time, "" },
	{ "set the day", may_set_day, "" },
	{ "tune the clock", may_tune_clock, "" },
	{ "stop accounting", may_account, "" },
	{ "read quotas", may_read_quota, "" },
	{ "read the kernel's log", may_read_kernel_log, "" },
	{ "silence the kernel", may_clear_kernel_log, "" },
	{ "use I/O ports", may_use_ports, "" },
	{ "use an I/O port", may_use_port, "" },
	{ "hang up the terminal", may_hang_up, "" },
	{ "load a BPF map", may_load_bpf, "" },
	{ "measure the machine", may_measure, "" },
	{ "handle page faults", may_handle_faults, "" },
	{ "use keys", may_use_keys, "" },
	{ "add a key", may_add_key, "" },
	{ "request a key", may_request_key, "" },
	{ "use an I/O ring", may_use_uring, "" },
	{ "share memory", may_share_memory, "" },
	{ "share semaphores", may_share_semaphores, "" },
	{ "share messages", may_share_messages, "" },
	{ "open a message queue", may_open_queue, "" },
	{ "change its personality", may_change_personality, "" },
	{ "change its segments", may_change_segments, "" },
	{ "type on a terminal", may_type_on_terminal, "" },
	{ "make system calls as a 32-bit program", may_call_as_32_bit, "" },
	{ "make system calls as an x32 program", may_call_as_x32, "" },
	{ 0 },
};
