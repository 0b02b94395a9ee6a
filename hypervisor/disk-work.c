// SPDX-License-Identifier: GPL-3.0-or-later
// The frame of all long work on disks: who may begin, the marks, the end, and breaking off. What the work is, is in disk-import.c and its like.
#include "hypervisor/disk-work.h"

#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "hypervisor/disk-mark.h"
#include "hypervisor/saved-state.h"
#include "hypervisor/vm-private.h"
#include "proto/json.h"

#define LOCK_MS 60000

// ---- places

static const Holdfast__Volume *volume_named(const struct group *group, const char *name)
{
	for (size_t i = 0; i < group->spec->group->n_volumes; i++)
		if (group->spec->group->volumes[i]->index &&
			!strcmp(group->spec->group->volumes[i]->name, name))
			return group->spec->group->volumes[i];
	return NULL;
}

struct group *disk_group_of(struct hypervisor *hv, const char *volume, struct error *err)
{
	for (struct group *group = hv->groups->first; group; group = group->next)
		if (!group->removed && volume_named(group, volume))
			return group;
	error_set(err, ERROR_NOT_FOUND, "there is no disk %.130s: see 'holdfast volume list' (VM.DISK)",
		volume);
	return NULL;
}

int disk_place_find(struct group *group, const char *name, struct disk_place *place, struct error *err)
{
	const Holdfast__Volume *volume = volume_named(group, name);
	*place = (struct disk_place){ NULL };
	for (size_t i = 0; volume && i < group->spec->n_vms && !place->vm; i++)
		for (size_t k = 0; k < group->spec->vms[i]->n_disks; k++) {
			if (group->spec->vms[i]->disks[k]->volume != volume->index)
				continue;
			place->vm = (Holdfast__Vm *)proto_copy(&group->spec->vms[i]->base);
			place->group = (Holdfast__Group *)proto_copy(&group->spec->group->base);
			if (!place->vm || !place->group) {
				disk_place_done(place);
				return error_set(err, ERROR_FAILED, "no memory for disk %.130s", name);
			}
			place->disk = place->vm->disks[k];
			break;
		}
	if (place->vm)
		return 0;
	return error_set(err, ERROR_NOT_FOUND,
		"there is no disk %.130s in group %s: see 'holdfast volume list'", name, group->name);
}

int disk_place_vm(struct group *group, const char *name, struct disk_place *place, struct error *err)
{
	*place = (struct disk_place){ NULL };
	for (size_t i = 0; i < group->spec->n_vms; i++) {
		if (strcmp(group->spec->vms[i]->name, name))
			continue;
		place->vm = (Holdfast__Vm *)proto_copy(&group->spec->vms[i]->base);
		place->group = (Holdfast__Group *)proto_copy(&group->spec->group->base);
		if (place->vm && place->group)
			return 0;
		disk_place_done(place);
		return error_set(err, ERROR_FAILED, "no memory for VM %.63s", name);
	}
	return error_set(err, ERROR_NOT_FOUND, "there is no VM %.63s in group %s", name, group->name);
}

void disk_place_done(struct disk_place *place)
{
	if (place->vm)
		holdfast__vm__free_unpacked(place->vm, NULL);
	if (place->group)
		holdfast__group__free_unpacked(place->group, NULL);
	*place = (struct disk_place){ NULL };
}

// ---- beginning

const char *disk_work_on(const struct group *group, const char *vm)
{
	for (const struct disk_work *work = group->works; work; work = work->next)
		if (!vm || !strcmp(work->vm, vm))
			return work->text;
	return NULL;
}

const char *group_disk_work(const struct group *group)
{
	return disk_work_on(group, NULL);
}

static int check_off(const struct vm *vm, struct error *err)
{
	const char *busy = disk_work_on(vm->group, vm->name);
	if (busy)
		return error_set(
			err, ERROR_BUSY, "the disks of VM %s are in use: %s is going on", vm->name, busy);
	if (vm->state == HOLDFAST__VM_STATE__VM_OFF && !vm_has_process(vm))
		return 0;
	return error_set(err, ERROR_BUSY, "VM %s is %s: stop it first (holdfast vm stop %s%s)", vm->name,
		vm_state_name(vm->state), vm->name,
		vm->state == HOLDFAST__VM_STATE__VM_SAVED ? " --force" : "");
}

