// SPDX-License-Identifier: GPL-3.0-or-later
// Small files. A write is a new file beside the old one, synced, renamed over it, and the directory synced: whoever reads
// sees the old or the new, also after a power cut.
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/cleanup.h"

int file_read(const char *path, size_t limit, char **text, size_t *bytes, struct error *err)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	cleanup_free char *buffer = NULL;
	size_t used = 0, size = 0;

	if (fd < 0)
		return error_set_errno(err, errno, "cannot read %s", path);
	for (;;) {
		if (size - used < 2) { // not from st_size: it is 0 under /proc and /sys
			size = size ? size * 2 : 4096;
			char *larger = realloc(buffer, size);
			if (!larger)
				return error_set(
					err, ERROR_NO_SPACE, "cannot read %s: no memory for it", path);
			buffer = larger;
		}
		ssize_t count = read(fd, buffer + used, size - used - 1);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return error_set_errno(err, errno, "cannot read %s", path);
		if (count == 0)
			break;
		used += (size_t)count;
		if (used > limit)
			return error_set(err, ERROR_NO_SPACE, "cannot read %s: it has more than %zu bytes",
				path, limit);
	}
	buffer[used] = '\0';
	*text = steal_ptr(buffer);
	if (bytes)
		*bytes = used;
	return 0;
}

static int write_all(int fd, const char *bytes, size_t count)
{
	while (count > 0) {
		ssize_t written = write(fd, bytes, count);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		bytes += written;
		count -= (size_t)written;
	}
	return 0;
}

static int sync_directory_of(const char *path, struct error *err)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int length = slash == path ? 1 : slash ? (int)(slash - path) : 1;

	snprintf(directory, sizeof(directory), "%.*s", length, slash ? path : ".");
	cleanup_fd int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return error_set_errno(err, errno, "cannot sync the directory %s", directory);
	return 0;
}

int file_write_atomic(const char *path, const void *bytes, size_t count, mode_t mode, struct error *err)
{
	char temporary[PATH_MAX];

	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary))
		return error_set_errno(err, ENAMETOOLONG, "cannot write %s", path);
	cleanup_fd int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(err, errno, "cannot write %s", path);
	if (fchmod(fd, mode) < 0 || write_all(fd, bytes, count) < 0 || fsync(fd) < 0 ||
		rename(temporary, path) < 0) {
		int errnum = errno;
		unlink(temporary);
		return error_set_errno(err, errnum, "cannot write %s", path);
	}
	return sync_directory_of(path, err);
}

int file_remove(const char *path, struct error *err)
{
	if (unlink(path) < 0)
		return errno == ENOENT ? 0 : error_set_errno(err, errno, "cannot remove %s", path);
	return sync_directory_of(path, err);
}

static int make_one(const char *path, mode_t mode, struct error *err)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return error_set_errno(err, errno, "cannot make the directory %s", path);
	if (stat(path, &st) < 0)
		return error_set_errno(err, errno, "cannot make the directory %s", path);
	if (!S_ISDIR(st.st_mode))
		return error_set_errno(err, ENOTDIR, "cannot make the directory %s", path);
	return 0;
}

int file_make_directory(const char *path, mode_t mode, struct error *err)
{
	char parent[PATH_MAX];
	size_t length = strlen(path);

	if (length >= sizeof(parent))
		return error_set_errno(err, ENAMETOOLONG, "cannot make the directory %s", path);
	for (size_t i = 1; i < length; i++) {
		if (path[i] != '/' || path[i + 1] == '/' || path[i + 1] == '\0')
			continue;
		memcpy(parent, path, i);
		parent[i] = '\0';
		if (make_one(parent, 0755, err) < 0)
			return -1;
	}
	return make_one(path, mode, err);
}

int file_let_group_in(const char *directory, const char *group, struct error *err)
{
	struct group entry, *found = NULL;
	char buffer[4096];
	bool there = getgrnam_r(group, &entry, buffer, sizeof(buffer), &found) == 0 && found;

	if (chown(directory, (uid_t)-1, there ? entry.gr_gid : (gid_t)-1) < 0 ||
		chmod(directory, there ? 0750 : 0700) < 0)
		return error_set_errno(err, errno, "%s", directory);
	return 0;
}
