// SPDX-License-Identifier: GPL-3.0-or-later
// The groups of this node: which there are, their definitions and VMs, and what is wanted of them. The wanted state is read from the run directory
// each time, because the agent changes it there too when hypervisord does not answer. Starting and stopping are in group-start.c and group-stop.c.
#include "hypervisor/group-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/name.h"
#include "hypervisor/disk-work.h"
#include "hypervisor/vm-private.h"
#include "proto/json.h"

#define LOCK_TRY_MS 10
#define LOCK_TRIES 1000

struct groups *groups_new(void)
{
	return calloc(1, sizeof(struct groups));
}

static void clear(struct group *group)
{
	for (size_t i = 0; i < group->vm_count; i++)
		vm_free(group->vms[i]);
	free(group->vms);
	group->vms = NULL;
	group->vm_count = 0;
	if (group->spec)
		holdfast__group_spec__free_unpacked(group->spec, NULL);
	group->spec = NULL;
	free(group->current);
	group->current = NULL;
}

void groups_free(struct groups *groups)
{
	for (struct group *group = groups ? groups->first : NULL, *next; group; group = next) {
		next = group->next;
		clear(group);
		free(group);
	}
	free(groups);
}

static struct group *find_any(struct hypervisor *hv, const char *name)
{
	struct group *group = hv->groups->first;
	while (group && strcmp(group->name, name))
		group = group->next;
	return group;
}

struct group *group_find(struct hypervisor *hv, const char *name)
{
	struct group *group = find_any(hv, name);
	return group && !group->removed ? group : NULL;
}

const char *group_name(const struct group *group)
{
	return group->name;
}

struct hypervisor *group_hypervisor(const struct group *group)
{
	return group->hv;
}

const Holdfast__GroupSpec *group_spec(const struct group *group)
{
	return group->spec;
}

size_t group_vm_count(const struct group *group)
{
	return group->vm_count;
}

struct vm *group_vm(const struct group *group, size_t i)
{
	return group->vms[i];
}

struct task_mutex *group_mutex(struct group *group)
{
	return &group->mutex;
}

const char *group_change(const struct group *group)
{
	return group->changing[0] && loop_now_us() < group->changing_until_us ? group->changing : NULL;
}

struct vm *group_vm_find(const struct group *group, const char *name)
{
	for (size_t i = 0; i < group->vm_count; i++)
		if (!strcmp(group->vms[i]->name, name))
			return group->vms[i];
	return NULL;
}

struct vm *groups_vm_find(struct hypervisor *hv, const char *name)
{
	for (struct group *group = hv->groups->first; group; group = group->next) {
		struct vm *vm = group->removed ? NULL : group_vm_find(group, name);
		if (vm)
			return vm;
	}
	return NULL;
}

// ---- definitions

static const Holdfast__Vm *spec_vm(const Holdfast__GroupSpec *spec, const char *name)
{
	for (size_t i = 0; i < spec->n_vms; i++)
		if (!strcmp(spec->vms[i]->name, name))
			return spec->vms[i];
	return NULL;
}

static int check_vm(
	struct hypervisor *hv, const Holdfast__GroupSpec *spec, const Holdfast__Vm *vm, struct error *err)
{
	if (qemu_definition_check(vm, err))
		return -1;
	if (strcmp(vm->group, spec->group->name))
		return error_set(err, ERROR_USAGE, "VM %s is defined in group %s, not %s", vm->name,
			vm->group, spec->group->name);
	if (spec_vm(spec, vm->name) != vm)
		return error_set(
			err, ERROR_USAGE, "group %s has two VMs of the name %s", spec->group->name, vm->name);
	struct vm *other = groups_vm_find(hv, vm->name);
	if (other && strcmp(other->group->name, spec->group->name))
		return error_set(err, ERROR_EXISTS, "there is a VM %s already, in group %s", vm->name,
			other->group->name);
	for (size_t i = 0; i < vm->n_disks; i++) {
		bool found = false;
		for (size_t k = 0; k < spec->group->n_volumes; k++)
			found |= spec->group->volumes[k]->index == vm->disks[i]->volume;
		if (!found || vm->disks[i]->volume == 0)
			return error_set(err, ERROR_USAGE,
				"VM %s: disk %s is on volume %" PRIu32
				", which group %s does not have for it",
				vm->name, vm->disks[i]->name, vm->disks[i]->volume, spec->group->name);
	}
	return 0;
}

