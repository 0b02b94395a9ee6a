// SPDX-License-Identifier: GPL-3.0-or-later
// The disks of a new VM: copies of another VM's, or of an export's. All of them are marked until the last one is whole, so that the new VM never
// starts with some of its disks.
#include <string.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "hypervisor/convert.h"
#include "hypervisor/disk-volume.h"
#include "hypervisor/image-check.h"
#include "hypervisor/vm-image.h"

struct filling {
	struct disk_work *work;
	const struct disk_place *to, *from; // FROM NULL: the directory
	const char *directory;
	size_t at;
};

static void say_progress(double percent, void *data)
{
	const struct filling *filling = data;
	size_t count = filling->to->vm->n_disks;
	rpc_call_progress(filling->work->call, ((double)filling->at * 100 + percent) / (double)count, "%s",
		filling->work->text);
}

struct source {
	struct disk_volume volume;
	bool from_volume;
};

static int check_image(void *data, struct error *err)
{
	const int *fd = data;
	if (image_check(*fd, HOLDFAST__IMAGE_FORMAT__IMAGE_QCOW2, err))
		return -1;
	return image_check_whole(*fd, HOLDFAST__IMAGE_FORMAT__IMAGE_QCOW2, err);
}

static int open_source(
	const struct filling *filling, const Holdfast__Disk *disk, struct source *source, struct error *err)
{
	struct hypervisor *hv = filling->work->group->hv;
	source->from_volume = filling->from;
	if (filling->from)
		return disk_volume_open(hv, filling->from->group,
			filling->from->vm->disks[filling->at], DISK_VOLUME_READ, &source->volume, err);
	source->volume =
		(struct disk_volume){ .image = { .fd = -1, .format = HOLDFAST__IMAGE_FORMAT__IMAGE_QCOW2 },
			.hold_fd = -1 };
	if (vm_image_open(hv, filling->directory, disk->name, &source->volume.image.fd, err))
		return -1;
	int fd = source->volume.image.fd;
	if (!task_offload(check_image, &fd, err))
		return 0;
	disk_volume_close(&source->volume);
	return error_prefix(err, "%.200s: disk %s", filling->directory, disk->name);
}

static int fill_one(struct filling *filling, struct error *err)
{
	struct hypervisor *hv = filling->work->group->hv;
	const Holdfast__Disk *disk = filling->to->vm->disks[filling->at];
	struct disk_volume target;
	struct source source;
	char name[140];
	uint64_t bytes;
	if (disk->parent[0])
		return 0; // it shows its parent
	snprintf(name, sizeof(name), "%s.%s", filling->to->vm->name, disk->name);
	if (open_source(filling, disk, &source, err))
		return -1;
	if (disk_volume_open(hv, filling->to->group, disk, DISK_VOLUME_OVERWRITE, &target, err)) {
		disk_volume_close(&source.volume);
		return -1;
	}
	bool raw = target.image.format == HOLDFAST__IMAGE_FORMAT__IMAGE_RAW;
	struct convert_params params = {
		.hv = hv,
		.name = name,
		.source = source.volume.image,
		.source_bytes = source.volume.blank ? source.volume.disk_bytes : 0,
		.parents = source.volume.parents,
		.parent_count = source.volume.parent_count,
		.target = target.image,
		.create_bytes = raw ? 0 : target.disk_bytes,
		.most_bytes = target.disk_bytes,
		.sparse = disk->thin,
		.progress = say_progress,
		.data = filling,
	};
	int failed = convert_run(&params, &bytes, err);
	if (!failed && raw)
		failed = disk_volume_zero(&target, bytes, disk->thin, err);
	disk_volume_close(&target);
	disk_volume_close(&source.volume);
	return failed;
}

static int fill_all(struct filling *filling, struct error *err)
{
	const Holdfast__Vm *vm = filling->to->vm;
	if (filling->from && filling->from->vm->n_disks != vm->n_disks)
		return error_set(
			err, ERROR_BUSY, "VM %s has changed meanwhile: try again", filling->from->vm->name);
	for (; filling->at < vm->n_disks; filling->at++)
		if (fill_one(filling, err))
			return -1;
	return 0;
}

int disk_fill(struct rpc_call *call, struct group *group, const Holdfast__VmFill *wish, struct error *err)
{
	struct disk_work work = { .call = call }, source_work = { .call = call };
	struct disk_place to = { NULL }, from = { NULL };
	struct error failed = ERROR_INIT, ignored = ERROR_INIT, none = ERROR_INIT;
	bool cloning = wish->source[0];
	snprintf(work.text, sizeof(work.text), "copy of %.120s", cloning ? wish->source : wish->directory);
	snprintf(source_work.text, sizeof(source_work.text), "copy to VM %.60s", wish->name);
	int result = disk_place_vm(group, wish->name, &to, err);
	if (!result && cloning)
		result = disk_place_vm(group, wish->source, &from, err);
	if (!result && cloning)
		result = disk_work_begin(&source_work, group, from.vm, NULL, err);
	if (!result && disk_work_begin(&work, group, to.vm, DISK_WORK_ALL, err)) {
		result = -1;
		if (cloning)
			disk_work_end_locked(&source_work);
	}
	task_unlock(&group->mutex);
	if (!result) {
		struct filling filling = {
			.work = &work, .to = &to, .from = cloning ? &from : NULL, .directory = wish->directory
		};
		if (fill_all(&filling, &failed) && !failed.code)
			error_set(&failed, ERROR_FAILED, "the copy failed");
		if (cloning && disk_work_end(&source_work, from.vm, NULL, &none, &ignored))
			error_set(&failed, ERROR_FAILED, "%.200s", ignored.message);
		result = disk_work_end(&work, to.vm, DISK_WORK_ALL, &failed, err);
	}
	disk_place_done(&to);
	disk_place_done(&from);
	return result;
}
