// SPDX-License-Identifier: GPL-3.0-or-later
// vm set: see group-define.h. New volumes are there, and what goes is out of the guest, before the CIB says so, in one
// modify with everything else; then the guest gets the rest, and volumes that nobody names any more go. A crash in the
// middle leaves volumes, or a guest that lacks what the definition has: the next change applies the volumes again, and
// `pending` says what the guest lacks.
#include <glib.h>
#include <string.h>

#include "clusterd/allocate.h"
#include "clusterd/cib-link.h"
#include "clusterd/forward.h"
#include "clusterd/group-define.h"
#include "clusterd/replicas.h"
#include "clusterd/state-grow.h"
#include "clusterd/view.h"
#include "clusterd/vm-define.h"
#include "common/log.h"
#include "proto/clone.h"
#include "proto/json.h"
#include "proto/pending.h"
#include "proto/shape.h"

#define CHECK_TIMEOUT_MS 35000u
#define CHANGE_TIMEOUT_MS 90000u // a guest takes its time to let go of a device

struct change {
	struct clusterd *cd;
	struct rpc_call *call;
	const struct cib_group *group;
	const Holdfast__Vm *before, *after;
	Holdfast__GroupSpec *spec; // with the VM as it shall be, the new volumes, and still those that go
	bool adds, removes; // volumes
};

static int tell_host(
	const struct change *change, Holdfast__VmChangePhase phase, unsigned timeout_ms, struct error *err)
{
	const char *owner = status_owner(change->group);
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__HostVmChange body = HOLDFAST__HOST_VM_CHANGE__INIT;

	if (!owner)
		return 0;
	body.vm = (Holdfast__Vm *)change->after;
	body.phase = phase;
	request.body_case = HOLDFAST__REQUEST__BODY_HOST_VM_CHANGE;
	request.timeout_ms = timeout_ms;
	request.host_vm_change = &body;
	return host_call(change->cd, owner, &request, timeout_ms, NULL, NULL, NULL, err);
}

static void drop_volumes(const struct change *change)
{
	Holdfast__Group *group = change->spec->group;
	size_t kept = 0;

	for (size_t i = 0; i < group->n_volumes; i++) {
		bool goes = false;

		for (size_t d = 0; d < change->before->n_disks; d++)
			goes |= change->before->disks[d]->volume == group->volumes[i]->index &&
				!pending_disk_in(change->after, change->before->disks[d]);
		if (goes)
			holdfast__volume__free_unpacked(group->volumes[i], NULL);
		else
			group->volumes[kept++] = group->volumes[i];
	}
	group->n_volumes = kept;
}

static int draft(
	struct change *change, const struct cib_snapshot *cib, const Holdfast__Vm *wish, struct error *err)
{
	Holdfast__Vm *vm = (Holdfast__Vm *)proto_copy(&wish->base);