static int check_spec(struct hypervisor *hv, const Holdfast__GroupSpec *spec, struct error *err)
{
	if (!spec || !spec->group)
		return error_set(err, ERROR_USAGE, "a definition without a group");
	if (name_check("group", spec->group->name, err))
		return -1;
	for (size_t i = 0; i < spec->n_vms; i++)
		if (check_vm(hv, spec, spec->vms[i], err))
			return -1;
	return 0;
}

static bool has_volume(const Holdfast__GroupSpec *spec, uint32_t index)
{
	for (size_t i = 0; i < spec->group->n_volumes; i++)
		if (spec->group->volumes[i]->index == index)
			return true;
	return false;
}

// A VM that has a QEMU keeps the volumes of the disks that this has.
static int check_running(const struct group *group, const Holdfast__GroupSpec *spec, struct error *err)
{
	for (size_t i = 0; i < group->vm_count; i++) {
		const struct vm *vm = group->vms[i];
		const Holdfast__Vm *definition = spec_vm(spec, vm->name);
		const char *work = disk_work_on(group, vm->name);
		if (!vm_has_process(vm) && !vm_is_up(vm) && !work)
			continue;
		bool same = definition != NULL;
		for (size_t k = 0; same && k < vm->definition->n_disks; k++)
			same = (!work && !qemu_disk_there(vm->definition, k)) ||
				has_volume(spec, vm->definition->disks[k]->volume);
		if (!same && work)
			return error_set(err, ERROR_BUSY, "the disks of VM %s are in use: %s is going on",
				vm->name, work);
		if (!same)
			return error_set(err, ERROR_BUSY,
				"VM %s is %s and its definition was %s: stop it first", vm->name,
				vm_state_name(vm->state), definition ? "given other disks" : "deleted");
	}
	return 0;
}

static bool in_list(struct vm *const *vms, size_t count, const struct vm *vm)
{
	for (size_t i = 0; i < count; i++)
		if (vms[i] == vm)
			return true;
	return false;
}

// The VMs of SPEC: those that we have, and new ones.
static struct vm **collect(struct group *group, const Holdfast__GroupSpec *spec, struct error *err)
{
	struct vm **vms = calloc(spec->n_vms + 1, sizeof(*vms));
	if (!vms) {
		error_set(err, ERROR_FAILED, "no memory for group %s", group->name);
		return NULL;
	}
	for (size_t i = 0; i < spec->n_vms; i++) {
		vms[i] = group_vm_find(group, spec->vms[i]->name);
		if (!vms[i])
			vms[i] = vm_new(group, spec->vms[i], err);
		if (vms[i])
			continue;
		for (size_t k = 0; k < i; k++)
			if (!in_list(group->vms, group->vm_count, vms[k]))
				vm_free(vms[k]);
		free(vms);
		return NULL;
	}
	return vms;
}

int group_define(struct group *group, const Holdfast__GroupSpec *spec, struct error *err)
{
	if (check_spec(group->hv, spec, err) || check_running(group, spec, err) ||
		rundir_spec_set(&group->hv->run, spec, err))
		return -1;
	Holdfast__GroupSpec *copy = (Holdfast__GroupSpec *)proto_copy(&spec->base);
	if (!copy)
		return error_set(err, ERROR_FAILED, "no memory for group %s", group->name);
	struct vm **vms = collect(group, copy, err);
	if (!vms) {
		holdfast__group_spec__free_unpacked(copy, NULL);
		return -1;
	}
	for (size_t i = 0; i < group->vm_count; i++)
		if (!in_list(vms, copy->n_vms, group->vms[i]))
			vm_free(group->vms[i]);
	for (size_t i = 0; i < copy->n_vms; i++)
		running_follow(vms[i], copy->vms[i]);
	free(group->vms);
	group->vms = vms;
	group->vm_count = copy->n_vms;
	if (group->spec)
		holdfast__group_spec__free_unpacked(group->spec, NULL);
	group->spec = copy;
	return 0;
}

struct group *group_adopt(struct hypervisor *hv, const Holdfast__GroupSpec *spec, struct error *err)
{
	if (check_spec(hv, spec, err))
		return NULL;
	struct group *group = find_any(hv, spec->group->name);
	if (group && !group->removed && group->spec->epoch > spec->epoch)
		return group;
	if (group && group->mutex.owner && group->mutex.owner != task_self()) {
		// Whoever is at work on it reads its definition.
		error_set(err, ERROR_BUSY, "group %s is busy on this node; try again", group->name);
		return NULL;
	}
	if (!group) {
		group = calloc(1, sizeof(*group));
		if (!group) {
			error_set(err, ERROR_FAILED, "no memory for group %s", spec->group->name);
			return NULL;
		}
		group->hv = hv;
		snprintf(group->name, sizeof(group->name), "%s", spec->group->name);
		group->removed = true; // until it has a definition
		group->next = hv->groups->first;
		hv->groups->first = group;
	}
	if (group_define(group, spec, err))
		return NULL;
	group->removed = false;
	return group;
}

