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
#include "hypervisor/image-place.h"
#include "hypervisor/vm-private.h"

static void say_progress(double percent, void *data)
{
	const struct disk_work *work = data;
	rpc_call_progress(work->call, percent, "%s", work->text);
}

// ---- import

struct image {
	const struct hypervisor *hv;
	const char *path;
	Holdfast__ImageFormat format;
	int fd;
	bool device;
};

static int open_image(void *data, struct error *err)
{
	struct image *image = data;
	cleanup_fd int fd = -1;
	if (image_open(image->hv, image->path, &fd, &image->device, err))
		return -1;
	if (image_check(fd, image->format, err) || image_check_whole(fd, image->format, err))
		return error_prefix(err, "%.300s as %s", image->path, image_format_name(image->format));
	image->fd = steal_fd(&fd);
	return 0;
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
	if (disk_volume_open(hv, place->group, place->disk, DISK_VOLUME_OVERWRITE, &volume, err))
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
	struct image image = { .hv = hv, .path = import->path, .format = import->format, .fd = -1 };
	struct error failed = ERROR_INIT;
	snprintf(work.text, sizeof(work.text), "import of %.120s", import->path);
	int result = task_offload(open_image, &image, err);
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
	const struct image_place *place;
	char part[270]; // under this name until it is whole
	uint64_t need_bytes; // at most
	uint64_t make_bytes; // a raw image has its size from the beginning
	int fd;
};

static int check_room(const struct export_file *file, struct error *err)
{
	struct statvfs fs;
	if (fstatvfs(file->fd, &fs))
		return error_set_errno(err, errno, "%.300s", file->place->path);
	uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (room >= file->need_bytes)
		return 0;
	return error_set(err, ERROR_NO_SPACE,
		"%.300s may need %" PRIu64 " MiB and there are %" PRIu64
		" MiB free: make room, or choose another place",
		file->place->path, (file->need_bytes + (1 << 20) - 1) >> 20, room >> 20);
}

static int make_file(void *data, struct error *err)
{
	struct export_file *file = data;
	const struct image_place *place = file->place;
	struct stat info;
	if (!fstatat(place->directory, place->name, &info, AT_SYMLINK_NOFOLLOW))
		return error_set(
			err, ERROR_EXISTS, "%.300s exists already: nothing is overwritten", place->path);
	unlinkat(place->directory, file->part, 0); // of an export that broke off
	file->fd = openat(
		place->directory, file->part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file->fd < 0)
		return error_set_errno(err, errno, "%.300s.part cannot be made", place->path);
	if (check_room(file, err) || (file->make_bytes && ftruncate(file->fd, (off_t)file->make_bytes))) {
		if (!err->code)
			error_set_errno(err, errno, "%.300s.part", place->path);
		unlinkat(place->directory, file->part, 0);
		close(steal_fd(&file->fd));
		return -1;
	}
	return 0;
}

static int publish(void *data, struct error *err)
{
	const struct export_file *file = data;
	const struct image_place *place = file->place;
	if (renameat2(place->directory, file->part, place->directory, place->name, RENAME_NOREPLACE))
		return error_set_errno(err, errno, "%.300s", place->path);
	// The place itself is open to be looked up in only.
	cleanup_fd int fd = openat(place->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) ? error_set_errno(err, errno, "the directory of %.300s", place->path) : 0;
}

struct finding {
	const struct hypervisor *hv;
	const char *path;
	struct image_place *place;
};

static int find_place(void *data, struct error *err)
{
	const struct finding *finding = data;
	return image_place_find(finding->hv, finding->path, finding->place, err);
}

int disk_export_to(struct disk_work *work, const struct disk_place *place, const struct image_place *to,
	Holdfast__ImageFormat format, struct error *err)
{
	struct hypervisor *hv = work->group->hv;
	struct export_file file = { .place = to, .fd = -1 };
	struct disk_volume volume;
	char name[140];
	snprintf(name, sizeof(name), "%s.%s", place->vm->name, place->disk->name);
	snprintf(file.part, sizeof(file.part), "%s.part", to->name);
	if (disk_volume_open(hv, place->group, place->disk, DISK_VOLUME_READ, &volume, err))
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
			unlinkat(to->directory, file.part, 0);
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
	struct image_place to = { .directory = -1 };
	struct finding finding = { hv, export->path, &to };
	int result = task_offload(find_place, &finding, err);
	if (!result)
		result = disk_place_find(group, export->volume, &place, err);
	if (!result)
		result = disk_work_begin(&work, group, place.vm, NULL, err);
	task_unlock(&group->mutex);
	if (!result) {
		if (disk_export_to(&work, &place, &to, export->format, &failed) && !failed.code)
			error_set(&failed, ERROR_FAILED, "the export failed");
		result = disk_work_end(&work, place.vm, NULL, &failed, err);
	}
	image_place_done(&to);
	disk_place_done(&place);
	return result;
}
