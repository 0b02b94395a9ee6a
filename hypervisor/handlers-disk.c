// SPDX-License-Identifier: GPL-3.0-or-later
// Requests about disks. On a stand-alone machine the group is known here; in a cluster clusterd sends its definition along.
#include <stdlib.h>
#include <string.h>
#include "common/fault.h"
#include "hypervisor/disk-work.h"
#include "hypervisor/handlers.h"
#include "hypervisor/standalone-define.h"
#include "hypervisor/vm-image.h"
#include "proto/clone.h"
#include "proto/json.h"

#define LOCK_MS 30000

// The group that the request is about, locked.
static struct group *lock_group(struct hypervisor *hv, const Holdfast__GroupSpec *spec, const char *current,
	const char *volume, struct error *err)
{
	if (!spec) {
		struct group *group = disk_group_of(hv, volume, err);
		return group ? handler_lock_group(hv, group->name, LOCK_MS, err) : NULL;
	}
	struct group *group = handler_adopt_locked(hv, spec, LOCK_MS, err);
	if (group && group_wanted(group) != WANTED_STARTED) {
		char *copy = strdup(current);
		free(group->current);
		group->current = copy;
	}
	return group;
}

HANDLER(serve_import)
{
	struct hypervisor *hv = data;
	const Holdfast__VolumeImport *import = request->volume_import;
	struct group *group = lock_group(hv, import->spec, import->current, import->volume, err);
	if (!group || disk_import(hv, call, group, import, err))
		return -1;
	return reply_done(reply, err);
}

HANDLER(serve_export)
{
	struct hypervisor *hv = data;
	const Holdfast__VolumeExport *export = request->volume_export;
	struct group *group = lock_group(hv, export->spec, export->current, export->volume, err);
	if (!group || disk_export(hv, call, group, export, err))
		return -1;
	return reply_done(reply, err);
}

static int grow(struct group *group, const Holdfast__VolumeGrow *request, struct error *err)
{
	struct disk_place place;
	Holdfast__GroupSpec *spec = (Holdfast__GroupSpec *)proto_copy(&group->spec->base);
	if (!spec)
		return error_set(err, ERROR_FAILED, "no memory for group %s", group->name);
	int failed = disk_grow_place(spec, request->volume, request->size_bytes, &place, err);
	if (!failed && request->step == HOLDFAST__GROW_STEP__GROW_ALL)
		failed = disk_grow_check(group, &place, err);
	if (!failed && request->step != HOLDFAST__GROW_STEP__GROW_DEVICE)
		failed = disk_grow_backing(group, &place, err);
	if (!failed && request->step != HOLDFAST__GROW_STEP__GROW_BACKING) {
		fault_point("grow-backing");
		failed = disk_grow_device(group, &place, err);
	}
	if (!failed && group->hv->standalone) {
		fault_point("grow-device");
		failed = standalone_take_over(group, spec, err);
	}
	holdfast__group_spec__free_unpacked(spec, NULL);
	return failed;
}

HANDLER(serve_grow)
{
	struct hypervisor *hv = data;
	const Holdfast__VolumeGrow *wish =
		request->volume_grow; // or volume_grow_step: one place in the union
	struct group *group = lock_group(hv, wish->spec, wish->current, wish->volume, err);
	if (!group)
		return -1;
	int failed = grow(group, wish, err);
	task_unlock(&group->mutex);
	return failed ? -1 : reply_done(reply, err);
}

// ---- whole VMs

static struct group *lock_group_of(struct hypervisor *hv, const Holdfast__GroupSpec *spec,
	const char *current, const char *vm, struct error *err)
{
	if (spec)
		return lock_group(hv, spec, current, "", err);
	struct vm *found = handler_lock_vm(hv, vm, LOCK_MS, err);
	return found ? found->group : NULL;
}

HANDLER(serve_vm_export)
{
	const Holdfast__VmExport *wish = request->vm_export;
	struct group *group = lock_group_of(data, wish->spec, wish->current, wish->name, err);
	if (!group || vm_image_write(call, group, wish, err))
		return -1;
	return reply_done(reply, err);
}

HANDLER(serve_vm_fill)
{
	const Holdfast__VmFill *wish = request->vm_fill;
	struct group *group = lock_group_of(data, wish->spec, wish->current, wish->name, err);
	if (!group || disk_fill(call, group, wish, err))
		return -1;
	return reply_done(reply, err);
}

HANDLER(serve_image_read)
{
	if (vm_image_read(data, request->vm_image_read->directory, &reply->vm_definition, err))
		return -1;
	reply->body_case = HOLDFAST__REPLY__BODY_VM_DEFINITION;
	return 0;
}

// ---- on a stand-alone machine