struct marking {
	const char *directory;
	const Holdfast__Vm *vm;
	const char *disk;
	const char *text;
};

static int check_saved(const struct marking *marking, struct error *err)
{
	const struct saved_state saved = { marking->directory, marking->vm->name };
	if (!saved_exists(&saved))
		return 0;
	return error_set(err, ERROR_UNSAFE,
		"VM %s has a saved state that belongs to what its disks have now: start its group, and stop "
		"the VM "
		"(holdfast vm stop %s)",
		marking->vm->name, marking->vm->name);
}

static bool is_rewritten(const struct marking *marking, const Holdfast__Disk *disk)
{
	return marking->disk && (!strcmp(marking->disk, DISK_WORK_ALL) || !strcmp(marking->disk, disk->name));
}

static int open_work(void *data, struct error *err)
{
	const struct marking *marking = data;
	if (check_saved(marking, err))
		return -1;
	for (size_t i = 0; i < marking->vm->n_disks; i++) {
		Holdfast__Disk *disk = marking->vm->disks[i];
		Holdfast__Vm only = *marking->vm;
		only.disks = &disk;
		only.n_disks = 1;
		if (is_rewritten(marking, disk) ? disk_mark_set(marking->directory, marking->vm, disk->name,
							  marking->text, err)
						: disk_marks_check(marking->directory, &only, err))
			return -1;
	}
	return 0;
}

static int close_work(void *data, struct error *err)
{
	const struct marking *marking = data;
	for (size_t i = 0; i < marking->vm->n_disks; i++)
		if (is_rewritten(marking, marking->vm->disks[i]) &&
			disk_mark_clear(
				marking->directory, marking->vm->name, marking->vm->disks[i]->name, err))
			return -1;
	return 0;
}

// FN on a worker thread with the group's state directory there.
static int with_state(struct group *group, struct marking *marking, task_work_fn *fn, struct error *err)
{
	struct storage *storage = group->hv->storage;
	struct error ignored = ERROR_INIT;
	char *directory = NULL;
	Holdfast__Group *definition = (Holdfast__Group *)proto_copy(&group->spec->group->base);
	if (!definition)
		return error_set(err, ERROR_FAILED, "no memory for group %s", group->name);
	int failed = storage_mount_state(storage, definition, &directory, err);
	if (!failed) {
		marking->directory = directory;
		failed = task_offload(fn, marking, err);
		task_uncancel(task_self());
		if (storage_unmount_state(storage, definition, &ignored))
			log_warning("group=%s %s", group->name, ignored.message);
	}
	free(directory);
	holdfast__group__free_unpacked(definition, NULL);
	return failed;
}

// An offline group's volumes are given up when nothing uses them any more. The mutex is held.
static void give_up_volumes(struct group *group)
{
	struct error err = ERROR_INIT;
	if (group->works || group->removed || group_wanted(group) == WANTED_STARTED)
		return;
	if (storage_demote(group->hv->storage, group->spec->group, &err))
		log_warning("group=%s its volumes stay promoted: %s", group->name, err.message);
}

int disk_work_begin(struct disk_work *work, struct group *group, const Holdfast__Vm *definition,
	const char *rewrite, struct error *err)
{
	struct vm *vm = group_vm_find(group, definition->name);
	if (!vm)
		return error_set(
			err, ERROR_NOT_FOUND, "there is no VM %s in group %s", definition->name, group->name);
	if (check_off(vm, err))
		return -1;
	if (rewrite && definition->template_)
		return error_set(
			err, ERROR_UNSAFE, "VM %s is a template: others' disks lie over its disks", vm->name);
	if (group->hv->move_hooks.holds &&
		group->hv->move_hooks.holds(group->hv->move_hooks.moves, group->name))
		return error_set(err, ERROR_BUSY,
			"group %s is being moved: try again when it has come to rest", group->name);
	struct marking marking = { .vm = definition, .disk = rewrite, .text = work->text };
	if (group_promote(group, false, err))
		return -1;
	if (with_state(group, &marking, open_work, err)) {
		give_up_volumes(group);
		return -1;
	}
	work->group = group;
	snprintf(work->vm, sizeof(work->vm), "%s", definition->name);
	work->task = task_self();
	work->next = group->works;
	group->works = work;
	log_info("vm=%s group=%s %s begins", vm->name, group->name, work->text);
	return 0;
}

