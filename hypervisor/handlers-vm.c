// SPDX-License-Identifier: GPL-3.0-or-later
// The verbs on one VM while its group is online here. What the administrator wants is kept before it is done, so that a crash of hypervisord in
// the middle does not bring the old state back.
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "hypervisor/checkpoint.h"
#include "hypervisor/evidence.h"
#include "hypervisor/disk-work.h"
#include "hypervisor/handlers.h"
#include "hypervisor/saved-state.h"
#include "hypervisor/vm-screen.h"
#include "proto/json.h"

#define LOCK_MS 30000
#define SHUT_DOWN_MS 60000
#define END_MS 20000
#define SAVE_MS 600000
#define TAIL_LINES 20

// Runs ACT on the VM NAME with its group locked, and answers with what the VM is then.
typedef int act_fn(struct vm *vm, const Holdfast__Request *request, struct error *err);

static int serve(struct hypervisor *hv, const char *name, act_fn *act, const Holdfast__Request *request,
	Holdfast__Reply *reply, struct error *err)
{
	struct vm *vm = handler_lock_vm(hv, name, LOCK_MS, err);
	if (!vm)
		return -1;
	struct group *group = vm->group;
	int failed = act(vm, request, err);
	vm = group_vm_find(group, name);
	reply->vm = failed || !vm ? NULL : vm_status(vm);
	if (reply->vm)
		reply->body_case = HOLDFAST__REPLY__BODY_VM;
	task_unlock(&group->mutex);
	if (failed)
		return -1;
	return reply->vm ? 0 : error_set(err, ERROR_FAILED, "no memory for a reply");
}

