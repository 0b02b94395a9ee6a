// SPDX-License-Identifier: GPL-3.0-or-later
// vm clone, template, export, import in a cluster. A copy takes as long as its disks are large, so that only the making of the new VM is done
// under the lock of the definitions, as a vm create of its own; a copy that failed ends in a vm delete.
#include <glib.h>
#include <string.h>

#include "clusterd/api.h"
#include "clusterd/cib-link.h"
#include "clusterd/disk-grow.h"
#include "clusterd/forward.h"
#include "clusterd/group-define.h"
#include "clusterd/vm-define.h"
#include "clusterd/view.h"
#include "common/cleanup.h"
#include "proto/clone.h"
#include "proto/json.h"

#define CHANGE_TIMEOUT_MS 300000u
#define COPY_TIMEOUT_MS 86400000u

// A change of the definitions, by the node that makes them.
static int change(struct clusterd *cd, struct rpc_call *call, Holdfast__Request *request, struct error *err)
{
	int result = -1;

	if (api_need_quorum(cd, err) < 0)
		return -1;
	if (!clusterd_coordinates(cd)) {
		const struct member *other = membership_coordinator(membership_state(cd->membership));
		cleanup_free char *node = g_strdup(other->name);
		return peer_call(cd, node, request, CHANGE_TIMEOUT_MS, forward_partial, call, NULL, err);
	}
	if (task_lock(&cd->definitions, 120000, err) < 0)
		return error_prefix(err, "another change of the cluster's definitions takes long");
	if (request->body_case == HOLDFAST__REQUEST__BODY_VM_CREATE)
		result = vm_define(cd, call, request->vm_create->vm, err);
	else
		result = vm_undefine(cd, call, request->vm_delete->name, err);
	task_unlock(&cd->definitions);
	return result;
}

static int create(struct clusterd *cd, struct rpc_call *call, Holdfast__Vm *vm, struct error *err)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__VmCreate body = HOLDFAST__VM_CREATE__INIT;

	body.vm = vm;
	request.body_case = HOLDFAST__REQUEST__BODY_VM_CREATE;
	request.vm_create = &body;
	return change(cd, call, &request, err);
}

static void take_back(struct clusterd *cd, struct rpc_call *call, char *name, struct error *why)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Name body = HOLDFAST__NAME__INIT;
	struct error err = ERROR_INIT;

	task_uncancel(task_self());
	body.name = name;
	request.body_case = HOLDFAST__REQUEST__BODY_VM_DELETE;
	request.vm_delete = &body;
	if (change(cd, call, &request, &err) < 0)
		error_prefix(why, "half a VM %s stays", name);
}

// The disks of the VM that was just made, where its group is.
static int fill(struct clusterd *cd, struct rpc_call *call, Holdfast__VmFill *wish, const char *group_name,
	const char *node, struct error *err)
{
	cleanup_snapshot struct snapshot *snapshot = cib_link_read(cd->cib, err);
	const struct cib_group *group = snapshot ? cib_snapshot_group(snapshot->cib, group_name) : NULL;
	Holdfast__Request request = RPC_REQUEST_INIT;

	if (!group)
		return snapshot ? error_set(err, ERROR_NOT_FOUND, "group %s is gone", group_name) : -1;
	wish->spec = group->spec;
	wish->current = group->current ? group->current : (char *)"";
	request.body_case = HOLDFAST__REQUEST__BODY_VM_FILL;
	request.timeout_ms = COPY_TIMEOUT_MS;
	request.vm_fill = wish;
	return host_call(cd, node, &request, COPY_TIMEOUT_MS, forward_partial, call, NULL, err);
}

static int create_filled(struct clusterd *cd, struct rpc_call *call, Holdfast__Vm *vm, Holdfast__VmFill *wish,
	const char *group, const char *node, struct error *err)
{
	if (create(cd, call, vm, err) < 0)
		return -1;
	if (fill(cd, call, wish, group, node, err) == 0)
		return 0;
	take_back(cd, call, vm->name, err);
	return -1;
}

API_HANDLER(serve_clone)
{
	const Holdfast__VmClone *wish = request->vm_clone;
	cleanup_snapshot struct snapshot *snapshot = cib_link_read(cd->cib, err);
	const Holdfast__Vm *source = snapshot ? cib_snapshot_vm(snapshot->cib, wish->name) : NULL;
	const struct cib_group *group = source ? cib_snapshot_group(snapshot->cib, source->group) : NULL;
	Holdfast__VmFill body = HOLDFAST__VM_FILL__INIT;
	Holdfast__Vm *vm = NULL;

	if (!snapshot)
		return -1;
	if (!group)
		return error_set(
			err, ERROR_NOT_FOUND, "there is no VM %.80s: see 'holdfast vm list'", wish->name);
	if (clone_definition(group->spec, wish, &vm, err) < 0)
		return -1;
	cleanup_free char *node = disk_node(cd, group, err);
	body.name = wish->clone;
	body.source = wish->name;
	int result = node ? create_filled(cd, call, vm, &body, group->spec->group->name, node, err) : -1;
	holdfast__vm__free_unpacked(vm, NULL);
	if (result == 0)
		api_reply_done(reply);
	return result;
}

