// SPDX-License-Identifier: GPL-3.0-or-later
// The `file` back end: DIRECTORY/GROUP/INDEX.raw and, for volume 0, the directory DIRECTORY/GROUP/state. Promoted means: this program holds
// the flock on DIRECTORY/GROUP/lock (file-lock.c), so two nodes on one shared directory cannot both have it. Symbolic links are refused.
#include "storage/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "storage/file-lock.h"

#define STATE_INDEX 0

static int group_path(const struct storage *storage, const Holdfast__Group *group, char *path, size_t size,
	struct error *err)
{
	const char *directory = group->directory[0] ? group->directory : storage->directory;

	if (directory[0] != '/')
		return error_set(
			err, ERROR_USAGE, "the volume directory \"%s\" is not an absolute path", directory);
	return path_format(path, size, err, "%s/%s", directory, group->name);
}

static int volume_path(const struct storage *storage, const Holdfast__Group *group, uint32_t index,
	char *path, size_t size, struct error *err)
{
	char base[PATH_MAX];

	if (group_path(storage, group, base, sizeof(base), err) < 0)
		return -1;
	if (index == STATE_INDEX)
		return path_format(path, size, err, "%s/state", base);
	return path_format(path, size, err, "%s/%u.raw", base, index);
}

// ---- making volumes, on a worker thread

struct making {
	const Holdfast__Group *before; // as it was applied last, for drop_volumes
	const struct storage *storage;
	const Holdfast__Group *group;
};

static int check_space(const char *directory, uint64_t need, struct error *err)
{
	struct statvfs fs;

	if (statvfs(directory, &fs) < 0)
		return error_set_errno(err, errno, "%s", directory);
	uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (need > room)
		return error_set(err, ERROR_NO_SPACE,
			"%s has %llu MiB free and %llu MiB are needed: make room, or choose smaller disks",
			directory, (unsigned long long)(room >> 20),
			(unsigned long long)((need + (1 << 20) - 1) >> 20));
	return 0;
}

// Bytes that are missing on disk, for all volumes.
static int missing_bytes(const struct making *making, uint64_t *bytes, struct error *err)
{
	*bytes = 0;
	for (size_t i = 0; i < making->group->n_volumes; i++) {
		const Holdfast__Volume *volume = making->group->volumes[i];
		char path[PATH_MAX];
		struct stat st = { 0 };
		if (volume->index == STATE_INDEX)
			continue;
		if (volume_path(making->storage, making->group, volume->index, path, sizeof(path), err) < 0)
			return -1;
		if (lstat(path, &st) < 0 && errno != ENOENT)
			return error_set_errno(err, errno, "%s", path);
		if ((uint64_t)st.st_size > volume->size_bytes)
			return error_set(err, ERROR_UNSAFE,
				"%s has %llu bytes, the definition says %llu: volumes do not shrink; if it "
				"was being grown, repeat that (holdfast volume grow)",
				path, (unsigned long long)st.st_size, (unsigned long long)volume->size_bytes);
		if (volume->thin)
			continue;
		uint64_t have = (uint64_t)st.st_blocks * 512;
		*bytes += have < volume->size_bytes ? volume->size_bytes - have : 0;
	}
	return 0;
}

