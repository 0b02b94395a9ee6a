// SPDX-License-Identifier: GPL-3.0-or-later
// Puts a cage up around the calling process, between fork and exec: plain system calls, no allocation. The new root is a small tmpfs that ends
// with the process's mount namespace, so that nothing is left behind whatever happens.
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "common/cage-private.h"

// From <sys/mount.h>, which does not go together with <linux/mount.h>.
#ifndef MNT_DETACH
#define MNT_DETACH 2
#endif

#define PROCESSES_MAX 4096 // threads of a guest: processors, and QEMU's workers for each disk
#define FILES_MAX 16384
#define KEYCTL_JOIN_SESSION 1

static int mount_at(
	const char *source, const char *target, const char *type, unsigned long flags, const char *data)
{
	return (int)syscall(SYS_mount, source, target, type, flags, data);
}

static int make(const struct cage_op *op)
{
	struct stat info;
	if (op->kind == CAGE_OP_DIRECTORY)
		return mkdir(op->path, 0711) && errno != EEXIST ? -1 : 0;
	if (op->kind == CAGE_OP_LINK)
		return symlink(op->source, op->path) && errno != EEXIST ? -1 : 0;
	if (!stat(op->path, &info))
		return 0; // below a directory that is shown already
	if (op->kind == CAGE_OP_BIND_DIRECTORY ? mkdir(op->path, 0755) : mknod(op->path, S_IFREG | 0444, 0))
		return -1;
	return mount_at(op->source, op->path, NULL, MS_BIND, NULL);
}

static int carry_out(const struct cage_plan *plan, const char **at)
{
	for (size_t i = 0; i < plan->count; i++) {
		*at = plan->ops[i].path;
		if (make(&plan->ops[i]))
			return -1;
	}
	*at = NULL;
	return 0;
}

// Only its own processes are in it. Kernels before 5.8 know another word.
static int mount_proc(const char *path)
{
	unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	if (!mount_at("proc", path, "proc", flags, "hidepid=invisible,subset=pid"))
		return 0;
	return mount_at("proc", path, "proc", flags, "hidepid=2");
}

// The old root is put over the new one and taken away. Where the root is no mount point that could be exchanged (a chroot), the new one is moved
// over it; without capabilities there is no way back from either.
static int change_root(const char *base)
{
	if (chdir(base))
		return -1;
	if (!syscall(SYS_pivot_root, ".", "."))
		return syscall(SYS_umount2, ".", MNT_DETACH) || chdir("/") ? -1 : 0;
	return mount_at(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/") ? -1 : 0;
}

int cage_enter(const struct cage_entry *entry, const char **at)
{
	const struct cage *cage = entry->cage;
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID };
	*at = NULL;
	if (cage->kind == CAGE_BASIC)
		return 0;
	mode_t mask = umask(022); // everybody may go through
	if (syscall(SYS_unshare,
		    CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | (entry->network ? 0 : CLONE_NEWNET)) ||
		mount_at(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -1;
	*at = cage->base;
	if (mount_at("holdfast", cage->base, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		    "size=64k,nr_inodes=512,mode=711") ||
		carry_out(&cage->plan, at) || carry_out(&entry->plan, at))
		return -1;
	*at = cage->proc;
	if (mount_proc(cage->proc))
		return -1;
	*at = cage->base;
	if (syscall(SYS_mount_setattr, AT_FDCWD, cage->base, AT_RECURSIVE, &read_only, sizeof(read_only)))
		return -1;
	umask(mask);
	return change_root(cage->base);
}

static int limit(int resource, rlim_t most)
{
	struct rlimit now;
	if (getrlimit(resource, &now))
		return -1;
	if (now.rlim_max != RLIM_INFINITY && now.rlim_max < most)
		most = now.rlim_max;
	struct rlimit wanted = { most, most };
	return setrlimit(resource, &wanted);
}

int cage_limit(const struct cage_entry *entry)
{
	// 1 and not 0: with 0 a core that is piped to a program (core_pattern "|...") would be made all the same.
	if (!entry->cage->core_dumps && limit(RLIMIT_CORE, 1))
		return -1;
	return limit(RLIMIT_NPROC, PROCESSES_MAX) || limit(RLIMIT_NOFILE, FILES_MAX) ||
			limit(RLIMIT_MSGQUEUE, 0) || limit(RLIMIT_RTPRIO, 0) || limit(RLIMIT_NICE, 0)
		? -1
		: 0;
}

int cage_lock(const struct cage_entry *entry)
{
	// The keys of our session are not its own; a kernel without keys has none to give away.
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION, NULL) < 0 && errno != ENOSYS && errno != EDQUOT)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &entry->cage->filter, 0, 0);
}
