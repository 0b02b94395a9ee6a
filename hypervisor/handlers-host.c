// SPDX-License-Identifier: GPL-3.0-or-later
// What the agent, clusterd and DRBD's handlers of this node ask: groups started, stopped and judged, replicas, the machine's state, events.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "config.h"
#include "common/log.h"
#include "hypervisor/control.h"
#include "hypervisor/handlers.h"
#include "hypervisor/host-events.h"
#include "hypervisor/hotplug.h"
#include "hypervisor/tap.h"
#include "proto/json.h"

#define LOCK_MS 30000
#define CHANGE_MS 180000 // a change may make volumes in between

HANDLER(serve_ping)
{
	return reply_done(reply, err);
}

// The cluster names its nodes; a hypervisord that was started before its node joined learns it here.
static void learn_name(struct hypervisor *hv, const char *node)
{
	if (!node[0] || !strcmp(node, hv->config.node))
		return;
	char *copy = strdup(node);
	if (!copy)
		return;
	log_info("this node is called %s by its cluster (it was %s)", node, hv->config.node);
	free(hv->config.node);
	hv->config.node = copy;
}

HANDLER(serve_group_start)
{
	struct hypervisor *hv = data;
	const Holdfast__HostGroupStart *start = request->host_group_start;
	Holdfast__StartResult *result = malloc(sizeof(*result));
	if (!result)
		return error_set(err, ERROR_FAILED, "no memory for a reply");
	holdfast__start_result__init(result);
	reply->start = result;
	reply->body_case = HOLDFAST__REPLY__BODY_START;
	learn_name(hv, start->node);
	struct group *group =
		handler_adopt_locked(hv, start->spec, start->timeout_ms ? start->timeout_ms : LOCK_MS, err);
	if (!group)
		return -1;
	int failed = group_start(group, start, result, err);
	task_unlock(&group->mutex);
	return failed;
}

HANDLER(serve_group_stop)
{
	struct hypervisor *hv = data;
	const Holdfast__HostGroupStop *stop = request->host_group_stop;
	unsigned timeout_ms = stop->timeout_ms ? stop->timeout_ms : 60000;
	int64_t begin_us = loop_now_us();
	struct error local = ERROR_INIT;
	struct group *group = handler_lock_to_stop(hv, stop->name, timeout_ms, &local);
	if (!group && local.code == ERROR_NOT_FOUND)
		return reply_done(reply, err); // what is not here is stopped
	if (!group)
		return error_copy(err, &local);
	unsigned waited_ms = (unsigned)((loop_now_us() - begin_us) / 1000);
	int failed =
		group_stop(group, stop->generation, timeout_ms > waited_ms ? timeout_ms - waited_ms : 1, err);
	task_unlock(&group->mutex);
	return failed ? -1 : reply_done(reply, err);
}

// The state as health has it: a group that a move has released, or is still bringing in, is not running here.
HANDLER(serve_group_monitor)
{
	static const Holdfast__GroupState states[] = {
		[GROUP_HEALTH_STOPPED] = HOLDFAST__GROUP_STATE__GROUP_OFFLINE,
		[GROUP_HEALTH_RUNNING] = HOLDFAST__GROUP_STATE__GROUP_ONLINE,
		[GROUP_HEALTH_FAILED] = HOLDFAST__GROUP_STATE__GROUP_FAILED,
	};
	struct hypervisor *hv = data;
	char reason[300];
	struct group *group = group_find(hv, request->host_group_monitor->name);
	if (!group)
		return error_set(err, ERROR_NOT_FOUND, "there is no group %.63s on node %s",
			request->host_group_monitor->name, hv->config.node);
	if (reply_group(reply, group, err))
		return -1;
	reply->group->state = states[group_health(group, reason, sizeof(reason))];
	return 0;
}

// ---- replicas