static int make_volume(const char *path, uint64_t bytes, bool thin, struct error *err)
{
	cleanup_fd int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set_errno(err, errno, "cannot make %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERROR_UNSAFE, "%s is not a plain file", path);
	// A file system that cannot allocate ahead gets a sparse file.
	int failed = thin ? ftruncate(fd, (off_t)bytes) : fallocate(fd, 0, 0, (off_t)bytes);
	if (failed && (thin || errno != EOPNOTSUPP || ftruncate(fd, (off_t)bytes) < 0))
		return error_set_errno(
			err, errno, "cannot make %s of %llu MiB", path, (unsigned long long)(bytes >> 20));
	if (fsync(fd) < 0)
		return error_set_errno(err, errno, "%s", path);
	return 0;
}

static void take_away(const char paths[][PATH_MAX], size_t count)
{
	for (size_t i = 0; i < count; i++)
		unlink(paths[i]);
}

static int make_volumes(const struct making *making, struct error *err)
{
	const Holdfast__Group *group = making->group;
	cleanup_free char(*created)[PATH_MAX] = calloc(group->n_volumes + 1, PATH_MAX);
	size_t count = 0;

	if (!created)
		return error_set_errno(err, ENOMEM, "volumes");
	for (size_t i = 0; i < group->n_volumes; i++) {
		char path[PATH_MAX];
		struct stat st;
		int result;
		if (volume_path(making->storage, group, group->volumes[i]->index, path, sizeof(path), err) <
			0)
			result = -1;
		else if (group->volumes[i]->index == STATE_INDEX)
			result = file_make_directory(path, 0700, err);
		else {
			if (lstat(path, &st) < 0)
				memcpy(created[count++], path, PATH_MAX);
			result = make_volume(
				path, group->volumes[i]->size_bytes, group->volumes[i]->thin, err);
		}
		if (result < 0) {
			take_away((const char(*)[PATH_MAX])created, count);
			return -1;
		}
	}
	return 0;
}

static int make_group(void *data, struct error *err)
{
	const struct making *making = data;
	char base[PATH_MAX];
	uint64_t need;
	struct stat st;

	if (group_path(making->storage, making->group, base, sizeof(base), err) < 0)
		return -1;
	bool fresh = lstat(base, &st) < 0;
	if (file_make_directory(base, 0700, err) < 0)
		return -1;
	if (lstat(base, &st) < 0 || !S_ISDIR(st.st_mode))
		return error_set(err, ERROR_UNSAFE, "%s is not a plain directory", base);
	int result = missing_bytes(making, &need, err) < 0 || check_space(base, need, err) < 0
		? -1
		: make_volumes(making, err);
	if (result < 0 && fresh) {
		char state[PATH_MAX];
		if (path_format(state, sizeof(state), NULL, "%s/state", base) == 0)
			rmdir(state);
		rmdir(base);
	}
	return result;
}

static bool has_volume(const Holdfast__Group *group, uint32_t index)
{
	for (size_t i = 0; i < group->n_volumes; i++)
		if (group->volumes[i]->index == index)
			return true;
	return false;
}

// Those that the definition had when it was last applied here and has no more: a later volume of the same number must not find their data.
static int drop_volumes(void *data, struct error *err)
{
	const struct making *making = data;
	for (size_t i = 0; i < making->before->n_volumes; i++) {
		uint32_t index = making->before->volumes[i]->index;
		char path[PATH_MAX];
		if (index == STATE_INDEX || has_volume(making->group, index))
			continue;
		if (volume_path(making->storage, making->group, index, path, sizeof(path), err) < 0)
			return -1;
		if (unlink(path) < 0 && errno != ENOENT)
			return error_set_errno(err, errno, "cannot remove %s", path);
	}
	return 0;
}

static int file_apply(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
	const char *node, struct error *err)
{
	struct making making = { .storage = storage, .group = group };

	bool fresh = !replica->here;
	if (fresh && replica_save(storage, replica, group, err) < 0)
		return -1;
	if (task_offload(make_group, &making, err) < 0) {
		struct error undo = ERROR_INIT;
		if (fresh && replica_forget(storage, replica, &undo) < 0)
			log_warning("group=%s %s", group->name, undo.message);
		return -1;
	}
	if (fresh)
		return 0;
	making.before = replica->group;
	return task_offload(drop_volumes, &making, err) < 0 ? -1 : replica_save(storage, replica, group, err);
}

static int file_bring_up(struct storage *storage, struct replica *replica, struct error *err)
{
	char path[PATH_MAX];

	if (group_path(storage, replica->group, path, sizeof(path), err) < 0)
		return -1;
	if (access(path, R_OK | W_OK | X_OK) < 0)
		return error_set_errno(err, errno, "its directory %s cannot be used", path);
	return 0;
}

// ---- taking it away

static int remove_tree(int parent, const char *name, struct error *err)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	int result = 0;

	if (!directory)
		return errno == ENOENT ? 0 : error_set_errno(err, errno, "cannot read %s", name);
	for (struct dirent *entry; result == 0 && (entry = readdir(directory));) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, entry->d_name, 0) == 0)
			continue;
		result = errno == EISDIR || errno == EPERM
			? remove_tree(fd, entry->d_name, err)
			: error_set_errno(err, errno, "cannot remove %s/%s", name, entry->d_name);
	}
	closedir(directory);
	if (result == 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		result = error_set_errno(err, errno, "cannot remove %s", name);
	return result;
}