static int set_template(struct vm *vm, bool template, struct error *err)
{
	struct group *group = vm->group;
	struct disk_work work = { .text = "making a template" };
	if (!template && clone_user(group->spec, vm->name))
		return error_set(err, ERROR_BUSY,
			"the disks of VM %s lie over those of template %s: delete it first",
			clone_user(group->spec, vm->name), vm->name);
	if (vm->wanted->template_ == template)
		return 0;
	if (disk_work_begin(&work, group, vm->wanted, NULL, err))
		return -1;
	disk_work_end_locked(&work);
	Holdfast__Vm changed = *vm->wanted;
	changed.template_ = template;
	return handler_put_vm(group, &changed, err);
}

HANDLER(serve_template)
{
	struct vm *vm = handler_lock_vm(data, request->vm_template->name, LOCK_MS, err);
	if (!vm)
		return -1;
	struct group *group = vm->group;
	int failed = set_template(vm, request->vm_template->template_, err);
	task_unlock(&group->mutex);
	return failed ? -1 : reply_done(reply, err);
}

// Makes VM in GROUP, which is locked and is unlocked, and fills it; or nothing is left of it.
static int create_filled(struct rpc_call *call, struct group *group, const Holdfast__Vm *vm,
	const Holdfast__VmFill *fill, struct error *err)
{
	struct error ignored = ERROR_INIT;
	if (standalone_create_vm(group, vm, err)) {
		task_unlock(&group->mutex);
		return -1;
	}
	if (!disk_fill(call, group, fill, err))
		return 0;
	task_uncancel(task_self());
	if (task_lock(&group->mutex, LOCK_MS, &ignored))
		return error_prefix(err, "half a VM %s stays", vm->name);
	if (standalone_delete_vm(group, vm->name, &ignored))
		error_prefix(err, "half a VM %s stays", vm->name);
	task_unlock(&group->mutex);
	return -1;
}

HANDLER(serve_clone)
{
	const Holdfast__VmClone *wish = request->vm_clone;
	Holdfast__VmFill fill = HOLDFAST__VM_FILL__INIT;
	Holdfast__Vm *made = NULL;
	struct vm *vm = handler_lock_vm(data, wish->name, LOCK_MS, err);
	if (!vm)
		return -1;
	struct group *group = vm->group;
	if (clone_definition(group->spec, wish, &made, err)) {
		task_unlock(&group->mutex);
		return -1;
	}
	fill.name = wish->clone;
	fill.source = wish->name;
	int failed = create_filled(call, group, made, &fill, err);
	holdfast__vm__free_unpacked(made, NULL);
	return failed ? -1 : reply_done(reply, err);
}

HANDLER(serve_vm_import)
{
	const Holdfast__VmImport *wish = request->vm_import;
	Holdfast__VmFill fill = HOLDFAST__VM_FILL__INIT;
	Holdfast__Vm *vm = NULL;
	if (vm_image_read(data, wish->directory, &vm, err))
		return -1;
	struct group *group =
		clone_imported(vm, wish, err) ? NULL : handler_lock_group(data, wish->group, LOCK_MS, err);
	fill.name = vm->name;
	fill.directory = wish->directory;
	int failed = group ? create_filled(call, group, vm, &fill, err) : -1;
	holdfast__vm__free_unpacked(vm, NULL);
	return failed ? -1 : reply_done(reply, err);
}

const struct rpc_handler disk_standalone_handlers[] = {
	{ HOLDFAST__REQUEST__BODY_VM_TEMPLATE, LOCAL, serve_template },
	{ HOLDFAST__REQUEST__BODY_VM_CLONE, LOCAL, serve_clone },
	{ HOLDFAST__REQUEST__BODY_VM_IMPORT, LOCAL, serve_vm_import },
	{ 0 },
};

const struct rpc_handler disk_handlers[] = {
	{ HOLDFAST__REQUEST__BODY_VM_EXPORT, LOCAL, serve_vm_export },
	{ HOLDFAST__REQUEST__BODY_VM_FILL, LOCAL, serve_vm_fill },
	{ HOLDFAST__REQUEST__BODY_VM_IMAGE_READ, LOCAL, serve_image_read },
	{ HOLDFAST__REQUEST__BODY_VOLUME_GROW, LOCAL, serve_grow },
	{ HOLDFAST__REQUEST__BODY_VOLUME_GROW_STEP, LOCAL, serve_grow }, // the same message
	{ HOLDFAST__REQUEST__BODY_VOLUME_IMPORT, LOCAL, serve_import },
	{ HOLDFAST__REQUEST__BODY_VOLUME_EXPORT, LOCAL, serve_export },
	{ 0 },
};