static int read_image(
	struct clusterd *cd, const char *node, char *directory, Holdfast__Vm **vm, struct error *err)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__VmImageRead body = HOLDFAST__VM_IMAGE_READ__INIT;
	Holdfast__Reply *reply = NULL;

	body.directory = directory;
	request.body_case = HOLDFAST__REQUEST__BODY_VM_IMAGE_READ;
	request.timeout_ms = COPY_TIMEOUT_MS;
	request.vm_image_read = &body;
	if (host_call(cd, node, &request, COPY_TIMEOUT_MS, NULL, NULL, &reply, err) < 0)
		return error_prefix(err, "node %s", node);
	*vm = reply->body_case == HOLDFAST__REPLY__BODY_VM_DEFINITION
		? (Holdfast__Vm *)proto_copy(&reply->vm_definition->base)
		: NULL;
	holdfast__reply__free_unpacked(reply, NULL);
	return *vm ? 0 : error_set(err, ERROR_PROTOCOL, "node %s sent no definition", node);
}

API_HANDLER(serve_import)
{
	const Holdfast__VmImport *wish = request->vm_import;
	cleanup_view struct view *view = view_take(cd);
	const struct cib_group *group = view_group(cd, view, wish->group, err);
	cleanup_free char *node = group ? disk_node(cd, group, err) : NULL;
	Holdfast__VmFill body = HOLDFAST__VM_FILL__INIT;
	Holdfast__Vm *vm = NULL;

	if (!node)
		return -1;
	rpc_call_progress(call, -1, "checking %s on node %s", wish->directory, node);
	if (read_image(cd, node, wish->directory, &vm, err) < 0)
		return -1;
	int result = clone_imported(vm, wish, err);
	body.name = vm->name;
	body.directory = wish->directory;
	if (result == 0)
		result = create_filled(cd, call, vm, &body, wish->group, node, err);
	if (result == 0)
		api_reply_name(reply, vm->name);
	holdfast__vm__free_unpacked(vm, NULL);
	return result;
}

API_HANDLER(serve_export)
{
	cleanup_view struct view *view = view_take(cd);
	const Holdfast__Vm *vm;
	const struct cib_group *group = view_vm(cd, view, request->vm_export->name, &vm, err);
	Holdfast__Request passed = RPC_REQUEST_INIT;
	Holdfast__VmExport body = *request->vm_export;

	if (rpc_call_caller(call) == RPC_CALLER_NODE)
		return forward_to_host(cd, call, request, reply, err);
	cleanup_free char *node = group ? disk_node(cd, group, err) : NULL;
	if (!node)
		return -1;
	body.spec = group->spec;
	body.current = group->current ? group->current : (char *)"";
	passed.body_case = HOLDFAST__REQUEST__BODY_VM_EXPORT;
	passed.timeout_ms = COPY_TIMEOUT_MS;
	passed.vm_export = &body;
	if (host_call(cd, node, &passed, COPY_TIMEOUT_MS, forward_partial, call, NULL, err) < 0)
		return error_prefix(err, "node %s", node);
	api_reply_done(reply);
	return 0;
}

// ---- templates

API_HANDLER(serve_template)
{
	const Holdfast__VmTemplate *wish = request->vm_template;
	cleanup_snapshot struct snapshot *snapshot = cib_link_read(cd->cib, err);
	const Holdfast__Vm *vm = snapshot ? cib_snapshot_vm(snapshot->cib, wish->name) : NULL;
	const struct cib_group *group = vm ? cib_snapshot_group(snapshot->cib, vm->group) : NULL;
	Holdfast__Vm *changed = NULL;

	(void)call;
	if (!snapshot)
		return -1;
	if (!group)
		return error_set(
			err, ERROR_NOT_FOUND, "there is no VM %.80s: see 'holdfast vm list'", wish->name);
	if (!wish->template_ && clone_user(group->spec, wish->name))
		return error_set(err, ERROR_BUSY,
			"the disks of VM %s lie over those of template %s: delete it first",
			clone_user(group->spec, wish->name), wish->name);
	if (vm_check_off(cd, group, vm, err) < 0)
		return -1;
	Holdfast__GroupSpec *spec = (Holdfast__GroupSpec *)proto_copy(&group->spec->base);
	for (size_t i = 0; i < spec->n_vms; i++)
		if (!strcmp(spec->vms[i]->name, wish->name))
			changed = spec->vms[i];
	changed->template_ = wish->template_;
	int result = cib_link_do(cd->cib, err, cib_update_group(cib, spec, err));
	if (result == 0)
		result = vm_tell_owner(cd, group, changed, err);
	holdfast__group_spec__free_unpacked(spec, NULL);
	if (result == 0)
		api_reply_done(reply);
	return result;
}

API_HANDLER(serve_by_host)
{
	return forward_to_host(cd, call, request, reply, err);
}

const struct api_verb api_clone_verbs[] = {
	{ HOLDFAST__REQUEST__BODY_VM_TEMPLATE, CALLER_ADMIN, API_CHANGES | API_COORDINATOR, serve_template },
	{ HOLDFAST__REQUEST__BODY_VM_CLONE, CALLER_ADMIN, API_CHANGES, serve_clone },
	{ HOLDFAST__REQUEST__BODY_VM_EXPORT, CALLER_ADMIN, API_CHANGES, serve_export },
	{ HOLDFAST__REQUEST__BODY_VM_IMPORT, CALLER_ADMIN, API_CHANGES, serve_import },
	{ HOLDFAST__REQUEST__BODY_VM_FILL, CALLER_NODE, 0, serve_by_host },
	{ HOLDFAST__REQUEST__BODY_VM_IMAGE_READ, CALLER_NODE, 0, serve_by_host },
	{ 0 },
};
