// SPDX-License-Identifier: GPL-3.0-or-later
// The verbs on a VM's checkpoints, with its group locked and its state volume mounted meanwhile; and where a VM is after one was applied.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "hypervisor/checkpoint.h"
#include "hypervisor/handlers.h"
#include "proto/json.h"
#include "proto/pending.h"

#define LOCK_MS 30000

typedef int checkpoint_fn(struct vm *vm, const char *directory, const Holdfast__Request *request, Holdfast__Reply *reply,
	struct error *err);

static int with_state(struct vm *vm, checkpoint_fn *act, const Holdfast__Request *request, Holdfast__Reply *reply,
	struct error *err)
{
	struct group *group = vm->group;
	struct storage *storage = group->hv->storage;
	struct error ignored = ERROR_INIT;
	char *directory = NULL;
	if (group_wanted(group) != WANTED_STARTED)
		return error_set(err, ERROR_BUSY,
			"group %s is not online on node %s: start it first (holdfast group start %s)", group->name,
			group->hv->config.node, group->name);
	if (storage_mount_state(storage, group->spec->group, &directory, err))
		return -1;
	int failed = act(vm, directory, request, reply, err);
	task_uncancel(task_self());
	if (storage_unmount_state(storage, group->spec->group, &ignored))
		log_warning("group=%s %s", group->name, ignored.message);
	free(directory);
	return failed;
}

static int serve(struct hypervisor *hv, const char *name, checkpoint_fn *act, const Holdfast__Request *request,
	Holdfast__Reply *reply, struct error *err)
{
	struct vm *vm = handler_lock_vm(hv, name, LOCK_MS, err);
	if (!vm)
		return -1;
	struct group *group = vm->group;
	int failed = with_state(vm, act, request, reply, err);
	task_unlock(&group->mutex);
	return failed;
}

// The status of the checkpoint WHICH as it is kept.
static Holdfast__CheckpointStatus *status_of(struct vm *vm, const char *directory, const char *which, struct error *err)
{
	Holdfast__CheckpointTree *tree = checkpoint_read(vm, directory, err);
	Holdfast__CheckpointRecord *record = tree ? checkpoint_find(tree, vm->name, which, err) : NULL;
	Holdfast__CheckpointStatus *status = record ? checkpoint_status(tree, record) : NULL;
	if (record && !status)
		error_set(err, ERROR_FAILED, "no memory for a reply");
	checkpoint_tree_free(tree);
	return status;
}

// ---- take, list, delete

static int take(struct vm *vm, const char *directory, const char *name, struct error *err)
{
	struct checkpoint_taken taken;
	if (checkpoint_take(vm, directory, name, &taken, err))
		return -1;
	host_event(vm->group->hv, "checkpoint-taken", vm->group->name, vm->name, taken.duration_ms, taken.pause_ms, NULL, 0,
		"checkpoint %s of VM %s was taken on node %s in %.0f ms; the guest stood still for %.0f ms", taken.name,
		vm->name, vm->group->hv->config.node, taken.duration_ms, taken.pause_ms);
	return 0;
}

static int act_take(struct vm *vm, const char *directory, const Holdfast__Request *request, Holdfast__Reply *reply,
	struct error *err)
{
	if (take(vm, directory, request->checkpoint_take->name, err))
		return -1;
	reply->checkpoint = status_of(vm, directory, "", err);
	if (!reply->checkpoint)
		return -1;
	reply->body_case = HOLDFAST__REPLY__BODY_CHECKPOINT;
	return 0;
}

static int act_list(struct vm *vm, const char *directory, const Holdfast__Request *request, Holdfast__Reply *reply,
	struct error *err)
{
	Holdfast__CheckpointTree *tree = checkpoint_read(vm, directory, err);
	Holdfast__CheckpointList *list = tree ? malloc(sizeof(*list)) : NULL;
	if (list) {
		holdfast__checkpoint_list__init(list);
		reply->checkpoint_list = list;
		reply->body_case = HOLDFAST__REPLY__BODY_CHECKPOINT_LIST;
		list->checkpoints = calloc(tree->n_records + 1, sizeof(*list->checkpoints));
		for (size_t i = 0; list->checkpoints && i < tree->n_records; i++) {
			Holdfast__CheckpointStatus *status = checkpoint_status(tree, tree->records[i]);
			if (status)
				list->checkpoints[list->n_checkpoints++] = status;
		}
	}
	checkpoint_tree_free(tree);
	return list ? 0 : tree ? error_set(err, ERROR_FAILED, "no memory for a reply") : -1;
}

static int act_delete(struct vm *vm, const char *directory, const Holdfast__Request *request, Holdfast__Reply *reply,
	struct error *err)
{
	const Holdfast__CheckpointDelete *order = request->checkpoint_delete;
	if (!order->checkpoint[0])
		return error_set(err, ERROR_USAGE, "the request names no checkpoint");
	if (checkpoint_delete(vm, directory, order->checkpoint,
		    order->subtree ? CHECKPOINT_SUBTREE : CHECKPOINT_ALONE, err))
		return -1;
	host_event(vm->group->hv, "checkpoint-deleted", vm->group->name, vm->name, 0, 0, NULL, 0,
		"checkpoint %s of VM %s was deleted%s", order->checkpoint, vm->name,
		order->subtree ? " with all that came from it" : "");
	return reply_done(reply, err);
}

// ---- apply

