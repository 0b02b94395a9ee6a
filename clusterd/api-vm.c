// SPDX-License-Identifier: GPL-3.0-or-later
// vm create, list, show, delete, and what is done to a VM where it runs: start, stop, save, pause, resume, reset,
// console. The administrator's wish (running, off, saved) goes into the definition first; then the owner's hypervisord
// is asked to make it so.
#include <glib.h>
#include <string.h>

#include "clusterd/api.h"
#include "clusterd/cib-link.h"
#include "clusterd/forward.h"
#include "clusterd/group-define.h"
#include "clusterd/host-link.h"
#include "clusterd/view.h"
#include "common/cleanup.h"
#include "proto/json.h"

#define UPDATE_TIMEOUT_MS 10000u
#define UPDATE_TRIES 5

API_HANDLER(serve_create)
{
	if (vm_define(cd, call, request->vm_create->vm, err) < 0)
		return -1;
	api_reply_name(reply, request->vm_create->vm->name);
	return 0;
}

API_HANDLER(serve_delete)
{
	if (vm_undefine(cd, call, request->vm_delete->name, err) < 0)
		return -1;
	api_reply_done(reply);
	return 0;
}

API_HANDLER(serve_list)
{
	cleanup_view struct view *view = view_take_hosts(cd, NULL);
	const struct cib_snapshot *cib = view->input.cib;
	g_autoptr(GPtrArray) vms = g_ptr_array_new();

	(void)call, (void)request, (void)err;
	for (size_t g = 0; cib && g < cib->group_count; g++)
		for (size_t v = 0; v < cib->groups[g].spec->n_vms; v++)
			g_ptr_array_add(
				vms, status_vm(&view->input, &cib->groups[g], cib->groups[g].spec->vms[v]));
	Holdfast__VmList *list = g_new0(Holdfast__VmList, 1);
	holdfast__vm_list__init(list);
	list->n_vms = vms->len;
	list->vms = g_memdup2(vms->pdata, vms->len * sizeof(gpointer));
	reply->body_case = HOLDFAST__REPLY__BODY_VM_LIST;
	reply->vm_list = list;
	return 0;
}

API_HANDLER(serve_show)
{
	cleanup_view struct view *definitions = view_take(cd);
	const Holdfast__Vm *vm;
	const struct cib_group *group = view_vm(cd, definitions, request->vm_show->name, &vm, err);

	(void)call;
	if (!group)
		return -1;
	const char *const ask[] = { status_owner(group), NULL };
	cleanup_view struct view *view = view_take_hosts(cd, ask);
	group = view_vm(cd, view, request->vm_show->name, &vm, err);
	if (!group)
		return -1;
	reply->body_case = HOLDFAST__REPLY__BODY_VM;
	reply->vm = status_vm(&view->input, group, vm);
	return 0;
}

// ---- what is done where it runs

static const char *name_of(const Holdfast__Request *request)
{
	switch (request->body_case) {
	case HOLDFAST__REQUEST__BODY_VM_START:
		return request->vm_start->name;
	case HOLDFAST__REQUEST__BODY_VM_STOP:
		return request->vm_stop->name;
	case HOLDFAST__REQUEST__BODY_VM_SAVE:
		return request->vm_save->name;
	case HOLDFAST__REQUEST__BODY_VM_PAUSE:
		return request->vm_pause->name;
	case HOLDFAST__REQUEST__BODY_VM_RESUME:
		return request->vm_resume->name;
	case HOLDFAST__REQUEST__BODY_VM_RESET:
		return request->vm_reset->name;
	case HOLDFAST__REQUEST__BODY_VM_CONSOLE:
		return request->vm_console->name;
	default:
		return "";
	}
}

// Whether the request changes what the administrator wants of the VM, and to what.
static bool target_of(const Holdfast__Request *request, Holdfast__VmTarget *target)
{
	switch (request->body_case) {
	case HOLDFAST__REQUEST__BODY_VM_START:
		*target = HOLDFAST__VM_TARGET__TARGET_RUNNING;
		return true;
	case HOLDFAST__REQUEST__BODY_VM_STOP:
		*target = HOLDFAST__VM_TARGET__TARGET_OFF;
		return true;
	case HOLDFAST__REQUEST__BODY_VM_SAVE:
		*target = HOLDFAST__VM_TARGET__TARGET_SAVED;
		return true;
	default:
		return false;
	}
}

// One try: 1 changed, with the new definition in *changed; 0 it was so already.
static int set_target_once(struct clusterd *cd, const char *name, Holdfast__VmTarget target,
	Holdfast__Vm **changed, struct error *err)
{
	cleanup_snapshot struct snapshot *snapshot = cib_link_read(cd->cib, err);
	const Holdfast__Vm *vm = snapshot ? cib_snapshot_vm(snapshot->cib, name) : NULL;
	const struct cib_group *group = vm ? cib_snapshot_group(snapshot->cib, vm->group) : NULL;

	if (!snapshot)
		return -1;
	if (!group)
		return error_set(err, ERROR_NOT_FOUND, "there is no VM %.80s: see 'holdfast vm list'", name);
	Holdfast__GroupSpec *spec = (Holdfast__GroupSpec *)proto_copy(&group->spec->base);
	int result = 0;
	for (size_t i = 0; i < spec->n_vms; i++) {
		if (strcmp(spec->vms[i]->name, name))
			continue;
		bool same = spec->vms[i]->target == target;
		spec->vms[i]->target = target;
		*changed = (Holdfast__Vm *)proto_copy(&spec->vms[i]->base);
		if (!same)
			result = cib_link_do(cd->cib, err, cib_update_group(cib, spec, err)) < 0 ? -1 : 1;
	}
	holdfast__group_spec__free_unpacked(spec, NULL);
	if (result < 0) {
		holdfast__vm__free_unpacked(*changed, NULL);
		*changed = NULL;
	}
	return result;
}

