// SPDX-License-Identifier: GPL-3.0-or-later
// Keeps console.log small: QEMU appends to it for ever, and the run directory is in memory. What was cut off last is in console.old.
#include <fcntl.h>
#include <sys/stat.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "hypervisor/console-log.h"
#include "hypervisor/group-private.h"
#include "hypervisor/vm-private.h"

#define LOG_LIMIT (1 << 20)
#define LOG_KEPT (128 << 10)
#define LOOK_MS 10000

static void trim(struct vm *vm)
{
	char path[512], old[512];
	struct stat info;
	struct error err = ERROR_INIT;
	if (vm_path(vm, "console.log", path, sizeof(path), &err) ||
		vm_path(vm, "console.old", old, sizeof(old), &err))
		return;
	cleanup_fd int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &info) || info.st_size <= LOG_LIMIT)
		return;
	cleanup_free char *kept = malloc(LOG_KEPT);
	ssize_t count = kept ? pread(fd, kept, LOG_KEPT, info.st_size - LOG_KEPT) : -1;
	// QEMU writes with O_APPEND: what comes next is at the beginning of the empty file.
	if (ftruncate(fd, 0) || count < 0 || file_write_atomic(old, kept, (size_t)count, 0600, &err))
		log_warning("vm=%s its console log is cut: %s", vm_name(vm), err.message);
}

static enum loop_verdict look(void *data)
{
	struct hypervisor *hv = data;
	for (struct group *group = hv->groups->first; group; group = group->next)
		for (size_t i = 0; i < group->vm_count; i++)
			if (vm_has_process(group->vms[i]))
				trim(group->vms[i]);
	return LOOP_CONTINUE;
}

void console_log_keep_small(struct hypervisor *hv)
{
	loop_add_timer(hv->loop, LOOK_MS, look, hv);
}
