// SPDX-License-Identifier: GPL-3.0-or-later
// Makes and finds the memfds of guests. What is found in a QEMU is believed only if it is sealed and has the size that it should have.
#include "hypervisor/guest-ram.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/cleanup.h"

#define NAME_PREFIX "holdfast-"
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

int guest_ram_create(const char *id, uint64_t bytes, int *fd, struct error *err)
{
	char name[sizeof(NAME_PREFIX) + GUEST_RAM_ID_MAX];
	snprintf(name, sizeof(name), NAME_PREFIX "%.*s", GUEST_RAM_ID_MAX, id);
	cleanup_fd int memory = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memory < 0 || ftruncate(memory, (off_t)bytes) || fcntl(memory, F_ADD_SEALS, SEALS))
		return error_set_errno(
			err, errno, "cannot make guest memory of %" PRIu64 " KiB", bytes / 1024);
	*fd = steal_fd(&memory);
	return 0;
}

// Opens /proc/PID/fd/ENTRY if it is what guest_ram_create made.
static int open_if_ours(int directory, const char *entry, const char *wanted, uint64_t bytes)
{
	char target[300];
	struct stat info;
	ssize_t length = readlinkat(directory, entry, target, sizeof(target) - 1);
	if (length <= 0)
		return -1;
	target[length] = '\0';
	if (strcmp(target, wanted))
		return -1;
	cleanup_fd int fd = openat(directory, entry, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &info) || (uint64_t)info.st_size != bytes)
		return -1;
	int seals = fcntl(fd, F_GET_SEALS);
	return seals >= 0 && (seals & F_SEAL_SHRINK) ? steal_fd(&fd) : -1;
}

int guest_ram_open(pid_t pid, const char *id, uint64_t bytes, int *fd, struct error *err)
{
	char path[64], wanted[64 + GUEST_RAM_ID_MAX];
	int found = -1;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	snprintf(wanted, sizeof(wanted), "/memfd:" NAME_PREFIX "%.*s (deleted)", GUEST_RAM_ID_MAX, id);
	DIR *fds = opendir(path);
	if (!fds)
		return error_set_errno(err, errno, "cannot look into process %d", (int)pid);
	for (struct dirent *entry; found < 0 && (entry = readdir(fds));)
		found = open_if_ours(dirfd(fds), entry->d_name, wanted, bytes);
	closedir(fds);
	if (found < 0)
		return error_set(err, ERROR_NOT_FOUND,
			"process %d has no shared memory %s of %" PRIu64 " KiB", (int)pid, id, bytes / 1024);
	*fd = found;
	return 0;
}

int guest_ram_clear(int fd, uint64_t bytes, struct error *err)
{
	off_t data = lseek(fd, 0, SEEK_DATA);
	if (data < 0 && errno == ENXIO)
		return 0; // nothing but a hole
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes))
		return error_set_errno(err, errno, "cannot clear guest memory");
	return 0;
}