// With memory: it goes on from there if it was up, else it is saved. Without: it is off, as it was.
static int settle_state(struct vm *vm, const char *directory, bool was_up, bool memory, struct error *err)
{
	struct steps steps;
	if (memory && was_up) {
		steps_begin(&steps);
		return group_boot_vm(vm->group, vm, directory, &steps, err);
	}
	if (handler_set_target(
		    vm, memory ? HOLDFAST__VM_TARGET__TARGET_SAVED : HOLDFAST__VM_TARGET__TARGET_OFF, err))
		return -1;
	if (memory && vm->state == HOLDFAST__VM_STATE__VM_OFF)
		vm_event_now(vm, VM_EVENT_SAVED);
	if (!memory && (vm->state == HOLDFAST__VM_STATE__VM_SAVED || vm->state == HOLDFAST__VM_STATE__VM_FAILED))
		vm_event_now(vm, VM_EVENT_ENDED);
	vm->reason[0] = '\0';
	return 0;
}

// The volumes of the disks that BEFORE had and the VM has not.
static char **detached_since(const struct vm *vm, const Holdfast__Vm *before, size_t *count)
{
	char **names = calloc(before->n_disks + 1, sizeof(*names));
	*count = 0;
	for (size_t i = 0; names && i < before->n_disks; i++) {
		if (pending_disk_in(vm->wanted, before->disks[i]))
			continue;
		if (asprintf(&names[*count], "%s.%s", vm->name, before->disks[i]->name) < 0)
			break;
		(*count)++;
	}
	return names;
}

static void tell_detached(const struct vm *vm, const Holdfast__CheckpointApplied *applied)
{
	for (size_t i = 0; i < applied->n_detached; i++)
		host_event(vm->group->hv, "disk-detached", vm->group->name, vm->name, 0, 0, NULL, 0,
			"disk %s was added after the checkpoint that VM %s was set to: it is no disk of the VM any more, and "
			"its volume is kept until it is deleted ('holdfast volume delete %s') or a checkpoint that has it is "
			"applied",
			applied->detached[i], vm->name, applied->detached[i]);
}

static int reply_applied(
	struct vm *vm, const char *directory, const Holdfast__Vm *before, Holdfast__Reply *reply, struct error *err)
{
	Holdfast__CheckpointApplied *applied = malloc(sizeof(*applied));
	if (!applied)
		return error_set(err, ERROR_FAILED, "no memory for a reply");
	holdfast__checkpoint_applied__init(applied);
	reply->checkpoint_applied = applied;
	reply->body_case = HOLDFAST__REPLY__BODY_CHECKPOINT_APPLIED;
	applied->checkpoint = status_of(vm, directory, "", err);
	applied->vm = (Holdfast__Vm *)proto_copy(&vm->wanted->base);
	applied->detached = detached_since(vm, before, &applied->n_detached);
	tell_detached(vm, applied);
	return applied->checkpoint && applied->vm ? 0 : -1;
}

static int apply(struct vm *vm, const char *directory, const Holdfast__Request *request, struct error *err)
{
	const Holdfast__CheckpointApply *order = request->checkpoint_apply;
	bool was_up = vm_is_up(vm), memory = false;
	struct error why = ERROR_INIT;
	double begin_ms = loop_now_ms();
	// Named before another one is the current one.
	Holdfast__CheckpointStatus *meant = status_of(vm, directory, order->checkpoint, err);
	if (!meant)
		return -1;
	int failed = order->take_first ? take(vm, directory, "", err) : 0;
	if (!failed)
		failed = checkpoint_apply(vm, directory, meant->id, &memory, err);
	if (!failed && settle_state(vm, directory, was_up, memory, &why)) {
		vm_reason(vm, "%.200s", why.message);
		failed = error_copy(err, &why);
	}
	if (!failed)
		host_event(vm->group->hv, "checkpoint-applied", vm->group->name, vm->name, loop_now_ms() - begin_ms, 0,
			NULL, 0, "VM %s was set to checkpoint %s on node %s; it is %s", vm->name, meant->name,
			vm->group->hv->config.node, vm_state_name(vm->state));
	holdfast__checkpoint_status__free_unpacked(meant, NULL);
	return failed;
}

static int act_apply(struct vm *vm, const char *directory, const Holdfast__Request *request, Holdfast__Reply *reply,
	struct error *err)
{
	Holdfast__Vm *before = (Holdfast__Vm *)proto_copy(&vm->wanted->base);
	int failed = before ? apply(vm, directory, request, err) : error_set(err, ERROR_FAILED, "no memory for a reply");
	if (!failed)
		failed = reply_applied(vm, directory, before, reply, err);
	if (before)
		holdfast__vm__free_unpacked(before, NULL);
	return failed;
}

HANDLER(serve_take)
{
	return serve(data, request->checkpoint_take->vm, act_take, request, reply, err);
}

HANDLER(serve_list)
{
	return serve(data, request->checkpoint_list->name, act_list, request, reply, err);
}

HANDLER(serve_apply)
{
	return serve(data, request->checkpoint_apply->vm, act_apply, request, reply, err);
}

HANDLER(serve_delete)
{
	return serve(data, request->checkpoint_delete->vm, act_delete, request, reply, err);
}

const struct rpc_handler checkpoint_handlers[] = {
	{ HOLDFAST__REQUEST__BODY_CHECKPOINT_TAKE, LOCAL, serve_take },
	{ HOLDFAST__REQUEST__BODY_CHECKPOINT_LIST, LOCAL, serve_list },
	{ HOLDFAST__REQUEST__BODY_CHECKPOINT_APPLY, LOCAL, serve_apply },
	{ HOLDFAST__REQUEST__BODY_CHECKPOINT_DELETE, LOCAL, serve_delete },
	{ 0 },
};
