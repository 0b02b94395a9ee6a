// SPDX-License-Identifier: GPL-3.0-or-later
// What clusterd answers in a cluster: groups, the definitions of VMs, volumes, events, asked of a stand-alone hypervisord.
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "hypervisor/host-events.h"
#include "hypervisor/standalone-define.h"

#define LOCK_MS 30000

static int reply_name(Holdfast__Reply *reply, const char *name, struct error *err)
{
	reply->name = malloc(sizeof(*reply->name));
	if (!reply->name)
		return error_set(err, ERROR_FAILED, "no memory for a reply");
	holdfast__name__init(reply->name);
	reply->name->name = strdup(name);
	reply->body_case = HOLDFAST__REPLY__BODY_NAME;
	return 0;
}

// ---- groups

HANDLER(serve_create)
{
	const Holdfast__GroupCreate *create = request->group_create;
	if (!create->group)
		return error_set(err, ERROR_USAGE, "the request has no group");
	if (standalone_create_group(data, create->group, create->state_bytes, err))
		return -1;
	return reply_name(reply, create->group->name, err);
}

HANDLER(serve_list)
{
	struct hypervisor *hv = data;
	size_t count = 0;
	Holdfast__GroupList *list = malloc(sizeof(*list));
	if (!list)
		return error_set(err, ERROR_FAILED, "no memory for a reply");
	holdfast__group_list__init(list);
	reply->group_list = list;
	reply->body_case = HOLDFAST__REPLY__BODY_GROUP_LIST;
	for (struct group *group = hv->groups->first; group; group = group->next)
		count++;
	list->groups = calloc(count + 1, sizeof(*list->groups));
	for (struct group *group = hv->groups->first; list->groups && group; group = group->next) {
		Holdfast__GroupStatus *status = group->removed ? NULL : group_status(group);
		if (status)
			list->groups[list->n_groups++] = status;
	}
	return 0;
}

HANDLER(serve_show)
{
	struct hypervisor *hv = data;
	struct group *group = group_find(hv, request->group_show->name);
	if (!group)
		return error_set(err, ERROR_NOT_FOUND, "there is no group %.63s: see 'holdfast group list'",
			request->group_show->name);
	return reply_group(reply, group, err);
}

static int delete_group(struct group *group, bool force, struct error *err)
{
	struct hypervisor *hv = group->hv;
	if (group_wanted(group) == WANTED_STARTED) {
		if (!force)
			return error_set(err, ERROR_BUSY,
				"group %s is online: stop it first, or delete it with --force", group->name);
		if (standalone_stop(group, err))
			return -1;
	}
	if (group->vm_count && !force)
		return error_set(err, ERROR_BUSY,
			"group %s has %zu VMs: delete them first, or delete it with --force", group->name,
			group->vm_count);
	if (storage_destroy(hv->storage, group->name, err) || standalone_forget(hv, group->name, err))
		return -1;
	return group_forget(group, err);
}

HANDLER(serve_delete)
{
	struct group *group = handler_lock_group(data, request->group_delete->name, LOCK_MS, err);
	if (!group)
		return -1;
	int failed = delete_group(group, request->group_delete->force, err);
	task_unlock(&group->mutex);
	return failed ? -1 : reply_done(reply, err);
}

// Start or stop, now or in a task of its own.
struct order {
	struct hypervisor *hv;
	char name[64];
	bool start;
};

static int carry_out(const struct order *order, struct error *err)
{
	struct group *group = order->start ? handler_lock_group(order->hv, order->name, LOCK_MS, err)
					   : handler_lock_to_stop(order->hv, order->name, LOCK_MS, err);
	if (!group)
		return -1;
	int failed = order->start ? standalone_start(group, err) : standalone_stop(group, err);
	task_unlock(&group->mutex);
	return failed;
}

static void carry_out_later(void *data)
{
	struct order *order = data;
	struct error err = ERROR_INIT;
	if (carry_out(order, &err))
		host_event(order->hv, "admin", order->name, NULL, 0, 0, NULL, 0, "%s", err.message);
	free(order);
}

static int serve_order(struct hypervisor *hv, const char *name, bool start, bool no_wait,
	Holdfast__Reply *reply, struct error *err)
{
	struct order order = { .hv = hv, .start = start };
	if (!group_find(hv, name))
		return error_set(
			err, ERROR_NOT_FOUND, "there is no group %.63s: see 'holdfast group list'", name);
	snprintf(order.name, sizeof(order.name), "%s", name);
	if (!no_wait)
		return carry_out(&order, err) ? -1 : reply_done(reply, err);
	struct order *later = malloc(sizeof(*later));
	if (!later)
		return error_set(err, ERROR_FAILED, "no memory");
	*later = order;
	if (!task_start(hv->loop, "group-order", carry_out_later, later, err)) {
		free(later);
		return -1;
	}
	return reply_done(reply, err);
}

HANDLER(serve_start)
{
	return serve_order(data, request->group_start->name, true, request->group_start->no_wait, reply, err);
}

HANDLER(serve_stop)
{
	return serve_order(data, request->group_stop->name, false, request->group_stop->no_wait, reply, err);
}

// ---- VMs

HANDLER(serve_vm_create)
{
	const Holdfast__Vm *vm = request->vm_create->vm;
	if (!vm)
		return error_set(err, ERROR_USAGE, "the request has no VM");
	struct group *group = handler_lock_group(data, vm->group, LOCK_MS, err);
	if (!group)
		return -1;
	int failed = standalone_create_vm(group, vm, err);
	task_unlock(&group->mutex);
	return failed ? -1 : reply_name(reply, vm->name, err);
}