static int destroy_group(void *data, struct error *err)
{
	const struct making *making = data;
	char base[PATH_MAX];
	cleanup_fd int lock = -1;
	struct stat st;

	if (group_path(making->storage, making->group, base, sizeof(base), err) < 0)
		return -1;
	if (lstat(base, &st) < 0 && errno == ENOENT)
		return 0;
	// The lock goes with the directory; it is held meanwhile, so that nobody starts it in between.
	if (file_lock_take(base, making->storage->node, making->group, &lock, err) < 0)
		return -1;
	return remove_tree(AT_FDCWD, base, err);
}

static int file_destroy(struct storage *storage, struct replica *replica, struct error *err)
{
	struct making making = { .storage = storage, .group = replica->group };

	if (replica->lock_fd >= 0)
		return error_set(err, ERROR_BUSY, "it is in use on this node: stop it first");
	if (task_offload(destroy_group, &making, err) < 0)
		return -1;
	return replica_forget(storage, replica, err);
}

// ---- roles

struct locking {
	char base[PATH_MAX];
	const char *node;
	const Holdfast__Group *group;
	int fd;
};

static int take_lock(void *data, struct error *err)
{
	struct locking *locking = data;

	return file_lock_take(locking->base, locking->node, locking->group, &locking->fd, err);
}

static int file_promote(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
	const struct storage_promote *params, struct error *err)
{
	struct locking locking = { .node = params->node, .group = group, .fd = -1 };

	if (group_path(storage, group, locking.base, sizeof(locking.base), err) < 0)
		return -1;
	if (replica->lock_fd >= 0 && file_lock_is_ours(locking.base, replica->lock_fd))
		return 0;
	if (replica->lock_fd >= 0)
		close(steal_fd(&replica->lock_fd)); // the agent took it away while we did not answer
	if (!replica->here && replica_save(storage, replica, group, err) < 0)
		return -1;
	if (task_offload(take_lock, &locking, err) < 0)
		return -1;
	replica->lock_fd = locking.fd;
	return 0;
}

static int file_may_promote(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
	const struct storage_promote *params, struct error *err)
{
	char base[PATH_MAX];

	if (group_path(storage, group, base, sizeof(base), err) < 0)
		return -1;
	if (replica->lock_fd >= 0 && file_lock_is_ours(base, replica->lock_fd))
		return 0;
	return file_lock_check(base, params->node, group, err);
}

static int file_demote(
	struct storage *storage, struct replica *replica, const Holdfast__Group *group, struct error *err)
{
	char base[PATH_MAX];

	if (replica->lock_fd < 0)
		return 0;
	if (group_path(storage, group, base, sizeof(base), err) < 0)
		return -1;
	double deadline = loop_now_ms() + STORAGE_BUSY_RETRY_MS;
	while (file_volumes_unused(base, group, err) < 0)
		if (loop_now_ms() >= deadline || task_pause(10, err) < 0)
			return -1;
	error_clear(err); // of an earlier try
	file_lock_release(replica->lock_fd);
	replica->lock_fd = -1;
	return 0;
}

// ---- volumes

