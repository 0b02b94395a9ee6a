// SPDX-License-Identifier: GPL-3.0-or-later
// See disk.h.
#include "proto/disk.h"

#include <stdio.h>
#include <string.h>
#include "common/qcow2.h"

#define MIB ((uint64_t)1 << 20)

uint64_t disk_volume_bytes(const Holdfast__Disk *disk)
{
	if (disk->format == HOLDFAST__DISK_FORMAT__FORMAT_QCOW2)
		return qcow2_volume_bytes(disk->size_bytes);
	return (disk->size_bytes + MIB - 1) / MIB * MIB;
}

bool disk_parent_is_path(const Holdfast__Disk *disk)
{
	return disk->parent[0] == '/';
}

bool disk_is_thin(const Holdfast__Disk *disk, Holdfast__StorageKind storage)
{
	return storage == HOLDFAST__STORAGE_KIND__STORAGE_FILE && (disk->thin || disk->parent[0]);
}

int disk_check(const Holdfast__Disk *disk, Holdfast__StorageKind storage, struct error *err)
{
	if (disk->thin && storage != HOLDFAST__STORAGE_KIND__STORAGE_FILE)
		return error_set(err, ERROR_USAGE,
			"disk %.63s cannot be thin: replicated volumes are fixed, their pool is no thin "
			"pool; leave "
			"thin out, or use file storage",
			disk->name);
	if (!disk->parent[0])
		return 0;
	if (disk->format != HOLDFAST__DISK_FORMAT__FORMAT_QCOW2)
		return error_set(err, ERROR_USAGE,
			"disk %.63s lies over a parent, which only format=qcow2 can", disk->name);
	if (!disk_parent_is_path(disk) && !strchr(disk->parent, '.'))
		return error_set(err, ERROR_USAGE,
			"the parent \"%.60s\" of disk %.63s is neither an absolute path nor a template's "
			"disk",
			disk->parent, disk->name);
	if (strlen(disk->parent) > 1000)
		return error_set(
			err, ERROR_USAGE, "the parent of disk %.63s has too long a path", disk->name);
	return 0;
}

Holdfast__Volume *disk_volume_find(const Holdfast__Group *group, const char *name)
{
	for (size_t i = 0; i < group->n_volumes; i++)
		if (group->volumes[i]->index && !strcmp(group->volumes[i]->name, name))
			return group->volumes[i];
	return NULL;
}

static Holdfast__Disk *disk_on(const Holdfast__GroupSpec *spec, uint32_t volume, Holdfast__Vm **vm)
{
	for (size_t i = 0; i < spec->n_vms; i++)
		for (size_t k = 0; k < spec->vms[i]->n_disks; k++)
			if (spec->vms[i]->disks[k]->volume == volume) {
				*vm = spec->vms[i];
				return spec->vms[i]->disks[k];
			}
	return NULL;
}

int disk_grow(Holdfast__GroupSpec *spec, const char *name, uint64_t bytes, Holdfast__Vm **vm,
	const Holdfast__Disk **disk, struct error *err)
{
	Holdfast__Volume *volume = disk_volume_find(spec->group, name);
	Holdfast__Disk *found = volume ? disk_on(spec, volume->index, vm) : NULL;

	if (!found)
		return error_set(err, ERROR_NOT_FOUND,
			"there is no disk %.130s: see 'holdfast volume list' (VM.DISK)", name);
	bytes = (bytes + MIB - 1) / MIB * MIB;
	if (bytes < found->size_bytes)
		return error_set(err, ERROR_UNSAFE,
			"disk %.130s has %llu MiB and cannot be made smaller: its guest would lose what is "
			"behind",
			name, (unsigned long long)(found->size_bytes / MIB));
	found->size_bytes = bytes;
	if (disk_volume_bytes(found) > volume->size_bytes)
		volume->size_bytes = disk_volume_bytes(found);
	*disk = found;
	return 0;
}

// ---- detached volumes

bool disk_volume_is_detached(const Holdfast__GroupSpec *spec, const Holdfast__Volume *volume)
{
	for (size_t i = 0; i < spec->n_vms; i++)
		for (size_t k = 0; k < spec->vms[i]->n_disks; k++)
			if (spec->vms[i]->disks[k]->volume == volume->index)
				return false;
	return volume->index != 0;
}

int disk_check_detached(const Holdfast__GroupSpec *spec, const Holdfast__Volume *volume, struct error *err)
{
	const char *dot = strrchr(volume->name, '.');

	if (disk_volume_is_detached(spec, volume))
		return 0;
	return error_set(err, ERROR_BUSY,
		"volume %.130s is a disk of VM %.*s: take it out of the VM instead ('holdfast vm set %.*s --remove-disk %s')",
		volume->name, (int)(dot - volume->name), volume->name, (int)(dot - volume->name), volume->name, dot + 1);
}

bool disk_volume_is_named_for(const Holdfast__Volume *volume, const char *vm)
{
	size_t length = strlen(vm);

	return volume->index && !strncmp(volume->name, vm, length) && volume->name[length] == '.';
}

static bool is_taken(const Holdfast__Group *group, const Holdfast__Vm *vm, const char *disk)
{
	for (size_t i = 0; i < group->n_volumes; i++)
		if (disk_volume_is_named_for(group->volumes[i], vm->name) &&
			!strcmp(group->volumes[i]->name + strlen(vm->name) + 1, disk))
			return true;
	return false;
}

void disk_name_new(const Holdfast__Group *group, const Holdfast__Vm *vm, size_t i, char name[64])
{
	const char *wish = vm->disks[i]->name;
	size_t from = i;
	bool taken = !wish[0] || is_taken(group, vm, wish);

	snprintf(name, 64, "%s", wish);
	while (taken) {
		snprintf(name, 64, "disk%zu", from++);
		taken = is_taken(group, vm, name);
		for (size_t k = 0; k < vm->n_disks; k++)
			taken |= !strcmp(vm->disks[k]->name, name);
	}
}
