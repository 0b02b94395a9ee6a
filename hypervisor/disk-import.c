// SPDX-License-Identifier: GPL-3.0-or-later
// volume import and volume export: the files at one end, the volume at the other, the copy in between. An export appears under its name only
// when it is whole.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include "common/cleanup.h"
#include "hypervisor/convert.h"
#include "hypervisor/disk-volume.h"
#include "hypervisor/disk-work.h"
#include "hypervisor/image-check.h"
#include "hypervisor/vm-private.h"

static void say_progress(double percent, void *data)
{
	const struct disk_work *work = data;
	rpc_call_progress(work->call, percent, "%s", work->text);
}

// ---- import

struct image {
	const char *path;
	Holdfast__ImageFormat format;
	int fd;
	bool device;
};

static int open_image(void *data, struct error *err)
{
	struct image *image = data;
	struct stat info;
	cleanup_fd int fd = open(image->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &info))
		return error_set_errno(err, errno, "%.300s cannot be opened", image->path);
	if (!S_ISREG(info.st_mode) && !S_ISBLK(info.st_mode))
		return error_set(err, ERROR_USAGE, "%.300s is neither a file nor a disk", image->path);
	if (image_check(fd, image->format, err) || image_check_whole(fd, image->format, err))
		return error_prefix(err, "%.300s as %s", image->path, image_format_name(image->format));
	image->device = S_ISBLK(info.st_mode);
	image->fd = steal_fd(&fd);
	return 0;
}

static int check_path(const char *path, struct error *err)
{
	if (path[0] == '/' && strlen(path) < 1000)
		return 0;
	return error_set(err, ERROR_USAGE,
		"\"%.100s\" is no absolute path: the file is on the node that has the group", path);
}

// Everything but the frame.
static int import_into(
	struct disk_work *work, const struct disk_place *place, const struct image *image, struct error *err)
{
	struct hypervisor *hv = work->group->hv;
	struct disk_volume volume;
	uint64_t bytes = 0;
	char name[140];
	snprintf(name, sizeof(name), "%s.%s", place->vm->name, place->disk->name);
	if (disk_volume_open(hv->storage, place->group, place->disk, DISK_VOLUME_OVERWRITE, &volume, err))
		return -1;
	struct convert_params params = {
		.hv = hv,
		.name = name,
		.source = { image->fd, image->device, image->format },
		.target = volume.image,
		.create_bytes =
			volume.image.format == HOLDFAST__IMAGE_FORMAT__IMAGE_RAW ? 0 : volume.disk_bytes,
		.most_bytes = volume.disk_bytes,
		.sparse = place->disk->thin,
		.progress = say_progress,
		.data = work,
	};
	int failed = convert_run(&params, &bytes, err);
	if (!failed && volume.image.format == HOLDFAST__IMAGE_FORMAT__IMAGE_RAW)
		failed = disk_volume_zero(&volume, bytes, place->disk->thin, err);
	disk_volume_close(&volume);
	return failed;
}

int disk_import(struct hypervisor *hv, struct rpc_call *call, struct group *group,
	const Holdfast__VolumeImport *import, struct error *err)
{
	struct disk_work work = { .call = call };
	struct disk_place place = { NULL };
	struct image image = { .path = import->path, .format = import->format, .fd = -1 };
	struct error failed = ERROR_INIT;
	snprintf(work.text, sizeof(work.text), "import of %.120s", import->path);
	int result = check_path(import->path, err);
	if (!result)
		result = task_offload(open_image, &image, err);
	if (!result)
		result = disk_place_find(group, import->volume, &place, err);
	if (!result && place.disk->parent[0])
		result = error_set(err, ERROR_USAGE,
			"disk %s lies over %.300s, which would show through: import into a disk without a "
			"parent",
			import->volume, place.disk->parent);
	if (!result)
		result = disk_work_begin(&work, group, place.vm, place.disk->name, err);
	task_unlock(&group->mutex);
	if (!result) {
		if (import_into(&work, &place, &image, &failed) && !failed.code)
			error_set(&failed, ERROR_FAILED, "the import failed");
		result = disk_work_end(&work, place.vm, place.disk->name, &failed, err);
	}
	cleanup_fd_p(&image.fd);
	disk_place_done(&place);
	return result;
}

// ---- export