// ---- ending

static void unlink_work(struct disk_work *work)
{
	struct disk_work **link = &work->group->works;
	while (*link != work)
		link = &(*link)->next;
	*link = work->next;
	if (!work->group->works)
		task_wake(&work->group->works_over);
}

static void say_failed(const struct disk_work *work, const char *rewrite, const struct error *failed)
{
	struct vm *vm = group_vm_find(work->group, work->vm);
	log_warning("vm=%s group=%s %s failed: %s", work->vm, work->group->name, work->text, failed->message);
	if (vm && rewrite)
		vm_reason(
			vm, "disk %s is not whole: %s failed: %.120s", rewrite, work->text, failed->message);
}

int disk_work_end(struct disk_work *work, const Holdfast__Vm *definition, const char *rewrite,
	const struct error *failed, struct error *err)
{
	struct group *group = work->group;
	struct marking marking = { .vm = definition, .disk = rewrite };
	struct error local = ERROR_INIT;
	bool cancelled = task_cancelled(task_self());
	int result = failed->code ? error_copy(err, failed) : 0;
	task_uncancel(task_self()); // ending must come to its end
	if (!result && rewrite && with_state(group, &marking, close_work, &local))
		result = error_copy(err, &local);
	if (result)
		say_failed(work, rewrite, failed->code ? failed : &local);
	else
		log_info("vm=%s group=%s %s is done", work->vm, group->name, work->text);
	struct vm *vm = group_vm_find(group, work->vm);
	if (!result && rewrite && vm && vm->state == HOLDFAST__VM_STATE__VM_OFF) {
		vm->reason[0] = '\0';
		vm->disks_unfinished = false;
	}
	bool broken_off = work->broken_off;
	unlink_work(work);
	if (!broken_off) {
		if (task_lock(&group->mutex, LOCK_MS, &local))
			log_warning("group=%s %s", group->name, local.message);
		else {
			give_up_volumes(group);
			task_unlock(&group->mutex);
		}
	}
	if (cancelled)
		task_cancel(task_self());
	return result;
}

void disk_work_end_locked(struct disk_work *work)
{
	struct group *group = work->group;
	bool cancelled = task_cancelled(task_self());
	task_uncancel(task_self());
	unlink_work(work);
	give_up_volumes(group);
	if (cancelled)
		task_cancel(task_self());
}

int disk_works_break_off(struct group *group, unsigned timeout_ms, struct error *err)
{
	group->works_over = (struct task_wait){ 0 };
	for (struct disk_work *work = group->works; work; work = work->next) {
		log_warning("vm=%s group=%s %s is broken off: the group is stopped", work->vm, group->name,
			work->text);
		work->broken_off = true;
		task_cancel(work->task);
	}
	if (!group->works)
		return 0;
	return task_wait(&group->works_over, timeout_ms, "the end of work on its disks", err);
}

static int check_marks(void *data, struct error *err)
{
	const struct marking *marking = data;
	return disk_marks_check(marking->directory, marking->vm, err);
}

int disk_work_check_start(struct vm *vm, const char *state, struct error *err)
{
	const char *busy = disk_work_on(vm->group, vm->name);
	struct marking marking = { .directory = state, .vm = vm->definition };
	if (vm->definition->template_)
		return error_set(err, ERROR_UNSAFE,
			"VM %s is a template, which is never started: clone it (holdfast vm clone %s NEW)",
			vm->name, vm->name);
	if (busy)
		return error_set(
			err, ERROR_BUSY, "the disks of VM %s are in use: %s is going on", vm->name, busy);
	if (!state)
		return 0;
	int failed = task_offload(check_marks, &marking, err);
	vm->disks_unfinished = failed;
	return failed;
}
