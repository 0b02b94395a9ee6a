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
#include "clusterd/view.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "proto/json.h"

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

static int reply_vm(struct clusterd *cd, const char *name, Holdfast__Reply *reply, struct error *err);

API_HANDLER(serve_set)
{
	if (vm_redefine(cd, call, request->vm_set, err) < 0)
		return -1;
	return reply_vm(cd, request->vm_set->vm->name, reply, err);
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

static int reply_vm(struct clusterd *cd, const char *name, Holdfast__Reply *reply, struct error *err)
{
	cleanup_view struct view *definitions = view_take(cd);
	const Holdfast__Vm *vm;
	const struct cib_group *group = view_vm(cd, definitions, name, &vm, err);

	if (!group)
		return -1;
	const char *const ask[] = { status_owner(group), NULL };
	cleanup_view struct view *view = view_take_hosts(cd, ask);
	group = view_vm(cd, view, name, &vm, err);
	if (!group)
		return -1;
	reply->body_case = HOLDFAST__REPLY__BODY_VM;
	reply->vm = status_vm(&view->input, group, vm);
	reply->vm->definition = (Holdfast__Vm *)proto_copy(&vm->base);
	return 0;
}

API_HANDLER(serve_show)
{
	(void)call;
	return reply_vm(cd, request->vm_show->name, reply, err);
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
	case HOLDFAST__REQUEST__BODY_VM_REFRESH:
		return request->vm_refresh->name;
	case HOLDFAST__REQUEST__BODY_VM_CONSOLE:
		return request->vm_console->name;
	case HOLDFAST__REQUEST__BODY_VM_SCREENSHOT:
		return request->vm_screenshot->name;
	case HOLDFAST__REQUEST__BODY_CONSOLE_TAIL:
		return request->console_tail->name;
	case HOLDFAST__REQUEST__BODY_VM_EVIDENCE:
		return request->vm_evidence->name;
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

// One try: 1 changed, 0 it was so already. *BEFORE is what it was.
static int set_target_once(struct clusterd *cd, const char *name, Holdfast__VmTarget target,
	Holdfast__VmTarget *before, struct error *err)
{
	cleanup_snapshot struct snapshot *snapshot = cib_link_read(cd->cib, err);
	const Holdfast__Vm *vm = snapshot ? cib_snapshot_vm(snapshot->cib, name) : NULL;
	const struct cib_group *group = vm ? cib_snapshot_group(snapshot->cib, vm->group) : NULL;

	if (!snapshot)
		return -1;
	if (!group)
		return error_set(err, ERROR_NOT_FOUND, "there is no VM %.80s: see 'holdfast vm list'", name);
	*before = vm->target;
	if (vm->target == target)
		return 0;
	Holdfast__GroupSpec *spec = (Holdfast__GroupSpec *)proto_copy(&group->spec->base);
	for (size_t i = 0; i < spec->n_vms; i++)
		if (!strcmp(spec->vms[i]->name, name))
			spec->vms[i]->target = target;
	int result = cib_link_do(cd->cib, err, cib_update_group(cib, spec, err));
	holdfast__group_spec__free_unpacked(spec, NULL);
	return result < 0 ? -1 : 1;
}

// Somebody else may change the group at the same time: then it is read again.
static int set_target(struct clusterd *cd, const char *name, Holdfast__VmTarget target,
	Holdfast__VmTarget *before, struct error *err)
{
	for (int try = 0; try < UPDATE_TRIES; try++) {
		error_clear(err);
		int result = set_target_once(cd, name, target, before, err);
		if (result >= 0 || err->code != ERROR_BUSY)
			return result;
	}
	return -1;
}

// hypervisord takes the wish from the request itself; if it refuses, the definition gets the old wish back.
static int act_here(struct clusterd *cd, struct rpc_call *call, const Holdfast__Request *request,
	Holdfast__Reply *reply, struct error *err)
{
	Holdfast__VmTarget target, before, ignored;
	struct error undoing = ERROR_INIT;

	if (!target_of(request, &target))
		return forward_to_host(cd, call, request, reply, err);
	if (api_need_quorum(cd, err) < 0 || set_target(cd, name_of(request), target, &before, err) < 0)
		return -1;
	if (forward_to_host(cd, call, request, reply, err) == 0)
		return 0;
	task_uncancel(task_self());
	// What was to run shall still run: a start that failed keeps its wish.
	if (target != HOLDFAST__VM_TARGET__TARGET_RUNNING &&
		set_target(cd, name_of(request), before, &ignored, &undoing) < 0)
		log_warning("vm=%s: %s", name_of(request), undoing.message);
	return -1;
}

// The group is offline: only the wish can be changed.
static int act_offline(struct clusterd *cd, struct rpc_call *call, const Holdfast__Request *request,
	const char *group, Holdfast__Reply *reply, struct error *err)
{
	Holdfast__VmTarget target, before;

	if (!target_of(request, &target) || target == HOLDFAST__VM_TARGET__TARGET_SAVED)
		return error_set(err, ERROR_FAILED,
			"VM %s does not run: group %s is offline; start it with 'holdfast group start %s'",
			name_of(request), group, group);
	if (api_need_quorum(cd, err) < 0 || set_target(cd, name_of(request), target, &before, err) < 0)
		return -1;
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
	{ HOLDFAST__REQUEST__BODY_VM_SET, CALLER_ADMIN, API_CHANGES | API_COORDINATOR, serve_set },
	{ HOLDFAST__REQUEST__BODY_VM_LIST, CALLER_ADMIN, 0, serve_list },
	{ HOLDFAST__REQUEST__BODY_VM_SHOW, CALLER_ADMIN, 0, serve_show },
	{ HOLDFAST__REQUEST__BODY_VM_DELETE, CALLER_ADMIN, API_CHANGES | API_COORDINATOR, serve_delete },
	{ HOLDFAST__REQUEST__BODY_VM_START, CALLER_ADMIN, API_CHANGES, serve_act },
	{ HOLDFAST__REQUEST__BODY_VM_STOP, CALLER_ADMIN, API_CHANGES, serve_act },
	{ HOLDFAST__REQUEST__BODY_VM_SAVE, CALLER_ADMIN, API_CHANGES, serve_act },
	{ HOLDFAST__REQUEST__BODY_VM_PAUSE, CALLER_ADMIN, API_CHANGES, serve_act },
	{ HOLDFAST__REQUEST__BODY_VM_RESUME, CALLER_ADMIN, API_CHANGES, serve_act },
	{ HOLDFAST__REQUEST__BODY_VM_RESET, CALLER_ADMIN, API_CHANGES, serve_act },
	{ HOLDFAST__REQUEST__BODY_VM_REFRESH, CALLER_ADMIN, API_CHANGES, serve_act },
	{ HOLDFAST__REQUEST__BODY_VM_CONSOLE, CALLER_ADMIN, 0, serve_act },
	{ HOLDFAST__REQUEST__BODY_VM_SCREENSHOT, CALLER_ADMIN, 0, serve_act },
	{ HOLDFAST__REQUEST__BODY_CONSOLE_TAIL, CALLER_ADMIN, 0, serve_act },
	{ HOLDFAST__REQUEST__BODY_VM_EVIDENCE, CALLER_ADMIN, 0, serve_act },
	{ 0 },
};