HANDLER(serve_replica_apply)
{
	struct hypervisor *hv = data;
	const Holdfast__ReplicaApply *apply = request->replica_apply;
	struct group *group = handler_adopt_locked(hv, apply->spec, LOCK_MS, err);
	if (!group)
		return -1;
	int failed = storage_apply(
		hv->storage, apply->spec->group, apply->node[0] ? apply->node : hv->config.node, err);
	// New volumes of a group that is online here follow the others; replicated ones cannot before they are declared in sync.
	if (!failed && group_wanted(group) == WANTED_STARTED &&
		apply->spec->group->storage != HOLDFAST__STORAGE_KIND__STORAGE_DRBD)
		failed = group_promote(group, false, err);
	task_unlock(&group->mutex);
	return failed ? -1 : reply_done(reply, err);
}

HANDLER(serve_replica_ready)
{
	struct hypervisor *hv = data;
	const Holdfast__ReplicaReady *ready = request->replica_ready;
	struct group *group = handler_lock_group(hv, ready->group, LOCK_MS, err);
	if (!group)
		return -1;
	int failed = storage_declare_in_sync(hv->storage, group->spec->group, ready->index, err);
	if (!failed && group_wanted(group) == WANTED_STARTED)
		failed = group_promote(group, false, err);
	task_unlock(&group->mutex);
	return failed ? -1 : reply_done(reply, err);
}

HANDLER(serve_replica_delete)
{
	struct hypervisor *hv = data;
	const char *name = request->replica_delete->name;
	struct error local = ERROR_INIT;
	struct group *group = handler_lock_group(hv, name, LOCK_MS, &local);
	if (!group && local.code != ERROR_NOT_FOUND)
		return error_copy(err, &local);
	if (group && group_wanted(group) == WANTED_STARTED) {
		task_unlock(&group->mutex);
		return error_set(err, ERROR_BUSY, "group %s is online on node %s: stop it first", name,
			hv->config.node);
	}
	int failed = storage_destroy(hv->storage, name, err);
	if (group && !failed)
		failed = group_forget(group, err);
	if (group)
		task_unlock(&group->mutex);
	return failed ? -1 : reply_done(reply, err);
}

HANDLER(serve_vm_update)
{
	struct hypervisor *hv = data;
	const Holdfast__Vm *vm = request->host_vm_update;
	struct group *group = handler_lock_group(hv, vm->group, LOCK_MS, err);
	if (!group)
		return -1;
	struct vm *there = group_vm_find(group, vm->name);
	int failed = there && vm_is_up(there) ? control_admit(hv, vm, err) : 0;
	if (!failed)
		failed = handler_put_vm(group, vm, err);
	if (!failed && (there = group_vm_find(group, vm->name)))
		failed = control_apply(there, err);
	task_unlock(&group->mutex);
	return failed ? -1 : reply_done(reply, err);
}

// The three parts of a change that clusterd makes: what comes before and between them is its own (volumes, the CIB).
static void begin_change(struct group *group, const char *vm)
{
	snprintf(group->changing, sizeof(group->changing), "%s", vm);
	group->changing_until_us = loop_now_us() + CHANGE_MS * 1000LL;
}

static int change_vm(struct vm *vm, const Holdfast__HostVmChange *change, struct error *err)
{
	struct group *group = vm->group;
	const struct move_hooks *hooks = &group->hv->move_hooks;
	if (change->phase == HOLDFAST__VM_CHANGE_PHASE__CHANGE_APPLY ||
		change->phase == HOLDFAST__VM_CHANGE_PHASE__CHANGE_ABANDON)
		group->changing[0] = '\0';
	else if (hooks->not_moving && hooks->not_moving(hooks->moves, group->name, err))
		return -1;
	if (change->phase == HOLDFAST__VM_CHANGE_PHASE__CHANGE_ABANDON)
		return 0;
	if (change->phase == HOLDFAST__VM_CHANGE_PHASE__CHANGE_CHECK) {
		if (hotplug_check(vm, change->vm, err))
			return -1;
		begin_change(group, vm->name);
		return 0;
	}
	if (change->phase == HOLDFAST__VM_CHANGE_PHASE__CHANGE_REMOVE) {
		begin_change(group, vm->name);
		return hotplug_remove(vm, change->vm, err);
	}
	if (handler_put_vm(group, change->vm, err))
		return -1;
	vm = group_vm_find(group, change->vm->name);
	if (vm_has_process(vm) && group_promote(group, false, err))
		return -1;
	return hotplug_apply(vm, err);
}

