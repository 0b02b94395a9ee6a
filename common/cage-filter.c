// SPDX-License-Identifier: GPL-3.0-or-later
// The system calls that a caged process gets no answer to: those that change the machine, look into other processes, or make new namespaces, and
// large parts of the kernel that no guest's QEMU needs. QEMU's own sandbox comes on top. All else is allowed.
#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/cage-private.h"
#include "common/cleanup.h"

static const int denied[] = {
	// the machine
	SCMP_SYS(reboot),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(acct),
	SCMP_SYS(quotactl),
	SCMP_SYS(quotactl_fd),
	SCMP_SYS(syslog),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
	SCMP_SYS(vhangup),
	SCMP_SYS(nfsservctl),
	SCMP_SYS(uselib),
	SCMP_SYS(_sysctl),
	SCMP_SYS(personality),
	SCMP_SYS(modify_ldt),
	// file systems and namespaces
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(open_tree),
	SCMP_SYS(move_mount),
	SCMP_SYS(fsopen),
	SCMP_SYS(fsconfig),
	SCMP_SYS(fsmount),
	SCMP_SYS(fspick),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(name_to_handle_at),
	SCMP_SYS(fanotify_init),
	// other processes
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(process_madvise),
	SCMP_SYS(process_mrelease),
	SCMP_SYS(kcmp),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(migrate_pages),
	SCMP_SYS(move_pages),
	SCMP_SYS(lookup_dcookie),
	// parts of the kernel
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(mq_open),
	SCMP_SYS(shmget),
	SCMP_SYS(semget),
	SCMP_SYS(msgget),
};

// As if the kernel did not have them: whoever tries them knows another way.
static const int missing[] = { SCMP_SYS(clone3), SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register) };

static const int namespaces[] = { CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWIPC,
	CLONE_NEWUTS, CLONE_NEWCGROUP };

static const int families[] = { AF_UNIX, AF_INET, AF_INET6 };

static int add_calls(scmp_filter_ctx context)
{
	int result = 0;
	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]) && !result; i++)
		result = seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), denied[i], 0);
	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]) && !result; i++)
		result = seccomp_rule_add(context, SCMP_ACT_ERRNO(ENOSYS), missing[i], 0);
	return result;
}

static int add_arguments(scmp_filter_ctx context)
{
	int result = 0;
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]) && !result; i++)
		result = seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
			SCMP_A0(SCMP_CMP_MASKED_EQ, (scmp_datum_t)namespaces[i],
				(scmp_datum_t)namespaces[i]));
	// A family between two that are allowed, or beyond the last.
	for (size_t i = 0; i + 1 < sizeof(families) / sizeof(families[0]) && !result; i++)
		for (int family = families[i] + 1; family < families[i + 1] && !result; family++)
			result = seccomp_rule_add(context, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
				SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family));
	if (!result)
		result = seccomp_rule_add(context, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
			SCMP_A0(SCMP_CMP_GT, AF_INET6));
	// A terminal that is its serial port must not be typed into.
	if (!result)
		result = seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, TIOCSTI));
	return result;
}

static int read_program(scmp_filter_ctx context, struct sock_fprog *filter)
{
	struct stat info;
	cleanup_fd int fd = memfd_create("filter", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	int result = seccomp_export_bpf(context, fd);
	if (result)
		return result;
	if (fstat(fd, &info))
		return -errno;
	filter->filter = malloc((size_t)info.st_size);
	if (!filter->filter)
		return -ENOMEM;
	if (pread(fd, filter->filter, (size_t)info.st_size, 0) != info.st_size)
		return -EIO;
	filter->len = (unsigned short)((size_t)info.st_size / sizeof(*filter->filter));
	return 0;
}

int cage_filter_make(struct sock_fprog *filter, struct error *err)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);
	int result = context ? seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2) : -ENOMEM;
	if (!result)
		result = add_calls(context);
	if (!result)
		result = add_arguments(context);
	if (!result)
		result = read_program(context, filter);
	seccomp_release(context);
	return result ? error_set_errno(err, -result, "no filter of system calls can be made") : 0;
}
