// SPDX-License-Identifier: GPL-3.0-or-later
// checkpoint take, list, apply, delete: answered by the hypervisord of the group's owner, where the checkpoints are.
// What an apply has made of the VM's definition is put into the CIB after it.
#include <glib.h>
#include <string.h>

#include "clusterd/api.h"
#include "clusterd/cib-link.h"
#include "clusterd/forward.h"
#include "clusterd/view.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "proto/json.h"

#define UPDATE_TRIES 5

static const char *vm_of(const Holdfast__Request *request)
{
	switch (request->body_case) {
	case HOLDFAST__REQUEST__BODY_CHECKPOINT_TAKE:
		return request->checkpoint_take->vm;
	case HOLDFAST__REQUEST__BODY_CHECKPOINT_LIST:
		return request->checkpoint_list->name;
	case HOLDFAST__REQUEST__BODY_CHECKPOINT_APPLY:
		return request->checkpoint_apply->vm;
	case HOLDFAST__REQUEST__BODY_CHECKPOINT_DELETE:
		return request->checkpoint_delete->vm;
	default:
		return "";
	}
}

static int record_once(struct clusterd *cd, const Holdfast__Vm *vm, struct error *err)
{
	cleanup_snapshot struct snapshot *snapshot = cib_link_read(cd->cib, err);
	const struct cib_group *group = snapshot ? cib_snapshot_group(snapshot->cib, vm->group) : NULL;

	if (!snapshot)
		return -1;
	if (!group)
		return error_set(err, ERROR_NOT_FOUND, "group %.80s is gone", vm->group);
	Holdfast__GroupSpec *spec = (Holdfast__GroupSpec *)proto_copy(&group->spec->base);
	for (size_t i = 0; i < spec->n_vms; i++) {
		if (strcmp(spec->vms[i]->name, vm->name))
			continue;
		holdfast__vm__free_unpacked(spec->vms[i], NULL);
		spec->vms[i] = (Holdfast__Vm *)proto_copy(&vm->base);
	}
	int result = cib_link_do(cd->cib, err, cib_update_group(cib, spec, err));
	holdfast__group_spec__free_unpacked(spec, NULL);
	return result;
}

// Somebody else may change the group at the same time: then it is read again.
static int record(struct clusterd *cd, const Holdfast__Vm *vm, struct error *err)
{
	for (int try = 0; try < UPDATE_TRIES; try++) {
		error_clear(err);
		int result = record_once(cd, vm, err);
		if (result >= 0 || err->code != ERROR_BUSY)
			return result;
	}
	return -1;
}

static int serve_here(struct clusterd *cd, struct rpc_call *call, const Holdfast__Request *request,
	Holdfast__Reply *reply, struct error *err)
{
	bool applies = request->body_case == HOLDFAST__REQUEST__BODY_CHECKPOINT_APPLY;

	if (applies && api_need_quorum(cd, err) < 0)
		return -1;
	if (forward_to_host(cd, call, request, reply, err) < 0)
		return -1;
	if (!applies || reply->body_case != HOLDFAST__REPLY__BODY_CHECKPOINT_APPLIED || !reply->checkpoint_applied->vm)
		return 0;
	task_uncancel(task_self());
	return record(cd, reply->checkpoint_applied->vm, err) < 0
		? error_prefix(err, "the checkpoint is applied, but its configuration is not kept: apply it again")
		: 0;
}

API_HANDLER(serve)
{
	cleanup_view struct view *view = view_take(cd);
	const Holdfast__Vm *vm;
	const struct cib_group *group = view_vm(cd, view, vm_of(request), &vm, err);

	if (!group)
		return -1;
	const char *owner = status_owner(group);
	if (!owner)
		return error_set(err, ERROR_FAILED,
			"the checkpoints of VM %s cannot be reached: group %s is offline; start it with 'holdfast "
			"group start %s'",
			vm->name, vm->group, vm->group);
	if (strcmp(owner, cd->config.node))
		return forward_call(cd, call, request, owner, reply, err);
	return serve_here(cd, call, request, reply, err);
}

const struct api_verb api_checkpoint_verbs[] = {
	{ HOLDFAST__REQUEST__BODY_CHECKPOINT_TAKE, CALLER_ADMIN, API_CHANGES, serve },
	{ HOLDFAST__REQUEST__BODY_CHECKPOINT_LIST, CALLER_ADMIN, 0, serve },
	{ HOLDFAST__REQUEST__BODY_CHECKPOINT_APPLY, CALLER_ADMIN, API_CHANGES, serve },
	{ HOLDFAST__REQUEST__BODY_CHECKPOINT_DELETE, CALLER_ADMIN, API_CHANGES, serve },
	{ 0 },
};