int group_forget(struct group *group, struct error *err)
{
	if (group->works)
		return error_set(err, ERROR_BUSY, "group %s cannot be removed here: %s is going on",
			group->name, disk_work_on(group, NULL));
	for (size_t i = 0; i < group->vm_count; i++)
		if (vm_has_process(group->vms[i]) || vm_is_up(group->vms[i]))
			return error_set(err, ERROR_BUSY, "group %s cannot be removed here: VM %s is %s",
				group->name, group->vms[i]->name, vm_state_name(group->vms[i]->state));
	for (size_t i = 0; i < group->vm_count; i++)
		if (rundir_guest_remove(&group->hv->run, group->vms[i]->name, err))
			return -1;
	if (rundir_group_remove(&group->hv->run, group->name, err))
		return -1;
	clear(group);
	group->removed = true;
	return 0;
}

// ---- what is wanted

enum wanted group_wanted(const struct group *group)
{
	enum wanted wanted;
	uint64_t generation;
	struct error err = ERROR_INIT;
	if (rundir_wanted_get(&group->hv->run, group->name, &wanted, &generation, &err)) {
		log_error("group=%s %s", group->name, err.message);
		return WANTED_UNKNOWN;
	}
	return wanted;
}

// flock has no wait that the loop could see: bounded tries. *fd stays -1 if somebody got a permit of the group meanwhile.
static int lock(struct group *group, int *fd, struct error *err)
{
	for (int i = 0;; i++) {
		error_clear(err);
		if (group->permits)
			return 0;
		if (!rundir_group_lock(&group->hv->run, group->name, 0, fd, err))
			return 0;
		if ((err && err->code != ERROR_BUSY) || i == LOCK_TRIES || task_pause(LOCK_TRY_MS, err))
			return -1;
	}
}

int group_permit(struct group *group, struct permit *permit, struct error *err)
{
	enum wanted wanted;
	uint64_t generation;
	cleanup_fd int held = -1;
	struct error local = ERROR_INIT;
	if ((!group->permits && lock(group, &held, err ? err : &local)) ||
		rundir_wanted_get(&group->hv->run, group->name, &wanted, &generation, err))
		return -1;
	if (wanted != WANTED_STARTED || generation != group->generation)
		return error_set(err, ERROR_UNSAFE, "no guest of group %s is started here: it is wanted %s",
			group->name, wanted == WANTED_STARTED ? "by a newer start" : "stopped");
	if (held >= 0)
		group->permit_fd = steal_fd(&held);
	group->permits++;
	permit->group = group;
	return 0;
}

void group_permit_end(struct permit *permit)
{
	if (permit->group && !--permit->group->permits)
		close(permit->group->permit_fd);
	permit->group = NULL;
}

int group_want(struct group *group, enum wanted wanted, uint64_t generation, struct error *err)
{
	enum wanted before;
	uint64_t last;
	cleanup_fd int held = -1;
	struct error local = ERROR_INIT;
	if (lock(group, &held, err ? err : &local) ||
		rundir_wanted_get(&group->hv->run, group->name, &before, &last, err))
		return -1;
	if (generation < last)
		return error_set(err, ERROR_UNSAFE,
			"the order for group %s is older than the last one (generation %" PRIu64
			", last %" PRIu64 ")",
			group->name, generation, last);
	if (rundir_wanted_set(&group->hv->run, group->name, wanted, generation, err))
		return -1;
	fault_point("wanted:%s", wanted == WANTED_STARTED ? "started" : "stopped");
	group->generation = generation;
	return 0;
}

static void set_wanted(struct group *group, enum wanted wanted, uint64_t generation)
{
	struct error err = ERROR_INIT;
	cleanup_fd int held = -1;
	if (rundir_group_lock(&group->hv->run, group->name, 200, &held, &err) ||
		rundir_wanted_set(&group->hv->run, group->name, wanted, generation, &err))
		log_error("group=%s the wanted state could not be written: %s", group->name, err.message);
	group->generation = generation;
}

void group_set_online(struct group *group, uint64_t generation)
{
	set_wanted(group, WANTED_STARTED, generation);
}

void group_set_offline(struct group *group, uint64_t generation)
{
	set_wanted(group, WANTED_STOPPED, generation);
}