HANDLER(serve_vm_set)
{
	const Holdfast__VmSet *set = request->vm_set;
	struct vm *vm = handler_lock_vm(data, set->vm ? set->vm->name : "", LOCK_MS, err);
	if (!vm)
		return -1;
	struct group *group = vm->group;
	int failed = standalone_set_vm(group, set, err);
	vm = group_vm_find(group, set->vm->name);
	if (!failed && vm)
		reply->vm = vm_status(vm);
	if (reply->vm)
		reply->body_case = HOLDFAST__REPLY__BODY_VM;
	task_unlock(&group->mutex);
	return failed || reply->vm ? failed : error_set(err, ERROR_FAILED, "no memory for a reply");
}

HANDLER(serve_group_set)
{
	const Holdfast__GroupSet *set = request->group_set;
	struct hypervisor *hv = data;
	if (!group_find(hv, set->name))
		return error_set(
			err, ERROR_NOT_FOUND, "there is no group %.63s: see 'holdfast group list'", set->name);
	return error_set(err, ERROR_USAGE,
		"group %s can run nowhere else: this is the stand-alone machine %s; owners are for clusters",
		set->name, hv->config.node);
}

HANDLER(serve_vm_delete)
{
	struct vm *vm = handler_lock_vm(data, request->vm_delete->name, LOCK_MS, err);
	if (!vm)
		return -1;
	struct group *group = vm->group;
	int failed = standalone_delete_vm(group, request->vm_delete->name, err);
	task_unlock(&group->mutex);
	return failed ? -1 : reply_done(reply, err);
}

HANDLER(serve_volume_delete)
{
	const char *name = request->volume_delete->name, *dot = strrchr(name, '.');
	char vm_name[64] = "";
	if (dot && (size_t)(dot - name) < sizeof(vm_name))
		memcpy(vm_name, name, (size_t)(dot - name));
	struct vm *vm = handler_lock_vm(data, vm_name, LOCK_MS, err);
	if (!vm)
		return -1;
	struct group *group = vm->group;
	int failed = standalone_delete_volume(group, name, err);
	task_unlock(&group->mutex);
	return failed ? -1 : reply_done(reply, err);
}

// ---- the rest

static int list_volumes(struct hypervisor *hv, const char *name, Holdfast__Reply *reply, struct error *err)
{
	Holdfast__VolumeList *list = malloc(sizeof(*list));
	if (!list)
		return error_set(err, ERROR_FAILED, "no memory for a reply");
	holdfast__volume_list__init(list);
	reply->volume_list = list;
	reply->body_case = HOLDFAST__REPLY__BODY_VOLUME_LIST;
	if (storage_status(hv->storage, NULL, &list->volumes, &list->n_volumes, err))
		return -1;
	size_t kept = 0;
	for (size_t i = 0; i < list->n_volumes; i++) {
		Holdfast__VolumeStatus *volume = list->volumes[i];
		if (!name || !strcmp(volume->name, name))
			list->volumes[kept++] = volume;
		else
			holdfast__volume_status__free_unpacked(volume, NULL);
	}
	list->n_volumes = kept;
	if (name && !kept)
		return error_set(
			err, ERROR_NOT_FOUND, "there is no volume %.100s: see 'holdfast volume list'", name);
	return 0;
}

HANDLER(serve_volume_list)
{
	return list_volumes(data, NULL, reply, err);
}

HANDLER(serve_volume_show)
{
	return list_volumes(data, request->volume_show->name, reply, err);
}

HANDLER(serve_events)
{
	struct hypervisor *hv = data;
	Holdfast__EventList *list = malloc(sizeof(*list));
	if (!list)
		return error_set(err, ERROR_FAILED, "no memory for a reply");
	holdfast__event_list__init(list);
	reply->event_list = list;
	reply->body_case = HOLDFAST__REPLY__BODY_EVENT_LIST;
	return host_events_query(hv->events, call, request->events, list, err);
}

const struct rpc_handler standalone_handlers[] = {
	{ HOLDFAST__REQUEST__BODY_GROUP_CREATE, LOCAL, serve_create },
	{ HOLDFAST__REQUEST__BODY_GROUP_LIST, LOCAL, serve_list },
	{ HOLDFAST__REQUEST__BODY_GROUP_SHOW, LOCAL, serve_show },
	{ HOLDFAST__REQUEST__BODY_GROUP_DELETE, LOCAL, serve_delete },
	{ HOLDFAST__REQUEST__BODY_GROUP_START, LOCAL, serve_start },
	{ HOLDFAST__REQUEST__BODY_GROUP_STOP, LOCAL, serve_stop },
	{ HOLDFAST__REQUEST__BODY_VM_CREATE, LOCAL, serve_vm_create },
	{ HOLDFAST__REQUEST__BODY_VM_SET, LOCAL, serve_vm_set },
	{ HOLDFAST__REQUEST__BODY_GROUP_SET, LOCAL, serve_group_set },
	{ HOLDFAST__REQUEST__BODY_VM_DELETE, LOCAL, serve_vm_delete },
	{ HOLDFAST__REQUEST__BODY_VOLUME_LIST, LOCAL, serve_volume_list },
	{ HOLDFAST__REQUEST__BODY_VOLUME_SHOW, LOCAL, serve_volume_show },
	{ HOLDFAST__REQUEST__BODY_VOLUME_DELETE, LOCAL, serve_volume_delete },
	{ HOLDFAST__REQUEST__BODY_EVENTS, LOCAL, serve_events },
	{ 0 },
};
