// SPDX-License-Identifier: GPL-3.0-or-later
// The locks of a group of files. The lock file may be removed under its holder (file_lock_take_away), so after each flock it is checked
// that the path still names the file that was locked.
#include "storage/file-lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "storage/internal.h"

#define NODE_LIMIT 256

static void read_owner(int fd, char owner[NODE_LIMIT])
{
	ssize_t bytes = pread(fd, owner, NODE_LIMIT - 1, 0);

	owner[bytes > 0 ? bytes : 0] = '\0';
	owner[strcspn(owner, "\n")] = '\0';
}

static int busy_elsewhere(const char *base, const char *owner, struct error *err)
{
	return error_set(err, ERROR_BUSY, "%s is in use on %s: stop it there first", base,
		owner[0] ? owner : "another node");
}

bool file_lock_is_ours(const char *base, int fd)
{
	char path[PATH_MAX];
	struct stat locked, named;

	if (path_format(path, sizeof(path), NULL, "%s/lock", base) < 0)
		return false;
	return fstat(fd, &locked) == 0 && lstat(path, &named) == 0 && locked.st_ino == named.st_ino &&
		locked.st_dev == named.st_dev;
}

// Another node's name in the lock is fine if none of its guests is left; our own always is (hypervisord was started again).
static int check_owner(const char *base, const char *owner, const char *node, const Holdfast__Group *group,
	struct error *err)
{
	if (!owner[0] || strcmp(owner, node) == 0)
		return 0;
	if (file_volumes_unused(base, group, err) < 0)
		return error_prefix(err, "%s was last in use on %s", base, owner);
	return 0;
}

int file_lock_take(
	const char *base, const char *node, const Holdfast__Group *group, int *fd, struct error *err)
{
	char path[PATH_MAX], owner[NODE_LIMIT];

	if (path_format(path, sizeof(path), err, "%s/lock", base) < 0)
		return -1;
	for (;;) {
		cleanup_fd int lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (lock < 0)
			return error_set_errno(err, errno, "cannot lock %s", path);
		int locked = flock(lock, LOCK_EX | LOCK_NB);
		if (locked < 0 && errno != EWOULDBLOCK)
			return error_set_errno(err, errno, "cannot lock %s", path);
		read_owner(lock, owner);
		if (locked < 0)
			return busy_elsewhere(base, owner, err);
		if (!file_lock_is_ours(base, lock))
			continue;
		if (check_owner(base, owner, node, group, err) < 0)
			return -1;
		if (ftruncate(lock, 0) < 0 || pwrite(lock, node, strlen(node), 0) != (ssize_t)strlen(node) ||
			fsync(lock) < 0)
			return error_set_errno(err, errno, "cannot write %s", path);
		*fd = steal_fd(&lock);
		return 0;
	}
}

int file_lock_check(const char *base, const char *node, const Holdfast__Group *group, struct error *err)
{
	char path[PATH_MAX], owner[NODE_LIMIT];

	if (path_format(path, sizeof(path), err, "%s/lock", base) < 0)
		return -1;
	cleanup_fd int lock = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (lock < 0)
		return errno == ENOENT ? 0 : error_set_errno(err, errno, "%s", path);
	read_owner(lock, owner);
	if (flock(lock, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? busy_elsewhere(base, owner, err)
					    : error_set_errno(err, errno, "%s", path);
	return check_owner(base, owner, node, group, err);
}

void file_lock_release(int fd)
{
	if (ftruncate(fd, 0) < 0)
		errno = 0; // the name is only for messages; the flock goes with the descriptor
	close(fd);
}

int file_lock_take_away(const char *base, struct error *err)
{
	char path[PATH_MAX];

	if (path_format(path, sizeof(path), err, "%s/lock", base) < 0)
		return -1;
	return file_remove(path, err);
}

int file_volume_mark_used(int fd, const char *path, struct error *err)
{
	return flock(fd, LOCK_SH | LOCK_NB) < 0
		? error_set_errno(err, errno, "%s cannot be marked as used", path)
		: 0;
}

static int volume_unused(const char *path, struct error *err)
{
	cleanup_fd int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	char holders[256];

	if (fd < 0)
		return errno == ENOENT ? 0 : error_set_errno(err, errno, "%s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return error_set_errno(err, errno, "%s", path);
	close(steal_fd(&fd)); // our own descriptor is no holder
	holders_describe(path, holders, sizeof(holders));
	return error_set(err, ERROR_BUSY, "%s is still open: %s", path,
		holders[0] ? holders : "by a program on another node");
}

int file_volumes_unused(const char *base, const Holdfast__Group *group, struct error *err)
{
	for (size_t i = 0; i < group->n_volumes; i++) {
		char path[PATH_MAX];
		if (group->volumes[i]->index == 0)
			continue;
		if (path_format(path, sizeof(path), err, "%s/%u.raw", base, group->volumes[i]->index) < 0 ||
			volume_unused(path, err) < 0)
			return -1;
	}
	return 0;
}
