// SPDX-License-Identifier: GPL-3.0-or-later
// See checkpoint-disks.h. qemu-img gets the image by the descriptor that we hold of the volume, its format and its size by name, after its header was
// checked: it opens nothing else.
#include "hypervisor/checkpoint-disks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/spawn.h"
#include "hypervisor/disk-format.h"

#define QMP_LONG_MS 120000
#define IMAGE_MS 600000

static void tag_of(const char *id, char tag[80])
{
	snprintf(tag, 80, "holdfast-%.63s", id);
}

static bool takes_part(const struct vm *vm, size_t i)
{
	return qemu_disk_there(vm->definition, i) && !vm->definition->disks[i]->read_only;
}

int checkpoint_disks_possible(const Holdfast__Vm *definition, struct error *err)
{
	for (size_t i = 0; i < definition->n_disks; i++)
		if (definition->disks[i]->format != HOLDFAST__DISK_FORMAT__FORMAT_QCOW2 &&
			!definition->disks[i]->read_only)
			return error_set(err, ERROR_USAGE,
				"disk %s of VM %s is raw and cannot have checkpoints: only disks that were made with "
				"format=qcow2 can (vm create --checkpoints)",
				definition->disks[i]->name, definition->name);
	return 0;
}

// ---- with a QEMU

static int take_live(struct vm *vm, const char *tag, struct error *err)
{
	json_t *actions = json_array();
	for (size_t i = 0; i < vm->definition->n_disks; i++) {
		char device[32];
		if (!takes_part(vm, i))
			continue;
		snprintf(device, sizeof(device), "disk%zu", i);
		json_array_append_new(actions,
			json_pack("{s:s s:{s:s s:s}}", "type", "blockdev-snapshot-internal-sync", "data", "device",
				device, "name", tag));
	}
	if (json_array_size(actions) == 0) {
		json_decref(actions);
		return 0;
	}
	if (qmp_command(vm->qmp, "transaction", json_pack("{s:o}", "actions", actions), QMP_LONG_MS, NULL, err))
		return error_prefix(err, "its disks");
	return 0;
}

static bool names_tag(const json_t *snapshots, const char *tag)
{
	size_t index;
	json_t *snapshot;
	json_array_foreach (snapshots, index, snapshot) {
		const char *name = json_string_value(json_object_get(snapshot, "name"));
		if (name && !strcmp(name, tag))
			return true;
	}
	return false;
}

// Which disks have it, as a mask.
static int find_live(struct vm *vm, const char *tag, uint32_t *mask, struct error *err)
{
	json_t *nodes = NULL, *node;
	size_t index;
	*mask = 0;
	if (qmp_command(vm->qmp, "query-named-block-nodes", json_pack("{s:b}", "flat", 1), QMP_TIMEOUT_MS, &nodes,
		    err))
		return -1;
	json_array_foreach (nodes, index, node) {
		unsigned i;
		const char *name = json_string_value(json_object_get(node, "node-name"));
		const json_t *image = json_object_get(node, "image");
		if (name && sscanf(name, "qcow%u", &i) == 1 && i < QEMU_DISKS_MAX &&
			names_tag(json_object_get(image, "snapshots"), tag))
			*mask |= 1u << i;
	}
	json_decref(nodes);
	return 0;
}

static int delete_live(struct vm *vm, size_t i, const char *tag, struct error *err)
{
	char device[32];
	snprintf(device, sizeof(device), "disk%zu", i);
	return qmp_command(vm->qmp, "blockdev-snapshot-delete-internal-sync",
		json_pack("{s:s s:s}", "device", device, "name", tag), QMP_LONG_MS, NULL, err);
}

// ---- without one

struct image {
	int fd;
	char *name; // as qemu-img takes it
};

static void image_close(struct image *image)
{
	cleanup_fd_p(&image->fd);
	free(image->name);
	image->name = NULL;
}

static int image_open(struct vm *vm, const Holdfast__Disk *disk, struct image *image, struct error *err)
{
	uint64_t bytes;
	struct stat info;
	char path[64];
	*image = (struct image){ .fd = -1 };
	if (storage_open_volume(group_hypervisor(vm->group)->storage, group_spec(vm->group)->group, disk->volume,
		    &image->fd, &bytes, err) ||
		disk_format_ready(image->fd, disk->size_bytes, bytes, err))
		return error_prefix(err, "disk %s", disk->name);
	if (fstat(image->fd, &info))
		return error_set_errno(err, errno, "disk %s", disk->name);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), image->fd);
	json_t *node = json_pack("{s:s s:n s:s s:{s:s s:I s:{s:s s:s}}}", "driver", "qcow2", "backing", "discard",
		"unmap", "file", "driver", "raw", "size", (json_int_t)bytes, "file", "driver",
		S_ISBLK(info.st_mode) ? "host_device" : "file", "filename", path);
	cleanup_free char *text = node ? json_dumps(node, JSON_COMPACT) : NULL;
	json_decref(node);
	if (!text || asprintf(&image->name, "json:%s", text) < 0) {
		image->name = NULL;
		return error_set(err, ERROR_FAILED, "no memory for disk %s", disk->name);
	}
	return 0;
}

