// SPDX-License-Identifier: GPL-3.0-or-later
// Makes and removes the guests' cgroups, by mkdir and rmdir. Only in the unified hierarchy (v2) at its usual place; a system with v1
// controllers runs guests in hypervisord's own cgroup, which is no failure.
#include "hypervisor/cgroup.h"
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#define ROOT "/sys/fs/cgroup"
#define SLICE ROOT "/holdfast.slice"

static bool unified(void)
{
	struct statfs info;
	return !statfs(ROOT, &info) && info.f_type == CGROUP2_SUPER_MAGIC && !access(ROOT, W_OK);
}

bool cgroup_make(const char *vm, char *procs, size_t size)
{
	if (!unified() || (mkdir(SLICE, 0755) && errno != EEXIST))
		return false;
	int length = snprintf(procs, size, SLICE "/vm-%s.scope", vm);
	if (length < 0 || (size_t)length >= size || (mkdir(procs, 0755) && errno != EEXIST))
		return false;
	length = snprintf(procs, size, SLICE "/vm-%s.scope/cgroup.procs", vm);
	return length > 0 && (size_t)length < size;
}

void cgroup_remove(const char *vm)
{
	char path[300];
	if (snprintf(path, sizeof(path), SLICE "/vm-%s.scope", vm) < (int)sizeof(path))
		rmdir(path);
}

const char *cgroup_describe(void)
{
	return unified() ? "guests are in cgroups below " SLICE
			 : "guests have no cgroup of their own: " ROOT
			   " is not a writable cgroup v2 hierarchy";
}