struct export_file {
	const char *path;
	char part[1100]; // under this name until it is whole
	char what[160];
	uint64_t need_bytes; // at most
	uint64_t make_bytes; // a raw image has its size from the beginning
	int fd;
};

static int check_room(const struct export_file *file, struct error *err)
{
	struct statvfs fs;
	if (fstatvfs(file->fd, &fs))
		return error_set_errno(err, errno, "%.300s", file->path);
	uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (room >= file->need_bytes)
		return 0;
	return error_set(err, ERROR_NO_SPACE,
		"%.300s may need %" PRIu64 " MiB and there are %" PRIu64
		" MiB free: make room, or choose another place",
		file->path, (file->need_bytes + (1 << 20) - 1) >> 20, room >> 20);
}

static int make_file(void *data, struct error *err)
{
	struct export_file *file = data;
	struct stat info;
	if (!lstat(file->path, &info))
		return error_set(
			err, ERROR_EXISTS, "%.300s exists already: nothing is overwritten", file->path);
	unlink(file->part); // of an export that broke off
	file->fd = open(file->part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file->fd < 0)
		return error_set_errno(err, errno, "%.300s cannot be made", file->part);
	if (check_room(file, err) || (file->make_bytes && ftruncate(file->fd, (off_t)file->make_bytes))) {
		if (!err->code)
			error_set_errno(err, errno, "%.300s", file->part);
		unlink(file->part);
		close(steal_fd(&file->fd));
		return -1;
	}
	return 0;
}

static int publish(void *data, struct error *err)
{
	const struct export_file *file = data;
	if (renameat2(AT_FDCWD, file->part, AT_FDCWD, file->path, RENAME_NOREPLACE))
		return error_set_errno(err, errno, "%.300s", file->path);
	char directory[1100];
	snprintf(directory, sizeof(directory), "%s", file->path);
	*strrchr(directory, '/') = '\0';
	cleanup_fd int fd = open(directory[0] ? directory : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) ? error_set_errno(err, errno, "%.300s", directory) : 0;
}

int disk_export_to(struct disk_work *work, const struct disk_place *place, const char *path,
	Holdfast__ImageFormat format, struct error *err)
{
	struct hypervisor *hv = work->group->hv;
	struct export_file file = { .path = path, .fd = -1 };
	struct disk_volume volume;
	char name[140];
	snprintf(name, sizeof(name), "%s.%s", place->vm->name, place->disk->name);
	snprintf(file.part, sizeof(file.part), "%s.part", path);
	if (disk_volume_open(hv->storage, place->group, place->disk, DISK_VOLUME_READ, &volume, err))
		return -1;
	file.need_bytes = volume.used_bytes;
	file.make_bytes = format == HOLDFAST__IMAGE_FORMAT__IMAGE_RAW ? volume.disk_bytes : 0;
	int failed = task_offload(make_file, &file, err);
	struct convert_params params = {
		.hv = hv,
		.name = name,
		.source = volume.image,
		.source_bytes = volume.blank ? volume.disk_bytes : 0,
		.parents = volume.parents,
		.parent_count = volume.parent_count,
		.target = { file.fd, false, format },
		.create_bytes = file.make_bytes ? 0 : volume.disk_bytes,
		.sparse = true,
		.progress = say_progress,
		.data = work,
	};
	if (!failed) {
		failed = convert_run(&params, NULL, err);
		if (!failed)
			failed = task_offload(publish, &file, err);
		if (failed)
			unlink(file.part);
	}
	cleanup_fd_p(&file.fd);
	disk_volume_close(&volume);
	return failed;
}

int disk_export(struct hypervisor *hv, struct rpc_call *call, struct group *group,
	const Holdfast__VolumeExport *export, struct error *err)
{
	struct disk_work work = { .call = call };
	struct disk_place place = { NULL };
	struct error failed = ERROR_INIT;
	snprintf(work.text, sizeof(work.text), "export to %.120s", export->path);
	int result = check_path(export->path, err);
	if (!result)
		result = disk_place_find(group, export->volume, &place, err);
	if (!result)
		result = disk_work_begin(&work, group, place.vm, NULL, err);
	task_unlock(&group->mutex);
	if (!result) {
		if (disk_export_to(&work, &place, export->path, export->format, &failed) && !failed.code)
			error_set(&failed, ERROR_FAILED, "the export failed");
		result = disk_work_end(&work, place.vm, NULL, &failed, err);
	}
	disk_place_done(&place);
	return result;
}
