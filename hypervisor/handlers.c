// SPDX-License-Identifier: GPL-3.0-or-later
// What all of hypervisord's handlers need: replies, and finding and locking what a request names. Locking order: one group, never two.
#include "hypervisor/handlers.h"
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "proto/json.h"

#define PATIENCE_MS 5000
#define CANCEL_MS 2000

int reply_done(Holdfast__Reply *reply, struct error *err)
{
	reply->done = malloc(sizeof(*reply->done));
	if (!reply->done)
		return error_set(err, ERROR_FAILED, "no memory for a reply");
	holdfast__empty__init(reply->done);
	reply->body_case = HOLDFAST__REPLY__BODY_DONE;
	return 0;
}

int reply_group(Holdfast__Reply *reply, struct group *group, struct error *err)
{
	reply->group = group_status(group);
	if (!reply->group)
		return error_set(err, ERROR_FAILED, "no memory for a reply");
	reply->body_case = HOLDFAST__REPLY__BODY_GROUP;
	return 0;
}

static struct group *lock_found(
	struct hypervisor *hv, const char *name, unsigned timeout_ms, struct error *err)
{
	struct group *group = group_find(hv, name);
	if (!group || task_lock(&group->mutex, timeout_ms, err))
		return NULL;
	if (!group->removed)
		return group;
	task_unlock(&group->mutex);
	return NULL;
}

struct group *handler_lock_group(
	struct hypervisor *hv, const char *name, unsigned timeout_ms, struct error *err)
{
	struct error local = ERROR_INIT;
	struct group *group = lock_found(hv, name, timeout_ms, &local);
	if (group)
		return group;
	if (local.code)
		error_copy(err, &local);
	else
		error_set(err, ERROR_NOT_FOUND, "there is no group %.63s on node %s", name, hv->config.node);
	return NULL;
}

// Lets go of the mutex whoever is at work on the group: its saves are cancelled, and then its task, which undoes what it has begun. A move is
// never broken off: it has rules of its own for that.
static void break_off(struct group *group, const char *name)
{
	struct error err = ERROR_INIT;
	for (size_t i = 0; i < group->vm_count; i++)
		if (group->vms[i]->state == HOLDFAST__VM_STATE__VM_MOVING_OUT ||
			group->vms[i]->state == HOLDFAST__VM_STATE__VM_MOVING_IN)
			return;
	log_warning("group=%s is stopped: what is being done with it is broken off", name);
	for (size_t i = 0; i < group->vm_count; i++)
		if (group->vms[i]->state == HOLDFAST__VM_STATE__VM_SAVING &&
			qmp_command(group->vms[i]->qmp, "migrate_cancel", NULL, CANCEL_MS, NULL, &err))
			log_debug("group=%s %s", name, err.message);
	if (group->mutex.owner)
		task_cancel(group->mutex.owner);
}

struct group *handler_lock_to_stop(
	struct hypervisor *hv, const char *name, unsigned timeout_ms, struct error *err)
{
	struct error local = ERROR_INIT;
	unsigned patience_ms = timeout_ms / 4 < PATIENCE_MS ? timeout_ms / 4 : PATIENCE_MS;
	struct group *group = handler_lock_group(hv, name, patience_ms, &local);
	if (group)
		return group;
	if (local.code != ERROR_TIMEOUT)
		error_copy(err, &local);
	else if ((group = group_find(hv, name)))
		break_off(group, name);
	return local.code == ERROR_TIMEOUT ? handler_lock_group(hv, name, timeout_ms / 2, err) : NULL;
}

struct vm *handler_lock_vm(struct hypervisor *hv, const char *name, unsigned timeout_ms, struct error *err)
{
	struct error local = ERROR_INIT;
	struct vm *vm = groups_vm_find(hv, name);
	struct group *group = vm ? lock_found(hv, vm->group->name, timeout_ms, &local) : NULL;
	if (group) {
		vm = group_vm_find(group, name);
		if (vm)
			return vm;
		task_unlock(&group->mutex);
	}
	if (local.code)
		error_copy(err, &local);
	else
		error_set(err, ERROR_NOT_FOUND, "there is no VM %.63s on node %s", name, hv->config.node);
	return NULL;
}

struct group *handler_adopt_locked(
	struct hypervisor *hv, const Holdfast__GroupSpec *spec, unsigned timeout_ms, struct error *err)
{
	if (!spec || !spec->group) {
		error_set(err, ERROR_USAGE, "the request has no definition of a group");
		return NULL;
	}
	struct error local = ERROR_INIT;
	struct group *group = lock_found(hv, spec->group->name, timeout_ms, &local);
	if (local.code) {
		error_copy(err, &local);
		return NULL;
	}
	struct group *adopted = group_adopt(hv, spec, err);
	if (!adopted && group)
		task_unlock(&group->mutex);
	if (adopted && !group && task_lock(&adopted->mutex, timeout_ms, err))
		return NULL;
	return adopted;
}

int handler_put_vm(struct group *group, const Holdfast__Vm *vm, struct error *err)
{
	Holdfast__GroupSpec spec = *group->spec; // shallow: group_define copies what it takes
	Holdfast__Vm **vms = calloc(spec.n_vms + 1, sizeof(*vms));
	if (!vms)
		return error_set(err, ERROR_FAILED, "no memory for VM %s", vm->name);
	size_t place = spec.n_vms;
	for (size_t i = 0; i < spec.n_vms; i++) {
		vms[i] = spec.vms[i];
		if (!strcmp(vms[i]->name, vm->name))
			place = i;
	}
	vms[place] = (Holdfast__Vm *)vm;
	spec.vms = vms;
	spec.n_vms += place == spec.n_vms;
	int result = group_define(group, &spec, err);
	free(vms);
	return result ? -1 : standalone_keep(group, err);
}

int handler_set_target(struct vm *vm, Holdfast__VmTarget target, struct error *err)
{
	if (vm->wanted->target == target)
		return 0;
	Holdfast__Vm changed = *vm->wanted;
	changed.target = target;
	return handler_put_vm(vm->group, &changed, err);
}