	change->spec = (Holdfast__GroupSpec *)proto_copy(&change->group->spec->base);
	for (size_t i = 0; i < change->spec->n_vms; i++) {
		if (strcmp(change->spec->vms[i]->name, vm->name))
			continue;
		holdfast__vm__free_unpacked(change->spec->vms[i], NULL);
		change->spec->vms[i] = vm;
	}
	change->after = vm;
	vm->target = change->before->target;
	if (shape_fill(vm, err) < 0 || shape_check(vm, err) < 0 || vm_fill_nics(cib, vm, err) < 0)
		return -1;
	for (size_t i = 0; i < vm->n_disks; i++) {
		Holdfast__Disk *disk = vm->disks[i];

		if (disk->volume)
			continue;
		vm_name_disk(change->spec->group, vm, i);
		disk->size_bytes = allocate_round_up(disk->size_bytes);
		change->adds = true;
		if (vm_add_volume(cib, change->spec->group, vm, disk, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < change->before->n_disks; i++)
		change->removes |= !pending_disk_in(vm, change->before->disks[i]);
	return 0;
}

static void undo(const struct change *change)
{
	struct error err = ERROR_INIT;

	task_uncancel(task_self());
	if (tell_host(change, HOLDFAST__VM_CHANGE_PHASE__CHANGE_ABANDON, CHECK_TIMEOUT_MS, &err) < 0)
		log_info("ending a change of VM %s: %s", change->before->name, err.message);
	error_clear(&err);
	if (change->adds &&
		replicas_apply(change->cd, change->call, change->group->spec, UINT32_MAX, &err) < 0)
		log_warning("undoing a change of VM %s: %s", change->before->name, err.message);
}

static int carry_out(struct change *change, struct error *err)
{
	struct clusterd *cd = change->cd;

	if (tell_host(change, HOLDFAST__VM_CHANGE_PHASE__CHANGE_CHECK, CHECK_TIMEOUT_MS, err) < 0)
		return -1;
	if (change->adds &&
		replicas_apply(
			cd, change->call, change->spec, vm_next_volume(change->group->spec->group), err) < 0)
		goto undo;
	if (tell_host(change, HOLDFAST__VM_CHANGE_PHASE__CHANGE_REMOVE, CHANGE_TIMEOUT_MS, err) < 0)
		goto undo;
	drop_volumes(change);
	if (cib_link_do(cd->cib, err, cib_update_group(cib, change->spec, err)) < 0)
		goto undo;
	if (tell_host(change, HOLDFAST__VM_CHANGE_PHASE__CHANGE_APPLY, CHANGE_TIMEOUT_MS, err) < 0)
		return -1;
	return change->removes ? replicas_apply(cd, change->call, change->spec, UINT32_MAX, err) : 0;
undo:
	undo(change);
	return -1;
}

// Whether a disk has checkpoints is known where the group runs: the tree of them is on its state volume.
static int check_offline(const struct change *change, const Holdfast__Vm *wanted, struct error *err)
{
	const Holdfast__Vm *before = change->before;

	for (size_t i = 0; i < before->n_disks && !status_owner(change->group); i++)
		if (before->disks[i]->format == HOLDFAST__DISK_FORMAT__FORMAT_QCOW2 &&
			!pending_disk_in(wanted, before->disks[i]))
			return error_set(err, ERROR_BUSY,
				"disk %s of VM %s may have checkpoints, and group %s is offline: start the "
				"group "
				"first, then take it away",
				before->disks[i]->name, before->name, before->group);
	return 0;
}

static int check(struct change *change, const Holdfast__VmSet *set, struct error *err)
{
	if (change->group->move_to || change->group->active_on[1])
		return error_set(err, ERROR_BUSY,
			"group %s is being moved%s%s: change its VMs when that is done",
			change->before->group, change->group->move_to ? " to node " : "",
			change->group->move_to ? change->group->move_to : "");
	if (!pending_same(change->before, set->before))
		return error_set(err, ERROR_BUSY,
			"VM %s was changed by somebody else at the same time; look at it and try again",
			change->before->name);
	if (pending_check_identity(change->before, set->vm, err) < 0 || vm_check(set->vm, err) < 0 ||
		clone_check_set(change->group->spec, change->before, set->vm, err) < 0 ||
		check_offline(change, set->vm, err) < 0)
		return -1;
	return vm_check_nodes(change->cd, change->group, set->vm, err);
}

int vm_redefine(struct clusterd *cd, struct rpc_call *call, const Holdfast__VmSet *set, struct error *err)
{
	cleanup_snapshot struct snapshot *snapshot = cib_link_read(cd->cib, err);
	struct change change = { .cd = cd, .call = call };

	if (!snapshot)
		return -1;
	if (!set->vm || !set->before)
		return error_set(err, ERROR_PROTOCOL, "a vm set without a definition");
	change.before = cib_snapshot_vm(snapshot->cib, set->vm->name);
	if (!change.before)
		return error_set(
			err, ERROR_NOT_FOUND, "there is no VM %.80s: see 'holdfast vm list'", set->vm->name);
	change.group = cib_snapshot_group(snapshot->cib, change.before->group);
	if (!change.group)
		return error_set(err, ERROR_FAILED, "VM %s belongs to group %s, which does not exist",
			change.before->name, change.before->group);
	if (check(&change, set, err) < 0)
		return -1;
	int result = draft(&change, snapshot->cib, set->vm, err);
	if (result == 0)
		result = state_grow(cd, call, change.group, change.spec, err);
	if (result == 0 && (change.adds || change.removes))
		result = replicas_need_all(cd, change.group->spec->group, err);
	if (result == 0)
		result = carry_out(&change, err);
	holdfast__group_spec__free_unpacked(change.spec, NULL);
	return result;
}