HANDLER(serve_vm_change)
{
	struct hypervisor *hv = data;
	const Holdfast__HostVmChange *change = request->host_vm_change;
	if (!change->vm)
		return error_set(err, ERROR_USAGE, "the request has no VM");
	struct vm *vm = handler_lock_vm(hv, change->vm->name, LOCK_MS, err);
	if (!vm)
		return -1;
	struct group *group = vm->group;
	int failed = change_vm(vm, change, err);
	task_unlock(&group->mutex);
	return failed ? -1 : reply_done(reply, err);
}

// ---- the machine

static void add_groups(struct hypervisor *hv, Holdfast__HostStatus *status)
{
	size_t groups = 0, vms = 0;
	for (struct group *group = hv->groups->first; group; group = group->next) {
		groups += !group->removed;
		vms += group->removed ? 0 : group->vm_count;
	}
	status->groups = calloc(groups + 1, sizeof(*status->groups));
	status->vms = calloc(vms + 1, sizeof(*status->vms));
	for (struct group *group = hv->groups->first; group && status->groups && status->vms;
		group = group->next) {
		Holdfast__GroupStatus *one = group->removed ? NULL : group_status(group);
		if (!one)
			continue;
		status->groups[status->n_groups++] = one;
		for (size_t i = 0; i < group->vm_count; i++) {
			Holdfast__VmStatus *vm = vm_status(group->vms[i]);
			const Holdfast__Vm *running = group->vms[i]->running;
			// clusterd compares it with the CIB's definition, which may be newer than ours.
			if (vm && running && vm_has_process(group->vms[i]))
				vm->running = (Holdfast__Vm *)proto_copy(&running->base);
			if (vm)
				status->vms[status->n_vms++] = vm;
		}
	}
}

// The one of this name among those from FIRST on.
static Holdfast__GroupStatus *find_status(Holdfast__HostStatus *status, size_t first, const char *name)
{
	for (size_t i = first; i < status->n_groups; i++)
		if (!strcmp(status->groups[i]->name, name))
			return status->groups[i];
	return NULL;
}

static Holdfast__GroupStatus *add_status(Holdfast__HostStatus *status, const char *name)
{
	Holdfast__GroupStatus **groups = realloc(status->groups, (status->n_groups + 1) * sizeof(*groups));
	Holdfast__GroupStatus *one = groups ? malloc(sizeof(*one)) : NULL;
	if (groups)
		status->groups = groups;
	if (!one)
		return NULL;
	holdfast__group_status__init(one);
	one->name = strdup(name);
	return groups[status->n_groups++] = one;
}

// Since a boot a group may have its replica here without ever having been started here: its volumes are told of all the same.
static void add_replicas(struct hypervisor *hv, Holdfast__HostStatus *status)
{
	Holdfast__VolumeStatus **volumes = NULL;
	struct error err = ERROR_INIT;
	size_t count = 0, known = status->n_groups;
	if (storage_status(hv->storage, NULL, &volumes, &count, &err))
		log_warning("replicas: %s", err.message);
	for (size_t i = 0; i < count; i++) {
		const char *name = volumes[i]->group;
		Holdfast__GroupStatus *group = find_status(status, known, name);
		if (!group && !group_find(hv, name))
			group = add_status(status, name);
		Holdfast__VolumeStatus **more =
			group ? realloc(group->volumes, (group->n_volumes + 1) * sizeof(*more)) : NULL;
		if (!more) {
			holdfast__volume_status__free_unpacked(volumes[i], NULL);
			continue;
		}
		group->volumes = more;
		group->volumes[group->n_volumes++] = volumes[i];
	}
	free(volumes);
}