static int run_on_image(struct vm *vm, const Holdfast__Disk *disk, const char *what, const char *tag, struct error *err)
{
	struct image image;
	int result = image_open(vm, disk, &image, err);
	if (!result)
		result = spawn_run((const char *[]){ "qemu-img", "snapshot", what, tag, image.name, NULL }, IMAGE_MS,
			NULL, err);
	image_close(&image);
	return result;
}

static int find_in_image(struct vm *vm, const Holdfast__Disk *disk, const char *tag, bool *found, struct error *err)
{
	struct image image;
	struct spawn_output output = { 0 };
	int result = image_open(vm, disk, &image, err);
	if (!result)
		result = spawn_run((const char *[]){ "qemu-img", "info", "--output=json", image.name, NULL }, IMAGE_MS,
			&output, err);
	json_t *info = result ? NULL : json_loadb(output.out, output.out_bytes, 0, NULL);
	*found = names_tag(json_object_get(info, "snapshots"), tag);
	if (!result && !info)
		result = error_set(err, ERROR_FAILED, "qemu-img says nothing of disk %s", disk->name);
	json_decref(info);
	spawn_output_done(&output);
	image_close(&image);
	return result;
}

// ---- both: the disks of a checkpoint, of which the VM may have lost some since; the volumes of those are open nowhere

static bool takes_part_then(const Holdfast__Vm *then, size_t i)
{
	return qemu_disk_there(then, i) && !then->disks[i]->read_only;
}

// Where the VM's QEMU has the disk; -1: it has none, or not that disk.
static int place_of(const struct vm *vm, const Holdfast__Disk *disk)
{
	for (size_t i = 0; vm_has_process(vm) && i < vm->definition->n_disks; i++)
		if (takes_part(vm, i) && vm->definition->disks[i]->volume == disk->volume)
			return (int)i;
	return -1;
}

static int find_live_ones(struct vm *vm, const char *tag, uint32_t *mask, struct error *err)
{
	*mask = 0;
	return vm_has_process(vm) ? find_live(vm, tag, mask, err) : 0;
}

static int has_tag(struct vm *vm, const Holdfast__Disk *disk, const char *tag, uint32_t live, bool *found, struct error *err)
{
	int place = place_of(vm, disk);
	if (place < 0)
		return find_in_image(vm, disk, tag, found, err);
	*found = live & (1u << place);
	return 0;
}

int checkpoint_disks_take(struct vm *vm, const char *id, struct error *err)
{
	char tag[80];
	tag_of(id, tag);
	if (vm_has_process(vm))
		return take_live(vm, tag, err);
	for (size_t i = 0; i < vm->definition->n_disks; i++)
		if (takes_part(vm, i) && run_on_image(vm, vm->definition->disks[i], "-c", tag, err))
			return -1;
	return 0;
}

int checkpoint_disks_have(struct vm *vm, const Holdfast__Vm *then, const char *id, struct error *err)
{
	char tag[80];
	uint32_t live;
	tag_of(id, tag);
	if (find_live_ones(vm, tag, &live, err))
		return -1;
	for (size_t i = 0; i < then->n_disks; i++) {
		bool found;
		if (!takes_part_then(then, i))
			continue;
		if (has_tag(vm, then->disks[i], tag, live, &found, err))
			return -1;
		if (!found)
			return error_set(err, ERROR_UNSAFE, "disk %s of VM %s has nothing of checkpoint %s",
				then->disks[i]->name, vm->name, id);
	}
	return 0;
}

static int delete_of(struct vm *vm, const Holdfast__Disk *disk, const char *tag, uint32_t live, struct error *err)
{
	bool found;
	int place = place_of(vm, disk);
	if (has_tag(vm, disk, tag, live, &found, err))
		return -1;
	if (!found)
		return 0;
	return place < 0 ? run_on_image(vm, disk, "-d", tag, err) : delete_live(vm, (size_t)place, tag, err);
}

int checkpoint_disks_delete(struct vm *vm, const Holdfast__Vm *then, const char *id, struct error *err)
{
	const Holdfast__Group *group = group_spec(vm->group)->group;
	char tag[80];
	uint32_t live;
	tag_of(id, tag);
	if (find_live_ones(vm, tag, &live, err))
		return -1;
	for (size_t i = 0; i < then->n_disks; i++)
		// A volume that was deleted has taken its part with it.
		if (takes_part_then(then, i) && checkpoint_disk_volume(group, vm, then->disks[i]) &&
			delete_of(vm, then->disks[i], tag, live, err))
			return error_prefix(err, "disk %s", then->disks[i]->name);
	return 0;
}

int checkpoint_disks_apply(struct vm *vm, const Holdfast__Vm *then, const char *id, struct error *err)
{
	char tag[80];
	tag_of(id, tag);
	for (size_t i = 0; i < then->n_disks; i++)
		if (takes_part_then(then, i) && run_on_image(vm, then->disks[i], "-a", tag, err))
			return -1;
	return 0;
}

const Holdfast__Volume *checkpoint_disk_volume(
	const Holdfast__Group *group, const struct vm *vm, const Holdfast__Disk *disk)
{
	char name[140];
	snprintf(name, sizeof(name), "%s.%s", vm->name, disk->name);
	for (size_t i = 0; i < group->n_volumes; i++)
		if (group->volumes[i]->index == disk->volume && !strcmp(group->volumes[i]->name, name))
			return group->volumes[i];
	return NULL;
}