#define VERB(verb)                                                                             \
	HANDLER(serve_##verb)                                                                  \
	{                                                                                      \
		return serve(data, request->vm_##verb->name, act_##verb, request, reply, err); \
	}

static int need_online(const struct vm *vm, struct error *err)
{
	if (group_wanted(vm->group) == WANTED_STARTED)
		return 0;
	return error_set(err, ERROR_BUSY,
		"group %s is not online on node %s: start it first (holdfast group start %s)",
		vm->group->name, vm->group->hv->config.node, vm->group->name);
}

// ---- start and stop

static void clear_history(struct vm *vm)
{
	vm->guest.restart_count = 0;
	vm->guest.phase[0] = '\0';
	vm->reason[0] = '\0';
}

static int act_start(struct vm *vm, const Holdfast__Request *request, struct error *err)
{
	struct error why = ERROR_INIT;
	// What is not even tried leaves no trace in the VM's state.
	if (need_online(vm, err) || disk_work_check_start(vm, NULL, err))
		return -1;
	if (vm->state == HOLDFAST__VM_STATE__VM_RUNNING)
		return handler_set_target(vm, HOLDFAST__VM_TARGET__TARGET_RUNNING, err);
	if (vm_is_up(vm))
		return error_set(err, ERROR_BUSY, "VM %s is %s%s", vm->name, vm_state_name(vm->state),
			vm->state == HOLDFAST__VM_STATE__VM_PAUSED ? ": resume it" : "; wait for it");
	if (group_admit(vm->group->hv, vm->definition, err) ||
		handler_set_target(vm, HOLDFAST__VM_TARGET__TARGET_RUNNING, err))
		return -1;
	clear_history(vm);
	if (!group_boot_one(vm->group, vm, &why))
		return 0;
	vm_reason(vm, "%.200s", why.message);
	return error_copy(err, &why);
}

static int discard_saved(struct vm *vm, struct error *err)
{
	const Holdfast__Group *group = vm->group->spec->group;
	struct storage *storage = vm->group->hv->storage;
	char *directory = NULL;
	struct error ignored = ERROR_INIT;
	if (storage_mount_state(storage, group, &directory, err))
		return -1;
	struct saved_state state = { directory, vm->name };
	int failed = saved_discard(&state, err); // small files: not worth a thread
	if (!failed)
		failed = checkpoint_forget_memory(vm, directory, err);
	if (storage_unmount_state(storage, group, &ignored))
		log_warning("group=%s %s", vm->group->name, ignored.message);
	free(directory);
	return failed;
}

static int act_stop(struct vm *vm, const Holdfast__Request *request, struct error *err)
{
	const Holdfast__VmStop *stop = request->vm_stop;
	Holdfast__VmTarget before = vm->definition->target;
	if (need_online(vm, err))
		return -1;
	if (vm->state == HOLDFAST__VM_STATE__VM_SAVED && !stop->force)
		return error_set(err, ERROR_UNSAFE,
			"VM %s is saved; stopping it would throw its memory away: start it, or stop it with "
			"--force",
			vm->name);
	if (handler_set_target(vm, HOLDFAST__VM_TARGET__TARGET_OFF, err))
		return -1;
	int failed = 0;
	if (vm->state == HOLDFAST__VM_STATE__VM_SAVED)
		failed = discard_saved(vm, err);
	else if (vm_is_up(vm))
		failed = stop->force
			? vm_end(vm, END_MS, err)
			: vm_shut_down(vm, stop->timeout_s ? stop->timeout_s * 1000 : SHUT_DOWN_MS, err);
	if (failed) {
		if (handler_set_target(vm, before, NULL))
			log_error("vm=%s what is wanted of it could not be written", vm->name);
		return -1;
	}
	if (vm->state == HOLDFAST__VM_STATE__VM_SAVED || vm->state == HOLDFAST__VM_STATE__VM_FAILED)
		vm_event_now(vm, VM_EVENT_ENDED);
	clear_history(vm);
	vm_forget_process(vm);
	return 0;
}

static int act_save(struct vm *vm, const Holdfast__Request *request, struct error *err)
{
	struct group *group = vm->group;
	struct storage *storage = group->hv->storage;
	struct error ignored = ERROR_INIT;
	char *directory = NULL;
	if (vm->state == HOLDFAST__VM_STATE__VM_SAVED)
		return 0;
	Holdfast__VmState next;
	if (need_online(vm, err) || vm_state_next(vm->state, VM_EVENT_SAVE, &next, err))
		return error_prefix(err, "VM %s", vm->name);
	if (storage_mount_state(storage, group->spec->group, &directory, err))
		return -1;
	// Kept first: if it dies half way it must not be booted beside its memory.
	int failed = handler_set_target(vm, HOLDFAST__VM_TARGET__TARGET_SAVED, err);
	if (!failed && vm_save(vm, directory, SAVE_MS, err)) {
		failed = -1;
		if (handler_set_target(vm, HOLDFAST__VM_TARGET__TARGET_RUNNING, NULL))
			log_error("vm=%s what is wanted of it could not be written", vm->name);
	}
	// The definition is another one by now.
	if (storage_unmount_state(storage, group->spec->group, &ignored))
		log_warning("group=%s %s", group->name, ignored.message);
	free(directory);
	return failed;
}

// ---- pause, resume, reset

static int allowed(const struct vm *vm, enum vm_event event, struct error *err)
{
	Holdfast__VmState next;
	return vm_state_next(vm->state, event, &next, err) ? error_prefix(err, "VM %s", vm->name) : 0;
}

static int act_pause(struct vm *vm, const Holdfast__Request *request, struct error *err)
{
	if (vm->state == HOLDFAST__VM_STATE__VM_PAUSED)
		return 0;
	if (vm->state != HOLDFAST__VM_STATE__VM_RUNNING)
		return error_set(err, ERROR_BUSY, "VM %s is %s and cannot be paused", vm->name,
			vm_state_name(vm->state));
	return vm_stop_cpus(vm, err);
}

static int act_resume(struct vm *vm, const Holdfast__Request *request, struct error *err)
{
	if (vm->state == HOLDFAST__VM_STATE__VM_RUNNING)
		return 0;
	if (vm->state != HOLDFAST__VM_STATE__VM_PAUSED)
		return error_set(err, ERROR_BUSY, "VM %s is %s and cannot be resumed%s", vm->name,
			vm_state_name(vm->state), vm_is_up(vm) ? "" : ": start it");
	// A hypervisord that died while it had them out leaves a guest without its disks.
	if (group_wanted(vm->group) == WANTED_STARTED && vm_attach_disks(vm, err))
		return -1;
	return vm_continue(vm, err);
}

static int act_reset(struct vm *vm, const Holdfast__Request *request, struct error *err)
{
	if (allowed(vm, VM_EVENT_RESET, err) || vm_event(vm, VM_EVENT_RESET, err))
		return -1;
	return qmp_command(vm->qmp, "system_reset", NULL, QMP_TIMEOUT_MS, NULL, err);
}

VERB(start)
VERB(stop)
VERB(save)
VERB(pause)
VERB(resume)
VERB(reset)

// ---- looking

HANDLER(serve_show)
{
	struct hypervisor *hv = data;
	struct vm *vm = groups_vm_find(hv, request->vm_show->name);
	if (!vm)
		return error_set(err, ERROR_NOT_FOUND, "there is no VM %.63s on node %s",
			request->vm_show->name, hv->config.node);
	reply->vm = vm_status(vm);
	if (!reply->vm)
		return error_set(err, ERROR_FAILED, "no memory for a reply");
	reply->vm->definition = (Holdfast__Vm *)proto_copy(&vm->wanted->base);
	reply->body_case = HOLDFAST__REPLY__BODY_VM;
	return 0;
}

HANDLER(serve_evidence)
{
	struct hypervisor *hv = data;
	const Holdfast__EvidenceFetch *fetch = request->vm_evidence;
	if (!groups_vm_find(hv, fetch->name))
		return error_set(err, ERROR_NOT_FOUND, "there is no VM %.63s on node %s", fetch->name,
			hv->config.node);
	reply->evidence = malloc(sizeof(*reply->evidence));
	if (!reply->evidence)
		return error_set(err, ERROR_FAILED, "no memory for a reply");
	holdfast__evidence_list__init(reply->evidence);
	reply->body_case = HOLDFAST__REPLY__BODY_EVIDENCE;
	return evidence_list(hv, fetch->name, fetch->entry, reply->evidence, err);
}

HANDLER(serve_list)
{
	struct hypervisor *hv = data;
	size_t count = 0;
	Holdfast__VmList *list = malloc(sizeof(*list));
	if (!list)
		return error_set(err, ERROR_FAILED, "no memory for a reply");
	holdfast__vm_list__init(list);
	reply->vm_list = list;
	reply->body_case = HOLDFAST__REPLY__BODY_VM_LIST;
	for (struct group *group = hv->groups->first; group; group = group->next)
		count += group->vm_count;
	list->vms = calloc(count + 1, sizeof(*list->vms));
	for (struct group *group = hv->groups->first; list->vms && group; group = group->next) {
		for (size_t i = 0; i < group->vm_count; i++) {
			Holdfast__VmStatus *status = vm_status(group->vms[i]);
			if (status)
				list->vms[list->n_vms++] = status;
		}
	}
	return 0;
}

HANDLER(serve_console)
{
	struct hypervisor *hv = data;
	struct vm *vm = groups_vm_find(hv, request->vm_console->name);
	if (!vm)
		return error_set(err, ERROR_NOT_FOUND, "there is no VM %.63s on node %s",
			request->vm_console->name, hv->config.node);
	return console_serve(vm, call, err) ? -1 : reply_done(reply, err);
}

HANDLER(serve_screenshot)
{
	struct vm *vm = handler_lock_vm(data, request->vm_screenshot->name, LOCK_MS, err);
	if (!vm)
		return -1;
	struct group *group = vm->group;
	int failed = screen_send(vm, call, err);
	task_unlock(&group->mutex);
	return failed ? -1 : reply_done(reply, err);
}

HANDLER(serve_console_tail)
{
	struct hypervisor *hv = data;
	const Holdfast__ConsoleTail *tail = request->console_tail;
	struct vm *vm = groups_vm_find(hv, tail->name);
	if (!vm)
		return error_set(err, ERROR_NOT_FOUND, "there is no VM %.63s on node %s", tail->name, hv->config.node);
	return console_send_tail(vm, tail->lines ? tail->lines : TAIL_LINES, call, err) ? -1
											 : reply_done(reply, err);
}

const struct rpc_handler vm_handlers[] = {
	{ HOLDFAST__REQUEST__BODY_VM_LIST, LOCAL, serve_list },
	{ HOLDFAST__REQUEST__BODY_VM_SHOW, LOCAL, serve_show },
	{ HOLDFAST__REQUEST__BODY_VM_START, LOCAL, serve_start },
	{ HOLDFAST__REQUEST__BODY_VM_STOP, LOCAL, serve_stop },
	{ HOLDFAST__REQUEST__BODY_VM_SAVE, LOCAL, serve_save },
	{ HOLDFAST__REQUEST__BODY_VM_PAUSE, LOCAL, serve_pause },
	{ HOLDFAST__REQUEST__BODY_VM_RESUME, LOCAL, serve_resume },
	{ HOLDFAST__REQUEST__BODY_VM_RESET, LOCAL, serve_reset },
	{ HOLDFAST__REQUEST__BODY_VM_CONSOLE, LOCAL, serve_console },
	{ HOLDFAST__REQUEST__BODY_VM_SCREENSHOT, LOCAL, serve_screenshot },
	{ HOLDFAST__REQUEST__BODY_CONSOLE_TAIL, LOCAL, serve_console_tail },
	{ HOLDFAST__REQUEST__BODY_VM_REFRESH, LOCAL, serve_refresh },
	{ HOLDFAST__REQUEST__BODY_VM_EVIDENCE, LOCAL, serve_evidence },
	{ 0 },
};
