// SPDX-License-Identifier: GPL-3.0-or-later
// /dev/drbdN: opening it for a guest, its size, and the file system on volume 0. Where DRBD is not loaded /dev/drbdN may be a plain file
// that somebody wrote by mistake: nothing but a block device is ever used.
#include "storage/drbd-device.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "common/spawn.h"
#include "storage/state-volume.h"

#define STATE_INDEX 0
#define MKFS_TIMEOUT_MS 300000

static void device_path(const Holdfast__Volume *volume, char path[32])
{
	snprintf(path, 32, "/dev/drbd%u", volume->minor);
}

int drbd_open_volume(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
	const Holdfast__Volume *volume, int *fd, uint64_t *bytes, struct error *err)
{
	char path[32];
	struct stat st;

	device_path(volume, path);
	cleanup_fd int opened = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (opened < 0 && (errno == EMEDIUMTYPE || errno == EROFS))
		return error_set(
			err, ERROR_UNSAFE, "group %s: %s is not Primary on this node", group->name, path);
	if (opened < 0 || fstat(opened, &st) < 0)
		return error_set_errno(err, errno, "group %s: cannot open %s", group->name, path);
	if (!S_ISBLK(st.st_mode))
		return error_set(err, ERROR_UNSAFE, "group %s: %s is not a block device: remove it",
			group->name, path);
	if (ioctl(opened, BLKGETSIZE64, bytes) < 0)
		return error_set_errno(err, errno, "group %s: %s", group->name, path);
	if (fcntl(opened, F_SETFL, 0) < 0) // only the open must not wait
		return error_set_errno(err, errno, "group %s: %s", group->name, path);
	*fd = steal_fd(&opened);
	return 0;
}

int drbd_volume_bytes(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
	const Holdfast__Volume *volume, uint64_t *bytes, struct error *err)
{
	char path[64];
	cleanup_free char *text = NULL;

	snprintf(path, sizeof(path), "/sys/block/drbd%u/size", volume->minor);
	if (file_read(path, 64, &text, NULL, err) < 0)
		return error_prefix(err, "group %s: volume %u is not up", group->name, volume->index);
	*bytes = strtoull(text, NULL, 10) * 512;
	return *bytes
		? 0
		: error_set(err, ERROR_FAILED, "group %s: volume %u has no size: its disk is not attached",
			  group->name, volume->index);
}

// ---- the state volume

struct state_work {
	char device[32], where[PATH_MAX];
	enum state_volume_phase phase;
	unsigned long long fs_kib;
};

static int inspect(void *data, struct error *err)
{
	struct state_work *work = data;

	return state_volume_inspect(work->device, &work->phase, &work->fs_kib, err);
}

static int mark(void *data, struct error *err)
{
	struct state_work *work = data;

	return state_volume_mark(work->device, work->phase, err);
}

static int do_mount(void *data, struct error *err)
{
	struct state_work *work = data;

	return state_volume_mount(work->device, work->where, err);
}

static int do_unmount(void *data, struct error *err)
{
	struct state_work *work = data;

	return state_volume_unmount(work->where, err);
}

static int state_work_init(const struct storage *storage, const Holdfast__Group *group,
	struct state_work *work, struct error *err)
{
	const Holdfast__Volume *volume = group_volume(group, STATE_INDEX);

	if (!volume)
		return error_set(err, ERROR_NOT_FOUND, "it has no state volume");
	memset(work, 0, sizeof(*work));
	device_path(volume, work->device);
	return path_format(work->where, sizeof(work->where), err, "%s/%s", storage->run_path, group->name);
}

static int make_file_system(struct state_work *work, struct error *err)
{
	char size[32];

	work->phase = STATE_VOLUME_MAKING;
	if (task_offload(mark, work, err) < 0)
		return -1;
	snprintf(size, sizeof(size), "%lluk", work->fs_kib);
	// Few inodes: it holds a few large files. The volume was zeroed, so the journal need not be.
	if (spawn_run((const char *[]){ "mkfs.ext4", "-q", "-F", "-m", "0", "-i", "262144", "-E",
			      "nodiscard,lazy_itable_init=0,lazy_journal_init=1", "-L", "holdfast-state",
			      work->device, size, NULL },
		    MKFS_TIMEOUT_MS, NULL, err) < 0)
		return -1;
	work->phase = STATE_VOLUME_MADE;
	return task_offload(mark, work, err);
}

// The volume has grown, and its file system with it, now that it is mounted. The mark is at the new end before the old one is overwritten. What fails
// is tried again at the next mount: until then there is as much room as before.
static void follow_volume(struct state_work *work, const Holdfast__Group *group)
{
	struct error err = ERROR_INIT;
	char size[32];

	snprintf(size, sizeof(size), "%lluk", work->fs_kib);
	work->phase = STATE_VOLUME_MADE;
	if (task_offload(mark, work, &err) < 0 ||
		spawn_run((const char *[]){ "resize2fs", work->device, size, NULL }, MKFS_TIMEOUT_MS, NULL, &err) < 0)
		log_warning("group=%s its state volume's file system did not grow with it: %s", group->name, err.message);
	else
		log_info("group=%s its state volume has grown to %llu MiB", group->name, work->fs_kib / 1024);
}

int drbd_mount(struct storage *storage, struct replica *replica, const Holdfast__Group *group, char **path,
	struct error *err)
{
	struct state_work work;

	if (state_work_init(storage, group, &work, err) < 0 || task_offload(inspect, &work, err) < 0)
		return -1;
	bool grown = work.phase == STATE_VOLUME_GROWN;
	if (!grown && work.phase != STATE_VOLUME_MADE && make_file_system(&work, err) < 0)
		return -1;
	if (task_offload(do_mount, &work, err) < 0)
		return -1;
	if (grown)
		follow_volume(&work, group);
	*path = strdup(work.where);
	return *path ? 0 : error_set_errno(err, ENOMEM, "%s", work.where);
}

int drbd_unmount(
	struct storage *storage, struct replica *replica, const Holdfast__Group *group, struct error *err)
{
	struct state_work work;

	if (state_work_init(storage, group, &work, err) < 0)
		return -1;
	return task_offload(do_unmount, &work, err);
}
