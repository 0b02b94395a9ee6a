// SPDX-License-Identifier: GPL-3.0-or-later
// volume grow on this node: the volume, then what is in it (a qcow2 disk has its own size), then the guest's view of it. Each step does
// nothing where it is done, so that a growth that broke off is finished by repeating it. The definition is changed by the caller, last.
#include <string.h>
#include "common/log.h"
#include "hypervisor/convert.h"
#include "hypervisor/disk-volume.h"
#include "hypervisor/disk-work.h"
#include "hypervisor/running.h"
#include "hypervisor/vm-private.h"
#include "proto/disk.h"

int disk_grow_place(Holdfast__GroupSpec *spec, const char *name, uint64_t bytes, struct disk_place *place,
	struct error *err)
{
	place->group = spec->group;
	return disk_grow(spec, name, bytes, &place->vm, &place->disk, err);
}

// ---- under a guest

static int find_disk(const struct vm *vm, uint32_t volume)
{
	for (size_t i = 0; i < vm->definition->n_disks; i++)
		if (vm->definition->disks[i]->volume == volume)
			return (int)i;
	return -1;
}

// A qcow2 file lies over a node that keeps it from growing past its volume, and QEMU looks at the size of a file only when it opens it: the guest
// stands still for an instant while its disks are taken out and put in again.
static int open_again(struct vm *vm, struct error *err)
{
	struct error why = ERROR_INIT;
	bool running = vm->state == HOLDFAST__VM_STATE__VM_RUNNING;
	if (running && vm_stop_cpus(vm, err))
		return -1;
	int failed = vm_detach_disks(vm, &why);
	if (vm_attach_disks(vm, failed ? NULL : &why))
		return error_set(err, ERROR_FAILED,
			"VM %s is paused, its disks could not be opened again: %.200s", vm->name,
			why.message);
	if (running && vm_continue(vm, failed ? NULL : &why))
		failed = -1;
	return failed ? error_copy(err, &why) : 0;
}

static bool is_qcow2_file(const struct disk_place *place)
{
	return place->disk->format == HOLDFAST__DISK_FORMAT__FORMAT_QCOW2 &&
		place->group->storage == HOLDFAST__STORAGE_KIND__STORAGE_FILE;
}

static int grow_guest(struct vm *vm, const struct disk_place *place, struct error *err)
{
	int i = find_disk(vm, place->disk->volume);
	char name[32];
	uint64_t bytes[QEMU_DISKS_MAX];
	if (i < 0)
		return 0; // the guest has not got it yet
	if (vm->state != HOLDFAST__VM_STATE__VM_RUNNING && vm->state != HOLDFAST__VM_STATE__VM_PAUSED)
		return error_set(err, ERROR_BUSY, "VM %s is %s: try again when it runs or is off", vm->name,
			vm_state_name(vm->state));
	if (vm_disk_bytes(vm, bytes, err) || (is_qcow2_file(place) && open_again(vm, err)))
		return -1;
	// A raw disk is as large as its volume, to which DRBD may have added a bit.
	bool raw = place->disk->format == HOLDFAST__DISK_FORMAT__FORMAT_RAW;
	uint64_t size = raw ? bytes[i] : place->disk->size_bytes;
	snprintf(name, sizeof(name), "disk%d", i);
	if (qmp_command(vm->qmp, "block_resize",
		    json_pack("{s:s s:I}", "node-name", name, "size", (json_int_t)size), QMP_TIMEOUT_MS, NULL,
		    err))
		return error_prefix(err, "VM %s", vm->name);
	if (vm->running && (size_t)i < vm->running->n_disks) {
		vm->running->disks[i]->size_bytes = place->disk->size_bytes;
		return running_keep(vm, err);
	}
	return 0;
}

// ---- of a VM that is off

static int grow_image(struct group *group, const struct disk_place *place, struct error *err)
{
	struct hypervisor *hv = group->hv;
	struct disk_volume volume;
	char name[140];
	if (place->disk->format != HOLDFAST__DISK_FORMAT__FORMAT_QCOW2)
		return 0;
	if (place->disk->parent[0]) // what of the parent is behind the old end would show
		return error_set(err, ERROR_BUSY, "disk %s lies over a parent: it grows while VM %s runs",
			place->disk->name, place->vm->name);
	snprintf(name, sizeof(name), "%s.%s", place->vm->name, place->disk->name);
	if (disk_volume_open(hv, place->group, place->disk, DISK_VOLUME_WRITE, &volume, err))
		return -1;
	int failed = volume.blank ? 0 : convert_resize(hv, name, &volume.image, place->disk->size_bytes, err);
	disk_volume_close(&volume);
	return failed;
}

// What would refuse the last step refuses the first.
int disk_grow_check(const struct group *group, const struct disk_place *place, struct error *err)
{
	const struct vm *vm = group_vm_find(group, place->vm->name);
	const char *busy = disk_work_on(group, place->vm->name);
	if (!vm)
		return error_set(err, ERROR_NOT_FOUND, "there is no VM %s here", place->vm->name);
	if (busy)
		return error_set(
			err, ERROR_BUSY, "the disks of VM %s are in use: %s is going on", vm->name, busy);
	if (place->vm->template_)
		return error_set(
			err, ERROR_UNSAFE, "VM %s is a template: others' disks lie over its disks", vm->name);
	if (vm->state == HOLDFAST__VM_STATE__VM_SAVED)
		return error_set(err, ERROR_BUSY,
			"VM %s is saved, with a disk of the old size: start it first (holdfast vm start %s)",
			vm->name, vm->name);
	return 0;
}

int disk_grow_device(struct group *group, const struct disk_place *place, struct error *err)
{
	struct hypervisor *hv = group->hv;
	struct vm *vm = group_vm_find(group, place->vm->name);
	if (disk_grow_check(group, place, err))
		return -1;
	struct disk_work work = { .text = "growing a disk" };
	bool off = !vm_is_up(vm) && !vm_has_process(vm);
	if (off && disk_work_begin(&work, group, place->vm, NULL, err))
		return -1;
	int failed = storage_grow_volume(hv->storage, place->group, place->disk->volume, err);
	if (!failed)
		failed = off ? grow_image(group, place, err) : grow_guest(vm, place, err);
	if (off)
		disk_work_end_locked(&work);
	return failed;
}

int disk_grow_backing(struct group *group, const struct disk_place *place, struct error *err)
{
	return storage_grow_backing(group->hv->storage, place->group, place->disk->volume, err);
}
