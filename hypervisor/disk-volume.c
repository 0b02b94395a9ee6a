// SPDX-License-Identifier: GPL-3.0-or-later
// Opens the volume of a disk for a copy, with an access mode that fits: QEMU takes a descriptor only for the very mode it wants.
#include "hypervisor/disk-volume.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include "common/cleanup.h"
#include "common/task.h"
#include "hypervisor/disk-format.h"
#include "hypervisor/image-check.h"
#include "hypervisor/image-place.h"
#include "proto/disk.h"

#define ZERO_STEP_BYTES (64ull << 20)

static int read_only(int fd)
{
	char path[40];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

struct checking {
	int fd;
	Holdfast__ImageFormat format;
	bool blank;
};

// A blank volume of a qcow2 disk is formatted when it is first used.
static int check(void *data, struct error *err)
{
	struct checking *checking = data;
	char head[512];
	if (checking->format == HOLDFAST__IMAGE_FORMAT__IMAGE_QCOW2) {
		if (pread(checking->fd, head, sizeof(head), 0) != (ssize_t)sizeof(head))
			return error_set_errno(err, errno ? errno : EIO, "its volume cannot be read");
		checking->blank = !head[0] && !memcmp(head, head + 1, sizeof(head) - 1);
	}
	return checking->blank ? 0 : image_check(checking->fd, checking->format, err);
}

// ---- parents

struct opening {
	const struct hypervisor *hv;
	const char *path;
	struct convert_image *parent;
};

static int open_image(void *data, struct error *err)
{
	struct opening *opening = data;
	cleanup_fd int fd = -1;
	if (image_open(opening->hv, opening->path, &fd, &opening->parent->device, err))
		return error_prefix(err, "its parent");
	if (image_check(fd, opening->parent->format, err))
		return error_prefix(err, "its parent %.300s", opening->path);
	opening->parent->fd = steal_fd(&fd);
	return 0;
}

static int open_template(struct storage *storage, const Holdfast__Group *group, const Holdfast__Disk *disk,
	struct convert_image *parent, struct error *err)
{
	cleanup_fd int fd = -1;
	uint64_t bytes;
	struct stat info;
	for (size_t i = 0; i < group->n_volumes; i++) {
		if (!group->volumes[i]->index || strcmp(group->volumes[i]->name, disk->parent))
			continue;
		if (storage_open_volume(storage, group, group->volumes[i]->index, &fd, &bytes, err))
			return -1;
		parent->fd = read_only(fd);
		if (parent->fd < 0 || fstat(parent->fd, &info))
			return error_set_errno(err, errno, "its parent %s", disk->parent);
		parent->device = S_ISBLK(info.st_mode);
		return 0;
	}
	return error_set(
		err, ERROR_NOT_FOUND, "its parent %.130s is no disk of group %s", disk->parent, group->name);
}

int disk_parent_open(struct hypervisor *hv, const Holdfast__Group *group, const Holdfast__Disk *disk,
	struct convert_image *parent, struct error *err)
{
	bool qcow2 = disk->parent_format == HOLDFAST__DISK_FORMAT__FORMAT_QCOW2;
	*parent = (struct convert_image){ .fd = -1,
		.format = qcow2 ? HOLDFAST__IMAGE_FORMAT__IMAGE_QCOW2 : HOLDFAST__IMAGE_FORMAT__IMAGE_RAW };
	struct opening opening = { hv, disk->parent, parent };
	struct checking checking = { .format = parent->format };
	if (disk_parent_is_path(disk))
		return task_offload(open_image, &opening, err) ? error_prefix(err, "disk %s", disk->name) : 0;
	if (!open_template(hv->storage, group, disk, parent, err)) {
		checking.fd = parent->fd;
		if (!task_offload(check, &checking, err) && !checking.blank)
			return 0;
		if (checking.blank)
			error_set(err, ERROR_FAILED, "its parent %s is blank", disk->parent);
	}
	cleanup_fd_p(&parent->fd);
	parent->fd = -1;
	return error_prefix(err, "disk %s", disk->name);
}

int disk_volume_open(struct hypervisor *hv, const Holdfast__Group *group, const Holdfast__Disk *disk,
	enum disk_volume_use use, struct disk_volume *volume, struct error *err)
{
	struct stat info;
	uint64_t bytes;
	bool qcow2 = disk->format == HOLDFAST__DISK_FORMAT__FORMAT_QCOW2;
	*volume = (struct disk_volume){ .image = { .fd = -1 }, .hold_fd = -1 };
	if (storage_open_volume(hv->storage, group, disk->volume, &volume->hold_fd, &bytes, err))
		return error_prefix(err, "disk %s", disk->name);
	volume->image.fd = use == DISK_VOLUME_READ ? read_only(volume->hold_fd) : dup(volume->hold_fd);
	if (volume->image.fd < 0 || fstat(volume->image.fd, &info)) {
		error_set_errno(err, errno, "disk %s", disk->name);
		disk_volume_close(volume);
		return -1;
	}
	volume->image.device = S_ISBLK(info.st_mode);
	volume->image.format =
		qcow2 ? HOLDFAST__IMAGE_FORMAT__IMAGE_QCOW2 : HOLDFAST__IMAGE_FORMAT__IMAGE_RAW;
	volume->disk_bytes = qcow2 && disk->size_bytes ? disk->size_bytes : bytes;
	volume->used_bytes = S_ISREG(info.st_mode) && (uint64_t)info.st_blocks * 512 < volume->disk_bytes
		? (uint64_t)info.st_blocks * 512
		: volume->disk_bytes;
	struct checking checking = { .fd = volume->image.fd, .format = volume->image.format };
	// What a guest's QEMU wrote is hostile like any other image.
	if (use != DISK_VOLUME_OVERWRITE && task_offload(check, &checking, err)) {
		error_prefix(err, "disk %s", disk->name);
		disk_volume_close(volume);
		return -1;
	}
	volume->blank = checking.blank;
	if (volume->blank && !disk->parent[0]) // all zeros, as its disk would be
		volume->image.format = HOLDFAST__IMAGE_FORMAT__IMAGE_RAW;
	if (!disk->parent[0])
		return 0;
	volume->parent_count = 1;
	if (disk_parent_open(hv, group, disk, &volume->parents[0], err) ||
		(volume->blank && disk_format_ready(volume->hold_fd, disk->size_bytes, bytes, err))) {
		disk_volume_close(volume);
		return -1;
	}
	volume->blank = false;
	return 0;
}

void disk_volume_close(struct disk_volume *volume)
{
	for (size_t i = 0; i < volume->parent_count; i++)
		cleanup_fd_p(&volume->parents[i].fd);
	cleanup_fd_p(&volume->image.fd);
	cleanup_fd_p(&volume->hold_fd);
	*volume = (struct disk_volume){ .image = { .fd = -1 }, .hold_fd = -1 };
}

// ---- zeros

struct zeroing {
	int fd;
	bool device, thin;
	uint64_t from, end;
};

static int zero_file(const struct zeroing *zeroing, struct error *err)
{
	static const char zeros[64 << 10];
	int mode = zeroing->thin ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE : FALLOC_FL_ZERO_RANGE;
	if (!fallocate(zeroing->fd, mode, (off_t)zeroing->from, (off_t)(zeroing->end - zeroing->from)))
		return 0;
	if (errno != EOPNOTSUPP)
		return error_set_errno(err, errno, "the rest of the disk cannot be cleared");
	for (uint64_t at = zeroing->from; at < zeroing->end;) {
		size_t count =
			zeroing->end - at < sizeof(zeros) ? (size_t)(zeroing->end - at) : sizeof(zeros);
		ssize_t done = pwrite(zeroing->fd, zeros, count, (off_t)at);
		if (done <= 0)
			return error_set_errno(
				err, done ? errno : EIO, "the rest of the disk cannot be cleared");
		at += (uint64_t)done;
	}
	return 0;
}

// In steps, so that one request does not hold up everything else on the disk.
static int zero_device(const struct zeroing *zeroing, struct error *err)
{
	for (uint64_t at = zeroing->from; at < zeroing->end; at += ZERO_STEP_BYTES) {
		uint64_t left = zeroing->end - at;
		uint64_t range[2] = { at, left < ZERO_STEP_BYTES ? left : ZERO_STEP_BYTES };
		if (ioctl(zeroing->fd, BLKZEROOUT, range))
			return error_set_errno(err, errno, "the rest of the disk cannot be cleared");
	}
	return 0;
}

static int zero(void *data, struct error *err)
{
	const struct zeroing *zeroing = data;
	if (zeroing->device ? zero_device(zeroing, err) : zero_file(zeroing, err))
		return -1;
	return fsync(zeroing->fd) ? error_set_errno(err, errno, "the disk") : 0;
}

int disk_volume_zero(const struct disk_volume *volume, uint64_t from, bool thin, struct error *err)
{
	// From a whole sector on: an image ends with one.
	struct zeroing zeroing = { .fd = volume->image.fd,
		.device = volume->image.device,
		.thin = thin,
		.from = (from + 511) / 512 * 512,
		.end = volume->disk_bytes };
	return zeroing.from < zeroing.end ? task_offload(zero, &zeroing, err) : 0;
}