// Somebody else may change the group at the same time: then it is read again.
static int set_target(struct clusterd *cd, const char *name, Holdfast__VmTarget target,
	Holdfast__Vm **changed, struct error *err)
{
	for (int try = 0; try < UPDATE_TRIES; try++) {
		error_clear(err);
		int result = set_target_once(cd, name, target, changed, err);
		if (result >= 0 || err->code != ERROR_BUSY)
			return result;
	}
	return -1;
}

static int tell_host(struct clusterd *cd, Holdfast__Vm *vm, struct error *err)
{
	Holdfast__Request request = RPC_REQUEST_INIT;

	request.body_case = HOLDFAST__REQUEST__BODY_HOST_VM_UPDATE;
	request.host_vm_update = vm;
	return host_link_call(cd->host, &request, UPDATE_TIMEOUT_MS, NULL, NULL, NULL, err);
}

static int act_here(struct clusterd *cd, struct rpc_call *call, const Holdfast__Request *request,
	Holdfast__Reply *reply, struct error *err)
{
	Holdfast__VmTarget target;
	Holdfast__Vm *vm = NULL;

	if (target_of(request, &target)) {
		if (api_need_quorum(cd, err) < 0 || set_target(cd, name_of(request), target, &vm, err) < 0)
			return -1;
		int told = tell_host(cd, vm, err);
		holdfast__vm__free_unpacked(vm, NULL);
		if (told < 0)
			return -1;
	}
	return forward_to_host(cd, call, request, reply, err);
}

// The group is offline: only the wish can be changed.
static int act_offline(struct clusterd *cd, struct rpc_call *call, const Holdfast__Request *request,
	const char *group, Holdfast__Reply *reply, struct error *err)
{
	Holdfast__VmTarget target;
	Holdfast__Vm *vm = NULL;

	if (!target_of(request, &target) || target == HOLDFAST__VM_TARGET__TARGET_SAVED)
		return error_set(err, ERROR_FAILED,
			"VM %s does not run: group %s is offline; start it with 'holdfast group start %s'",
			name_of(request), group, group);
	if (api_need_quorum(cd, err) < 0 || set_target(cd, name_of(request), target, &vm, err) < 0)
		return -1;
	holdfast__vm__free_unpacked(vm, NULL);
	rpc_call_progress(call, 100, "group %s is offline: VM %s %s when the group starts", group,
		name_of(request), target == HOLDFAST__VM_TARGET__TARGET_RUNNING ? "starts" : "stays off");
	api_reply_done(reply);
	return 0;
}

API_HANDLER(serve_act)
{
	cleanup_view struct view *view = view_take(cd);
	const Holdfast__Vm *vm;
	const struct cib_group *group = view_vm(cd, view, name_of(request), &vm, err);

	if (!group)
		return -1;
	const char *owner = status_owner(group);
	if (!owner)
		return act_offline(cd, call, request, vm->group, reply, err);
	if (strcmp(owner, cd->config.node))
		return forward_call(cd, call, request, owner, reply, err);
	return act_here(cd, call, request, reply, err);
}

const struct api_verb api_vm_verbs[] = {
	{ HOLDFAST__REQUEST__BODY_VM_CREATE, CALLER_ADMIN, API_CHANGES | API_COORDINATOR, serve_create },
	{ HOLDFAST__REQUEST__BODY_VM_LIST, CALLER_ADMIN, 0, serve_list },
	{ HOLDFAST__REQUEST__BODY_VM_SHOW, CALLER_ADMIN, 0, serve_show },
	{ HOLDFAST__REQUEST__BODY_VM_DELETE, CALLER_ADMIN, API_CHANGES | API_COORDINATOR, serve_delete },
	{ HOLDFAST__REQUEST__BODY_VM_START, CALLER_ADMIN, API_CHANGES, serve_act },
	{ HOLDFAST__REQUEST__BODY_VM_STOP, CALLER_ADMIN, API_CHANGES, serve_act },
	{ HOLDFAST__REQUEST__BODY_VM_SAVE, CALLER_ADMIN, API_CHANGES, serve_act },
	{ HOLDFAST__REQUEST__BODY_VM_PAUSE, CALLER_ADMIN, API_CHANGES, serve_act },
	{ HOLDFAST__REQUEST__BODY_VM_RESUME, CALLER_ADMIN, API_CHANGES, serve_act },
	{ HOLDFAST__REQUEST__BODY_VM_RESET, CALLER_ADMIN, API_CHANGES, serve_act },
	{ HOLDFAST__REQUEST__BODY_VM_CONSOLE, CALLER_ADMIN, 0, serve_act },
	{ 0 },
};