static int file_open_volume(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
	const Holdfast__Volume *volume, int *fd, uint64_t *bytes, struct error *err)
{
	char base[PATH_MAX], path[PATH_MAX];
	struct stat st;

	if (volume->index == STATE_INDEX)
		return error_set(err, ERROR_USAGE,
			"group %s: the state volume of file storage is a directory, not a disk", group->name);
	if (group_path(storage, group, base, sizeof(base), err) < 0 ||
		volume_path(storage, group, volume->index, path, sizeof(path), err) < 0)
		return -1;
	if (replica->lock_fd < 0 || !file_lock_is_ours(base, replica->lock_fd))
		return error_set(err, ERROR_UNSAFE, "group %s is not promoted on this node", group->name);
	cleanup_fd int opened = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (opened < 0 || fstat(opened, &st) < 0)
		return error_set_errno(err, errno, "cannot open %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERROR_UNSAFE, "%s is not a plain file", path);
	if (file_volume_mark_used(opened, path, err) < 0)
		return -1;
	*bytes = (uint64_t)st.st_size;
	*fd = steal_fd(&opened);
	return 0;
}

struct growing {
	char path[PATH_MAX];
	uint64_t bytes;
	bool thin;
};

// A file system that allocates ahead does so before the file is longer: it is all there or as it was.
static int grow_file(void *data, struct error *err)
{
	const struct growing *growing = data;
	struct stat st;
	cleanup_fd int fd = open(growing->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set_errno(err, errno, "cannot open %s", growing->path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERROR_UNSAFE, "%s is not a plain file", growing->path);
	if ((uint64_t)st.st_size >= growing->bytes)
		return 0;
	uint64_t more = growing->bytes - (uint64_t)st.st_size;
	char directory[PATH_MAX];
	memcpy(directory, growing->path, sizeof(directory));
	*strrchr(directory, '/') = '\0';
	if (!growing->thin && check_space(directory, more, err) < 0)
		return -1;
	int failed = growing->thin ? ftruncate(fd, (off_t)growing->bytes)
				   : fallocate(fd, 0, st.st_size, (off_t)more);
	if (failed && !growing->thin && errno == EOPNOTSUPP)
		failed = ftruncate(fd, (off_t)growing->bytes);
	if (failed || fsync(fd) < 0)
		return error_set_errno(err, errno, "cannot grow %s by %llu MiB", growing->path,
			(unsigned long long)(more >> 20));
	return 0;
}

static int file_grow_backing(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
	const Holdfast__Volume *volume, struct error *err)
{
	struct growing growing = { .bytes = volume->size_bytes, .thin = volume->thin };

	if (volume->index == STATE_INDEX)
		return error_set(
			err, ERROR_USAGE, "the state volume of file storage is a directory: it has no size");
	if (volume_path(storage, group, volume->index, growing.path, sizeof(growing.path), err) < 0)
		return -1;
	return task_offload(grow_file, &growing, err);
}

static int file_volume_bytes(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
	const Holdfast__Volume *volume, uint64_t *bytes, struct error *err)
{
	char path[PATH_MAX];
	struct stat st;

	*bytes = volume->size_bytes;
	if (volume->index == STATE_INDEX)
		return 0;
	if (volume_path(storage, group, volume->index, path, sizeof(path), err) < 0)
		return -1;
	if (lstat(path, &st) < 0)
		return error_set_errno(err, errno, "%s", path);
	*bytes = (uint64_t)st.st_size;
	return 0;
}

static int file_mount(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
	char **path, struct error *err)
{
	char state[PATH_MAX];
	struct stat st;

	if (replica->lock_fd < 0)
		return error_set(err, ERROR_UNSAFE, "it is not promoted on this node");
	if (volume_path(storage, group, STATE_INDEX, state, sizeof(state), err) < 0)
		return -1;
	if (lstat(state, &st) < 0)
		return error_set_errno(err, errno, "%s", state);
	if (!S_ISDIR(st.st_mode))
		return error_set(err, ERROR_UNSAFE, "%s is not a plain directory", state);
	*path = strdup(state);
	return *path ? 0 : error_set_errno(err, ENOMEM, "%s", state);
}

static int file_unmount(
	struct storage *storage, struct replica *replica, const Holdfast__Group *group, struct error *err)
{
	return 0;
}

static void file_status(struct storage *storage, struct replica *replica, const Holdfast__Volume *volume,
	Holdfast__VolumeStatus *status)
{
	char path[PATH_MAX];

	status->role = replica->lock_fd >= 0 ? HOLDFAST__ROLE__ROLE_PRIMARY : HOLDFAST__ROLE__ROLE_SECONDARY;
	if (volume_path(storage, replica->group, volume->index, path, sizeof(path), NULL) < 0)
		return;
	char *device = strdup(path), *disk = strdup(access(path, F_OK) == 0 ? "UpToDate" : "Diskless");
	if (device)
		status->device = device;
	if (disk)
		status->disk = disk;
}

int storage_file_demote_blocking(const Holdfast__Group *group, const char *directory, struct error *err)
{
	char base[PATH_MAX];
	struct stat st;

	if (path_format(base, sizeof(base), err, "%s/%s", group->directory[0] ? group->directory : directory,
		    group->name) < 0)
		return -1;
	if (lstat(base, &st) < 0 && errno == ENOENT)
		return 0;
	if (file_volumes_unused(base, group, err) < 0)
		return -1;
	return file_lock_take_away(base, err);
}

const struct storage_backend storage_file_backend = {
	.name = "file",
	.apply = file_apply,
	.bring_up = file_bring_up,
	.destroy = file_destroy,
	.promote = file_promote,
	.demote = file_demote,
	.mount = file_mount,
	.unmount = file_unmount,
	.may_promote = file_may_promote,
	.open_volume = file_open_volume,
	.volume_bytes = file_volume_bytes,
	.grow_backing = file_grow_backing,
	.status = file_status,
};