static void add_networks(const struct hypervisor *hv, Holdfast__HostStatus *status)
{
	status->networks = calloc(hv->config.network_count + 1, sizeof(*status->networks));
	for (size_t i = 0; status->networks && i < hv->config.network_count; i++) {
		const char *name = hv->config.networks[i].name;
		char *copy = tap_network_there(&hv->config, name) ? strdup(name) : NULL;
		if (copy)
			status->networks[status->n_networks++] = copy;
	}
}

static void add_cpu_models(const struct hypervisor *hv, Holdfast__HostStatus *status)
{
	status->cpu_models = calloc(hv->cpu_models.count + 1, sizeof(char *));
	for (size_t i = 0; status->cpu_models && i < hv->cpu_models.count; i++) {
		char *name = strdup(hv->cpu_models.names[i]);
		if (name)
			status->cpu_models[status->n_cpu_models++] = name;
	}
}

HANDLER(serve_host_status)
{
	struct hypervisor *hv = data;
	struct error local = ERROR_INIT;
	uint64_t total, used, pool_size = 0, pool_free = 0;
	// Waits: first, so that what is collected below is of one moment.
	if (storage_pool(hv->storage, &pool_size, &pool_free, &local))
		log_debug("no pool: %s", local.message);
	Holdfast__HostStatus *status = malloc(sizeof(*status));
	if (!status)
		return error_set(err, ERROR_FAILED, "no memory for a reply");
	holdfast__host_status__init(status);
	reply->host = status;
	reply->body_case = HOLDFAST__REPLY__BODY_HOST;
	group_memory(hv, NULL, &total, &used);
	status->version = strdup(PACKAGE_VERSION);
	status->accel = strdup(hv->kvm ? "kvm" : "tcg");
	status->memory_mib = total;
	used += hv->config.memory_reserve_mib;
	status->memory_free_mib = total > used ? total - used : 0;
	status->cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	status->control = strdup(control_problem(hv));
	status->cpus_reserved = control_reserved(hv, NULL);
	add_cpu_models(hv, status);
	status->pool_size_bytes = pool_size;
	status->pool_free_bytes = pool_free;
	add_groups(hv, status);
	add_replicas(hv, status);
	add_networks(hv, status);
	return 0;
}

HANDLER(serve_host_events)
{
	struct hypervisor *hv = data;
	return host_events_serve(hv->events, call, err) ? -1 : reply_done(reply, err);
}

const struct rpc_handler host_handlers[] = {
	{ HOLDFAST__REQUEST__BODY_PING, LOCAL | NODE, serve_ping },
	{ HOLDFAST__REQUEST__BODY_HOST_STATUS, LOCAL, serve_host_status },
	{ HOLDFAST__REQUEST__BODY_FILE_CHECK, LOCAL, serve_file_check },
	{ HOLDFAST__REQUEST__BODY_HOST_GROUP_START, LOCAL, serve_group_start },
	{ HOLDFAST__REQUEST__BODY_HOST_GROUP_STOP, LOCAL, serve_group_stop },
	{ HOLDFAST__REQUEST__BODY_HOST_GROUP_MONITOR, LOCAL, serve_group_monitor },
	{ HOLDFAST__REQUEST__BODY_REPLICA_APPLY, LOCAL, serve_replica_apply },
	{ HOLDFAST__REQUEST__BODY_REPLICA_READY, LOCAL, serve_replica_ready },
	{ HOLDFAST__REQUEST__BODY_REPLICA_DELETE, LOCAL, serve_replica_delete },
	{ HOLDFAST__REQUEST__BODY_HOST_VM_CHANGE, LOCAL, serve_vm_change },
	{ HOLDFAST__REQUEST__BODY_STATE_GROW, LOCAL, serve_state_grow },
	{ HOLDFAST__REQUEST__BODY_HOST_VM_UPDATE, LOCAL, serve_vm_update },
	{ HOLDFAST__REQUEST__BODY_HOST_EVENTS, LOCAL, serve_host_events },
	{ 0 },
};
