// SPDX-License-Identifier: GPL-3.0-or-later
// vm set on a single machine. What goes is out of the guest before the definition forgets it and its volume is destroyed; what is new has its
// volume and its place in the definition before the guest sees it. So a crash in the middle leaves nothing that the definition does not
// name, and what the guest lacks is pending.
#include <stdlib.h>
#include <string.h>
#include "hypervisor/hotplug.h"
#include "hypervisor/disk-work.h"
#include "hypervisor/standalone-define.h"
#include "proto/clone.h"
#include "proto/json.h"
#include "proto/pending.h"

static void swap_definition(Holdfast__GroupSpec *spec, const struct vm *vm, Holdfast__Vm *changed)
{
	for (size_t i = 0; i < spec->n_vms; i++) {
		if (strcmp(spec->vms[i]->name, vm->name))
			continue;
		changed->target = spec->vms[i]->target;
		holdfast__vm__free_unpacked(spec->vms[i], NULL);
		spec->vms[i] = changed;
		return;
	}
}

static void drop_volumes(Holdfast__GroupSpec *spec, const Holdfast__Vm *before, const Holdfast__Vm *after)
{
	for (size_t i = 0; i < before->n_disks; i++)
		if (!pending_disk_in(after, before->disks[i]))
			standalone_remove_volume(spec->group, before->disks[i]->volume);
}

static int check(const struct vm *vm, const Holdfast__VmSet *set, struct error *err)
{
	if (!set->vm || !set->before)
		return error_set(err, ERROR_USAGE, "the request has no definition");
	if (!pending_same(vm->wanted, set->before))
		return error_set(err, ERROR_BUSY,
			"VM %s was changed by somebody else at the same time; look at it and try again",
			vm->name);
	if (disk_work_on(vm->group, vm->name))
		return error_set(err, ERROR_BUSY, "the disks of VM %s are in use: %s is going on", vm->name,
			disk_work_on(vm->group, vm->name));
	if (pending_check_identity(vm->wanted, set->vm, err))
		return -1;
	return clone_check_set(vm->group->spec, vm->wanted, set->vm, err);
}

static int change(struct group *group, struct vm *vm, Holdfast__GroupSpec *spec, Holdfast__Vm *changed,
	struct error *err)
{
	if (standalone_fill_parts(group->hv, spec, changed, err) || standalone_check_vm(group, changed, err) ||
		hotplug_check(vm, changed, err) || hotplug_remove(vm, changed, err))
		return -1;
	drop_volumes(spec, vm->wanted, changed);
	if (standalone_take_over(group, spec, err))
		return -1;
	// New volumes of a group that is online follow the others.
	if (group_wanted(group) == WANTED_STARTED && group_promote(group, false, err))
		return -1;
	return hotplug_apply(vm, err);
}

int standalone_set_vm(struct group *group, const Holdfast__VmSet *set, struct error *err)
{
	struct vm *vm = group_vm_find(group, set->vm ? set->vm->name : "");
	if (!vm)
		return error_set(err, ERROR_NOT_FOUND, "group %s has no such VM", group->name);
	if (check(vm, set, err))
		return -1;
	Holdfast__GroupSpec *spec = (Holdfast__GroupSpec *)proto_copy(&group->spec->base);
	Holdfast__Vm *changed = (Holdfast__Vm *)proto_copy(&set->vm->base);
	int failed = spec && changed ? 0 : error_set(err, ERROR_FAILED, "no memory for a definition");
	if (!failed) {
		swap_definition(spec, vm, changed);
		failed = change(group, vm, spec, changed, err);
	} else if (changed) {
		holdfast__vm__free_unpacked(changed, NULL);
	}
	if (spec)
		holdfast__group_spec__free_unpacked(spec, NULL);
	return failed;
}
