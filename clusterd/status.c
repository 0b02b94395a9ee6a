// SPDX-License-Identifier: GPL-3.0-or-later
// Composition of status messages: see the header. The definition decides what exists, corosync and Pacemaker who is
// online and owns, the owner's hypervisord what its guests do.
#include "clusterd/status.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "clusterd/cpu-baseline.h"
#include "proto/json.h"
#include "proto/pending.h"

static char **take_strings(GPtrArray *list, size_t *count)
{
	*count = list->len;
	return (char **)g_ptr_array_free(list, list->len == 0);
}

static char **copy_strings(char *const *from, size_t count)
{
	char **copy = count ? g_new(char *, count) : NULL;

	for (size_t i = 0; i < count; i++)
		copy[i] = g_strdup(from[i]);
	return copy;
}

const struct status_host *status_host_of(const struct status_input *in, const char *node)
{
	for (size_t i = 0; i < in->host_count; i++)
		if (!strcmp(in->hosts[i].node, node))
			return &in->hosts[i];
	return NULL;
}

const struct cib_node *status_cib_node(const struct status_input *in, const char *node)
{
	for (size_t i = 0; in->cib && i < in->cib->node_count; i++)
		if (!strcmp(in->cib->nodes[i].node->name, node))
			return &in->cib->nodes[i];
	return NULL;
}

const Holdfast__GroupStatus *status_host_group(const struct status_host *host, const char *group)
{
	for (size_t i = 0; host && host->status && i < host->status->n_groups; i++)
		if (!strcmp(host->status->groups[i]->name, group))
			return host->status->groups[i];
	return NULL;
}

// ---- nodes

bool status_node_online(const struct status_input *in, const char *name)
{
	const struct member *member = membership_find(in->members, name);
	const struct cib_node *node = status_cib_node(in, name);

	if (in->members->connected && (!member || !member->online))
		return false;
	// Without Pacemaker here corosync alone is believed.
	return in->cib_reason || !in->cib ? member && member->online : node && node->online;
}

static Holdfast__NodeState node_state(
	const struct status_input *in, const char *name, const struct cib_node *node)
{
	if (!status_node_online(in, name))
		return HOLDFAST__NODE_STATE__NODE_OFFLINE;
	if (node && (node->maintenance || node->standby))
		return HOLDFAST__NODE_STATE__NODE_MAINTENANCE;
	if (node && node->node->draining)
		return HOLDFAST__NODE_STATE__NODE_DRAINING;
	return HOLDFAST__NODE_STATE__NODE_ONLINE;
}

static void node_groups(const struct status_input *in, const char *name, GPtrArray *list)
{
	for (size_t i = 0; in->cib && i < in->cib->group_count; i++) {
		const struct cib_group *group = &in->cib->groups[i];
		const char *owner = status_owner(group);

		if (owner && !strcmp(owner, name))
			g_ptr_array_add(list, g_strdup(group->spec->group->name));
	}
}

static void node_host(const struct status_input *in, const char *name, Holdfast__NodeStatus *out)
{
	const struct status_host *host = status_host_of(in, name);

	if (!host || !host->status)
		return;
	out->memory_mib = host->status->memory_mib;
	out->memory_free_mib = host->status->memory_free_mib;
	out->cpus = host->status->cpus;
	out->pool_size_bytes = host->status->pool_size_bytes;
	out->pool_free_bytes = host->status->pool_free_bytes;
	out->version = g_strdup(host->status->version);
	out->control = g_strdup(host->status->control);
	out->cpus_reserved = host->status->cpus_reserved;
	out->cpu_models = copy_strings(host->status->cpu_models, host->status->n_cpu_models);
	out->n_cpu_models = host->status->n_cpu_models;
	const char *best = cpu_baseline_best(out->cpu_models, out->n_cpu_models);
	if (best)
		out->cpu_model = g_strdup(best);
}

Holdfast__NodeStatus *status_node(const struct status_input *in, const char *name)
{
	const struct cib_node *node = status_cib_node(in, name);
	const struct member *member = membership_find(in->members, name);
	GPtrArray *groups = g_ptr_array_new(), *problems = g_ptr_array_new();

	if (!node && !member) {
		g_ptr_array_free(groups, TRUE);
		g_ptr_array_free(problems, TRUE);
		return NULL;
	}
	Holdfast__NodeStatus *out = g_new0(Holdfast__NodeStatus, 1);
	holdfast__node_status__init(out);
	out->name = g_strdup(name);
	out->site = g_strdup(node ? node->node->site : "");
	out->address = g_strdup(node ? node->node->address : member->address);
	out->nodeid = node ? node->node->nodeid : member->nodeid;
	out->state = node_state(in, name, node);
	out->fenced = node && !node->online && node->clean && !status_node_online(in, name);
	out->fence_device = g_strdup(node && node->fence_device ? node->fence_device : "");
	node_groups(in, name, groups);
	node_host(in, name, out);
	status_node_problems(in, name, problems);
	out->groups = take_strings(groups, &out->n_groups);
	out->problems = take_strings(problems, &out->n_problems);
	return out;
}

Holdfast__NodeList *status_nodes(const struct status_input *in)
{
	Holdfast__NodeList *list = g_new0(Holdfast__NodeList, 1);
	size_t defined = in->cib ? in->cib->node_count : 0;

	holdfast__node_list__init(list);
	list->nodes = g_new0(Holdfast__NodeStatus *, defined + in->members->count + 1);
	for (size_t i = 0; i < defined; i++)
		list->nodes[list->n_nodes++] = status_node(in, in->cib->nodes[i].node->name);
	for (size_t i = 0; i < in->members->count; i++)
		if (!status_cib_node(in, in->members->members[i].name))
			list->nodes[list->n_nodes++] = status_node(in, in->members->members[i].name);
	return list;
}

// ---- groups and VMs

const char *status_owner(const struct cib_group *group)
{
	const char *first = group->active_on[0], *second = first ? group->active_on[1] : NULL;

	if (!second)
		return first;
	if (group->leaving) // the guest has left it
		return strcmp(first, group->leaving) ? first : second;
	if (group->move_failed && !group->move_to) // most fail before the guest has left
		return strcmp(second, group->move_failed) ? first : second;
	return group->move_to && !strcmp(first, group->move_to) ? second : first;
}

static bool host_says(
	const struct status_host *host, const struct cib_group *group, Holdfast__GroupState state)
{
	const Holdfast__GroupStatus *there = status_host_group(host, group->spec->group->name);

	return there && there->state == state;
}

// A move that failed is on its way back while Pacemaker knows the failure already.
static bool comes_back(const struct status_input *in, const struct cib_group *group)
{
	for (size_t i = 0; group->move_failed && group->blocked && i < in->host_count; i++)
		if (host_says(&in->hosts[i], group, HOLDFAST__GROUP_STATE__GROUP_MOVING))
			return true;
	return false;
}

const char *status_runs_after_all(const struct status_input *in, const struct cib_group *group)
{
	bool held = group->move_failed && group->blocked,
	     looked_for = group->wanted_started && !group->active_on[0];
	const char *node = NULL;

	for (size_t i = 0; (held || looked_for) && i < in->host_count; i++) {
		if (!host_says(&in->hosts[i], group, HOLDFAST__GROUP_STATE__GROUP_ONLINE))
			continue;
		if (node)
			return NULL;
		node = in->hosts[i].node;
	}
	return node;
}

const Holdfast__Event *status_last_move_failed(const struct status_input *in, const char *group)
{
	for (size_t i = in->events ? event_store_count(in->events) : 0; i > 0; i--) {
		const Holdfast__Event *event = event_store_at(in->events, i - 1);

		if (strcmp(event->group, group) != 0)
			continue;
		if (!strcmp(event->kind, "move-failed"))
			return event;
		if (!strcmp(event->kind, "move"))
			return NULL;
	}
	return NULL;
}

static const char *owner_of(const struct status_input *in, const struct cib_group *group)
{
	const char *node = status_runs_after_all(in, group);

	return node ? node : status_owner(group);
}

// Pacemaker counts a group as active from the moment when its start was ordered.
static bool still_starting(const struct status_input *in, const struct cib_group *group)
{
	const Holdfast__GroupStatus *there =
		status_host_group(status_host_of(in, group->active_on[0]), group->spec->group->name);

	return group->pending && there && there->state == HOLDFAST__GROUP_STATE__GROUP_OFFLINE;
}

static Holdfast__GroupState group_state(const struct status_input *in, const struct cib_group *group)
{
	bool active = group->active_on[0] != NULL;

	if (status_runs_after_all(in, group))
		return group->move_to ? HOLDFAST__GROUP_STATE__GROUP_MOVING
				      : HOLDFAST__GROUP_STATE__GROUP_ONLINE;
	if (comes_back(in, group))
		return HOLDFAST__GROUP_STATE__GROUP_MOVING;
	if (group->blocked || (group->failed && !active))
		return HOLDFAST__GROUP_STATE__GROUP_FAILED;
	if (active &&
		(group->active_on[1] || (group->move_to && strcmp(group->move_to, group->active_on[0]))))
		return HOLDFAST__GROUP_STATE__GROUP_MOVING;
	return active && !still_starting(in, group) ? HOLDFAST__GROUP_STATE__GROUP_ONLINE
						    : HOLDFAST__GROUP_STATE__GROUP_OFFLINE;
}

static Holdfast__VolumeStatus *copy_volume(const Holdfast__VolumeStatus *volume, const char *node)
{
	Holdfast__VolumeStatus *copy = (Holdfast__VolumeStatus *)proto_copy(&volume->base);

	if (!copy->node[0])
		copy->node = g_strdup(node);
	return copy;
}

Holdfast__VolumeList *status_volumes(const struct status_input *in, const char *group, const char *name)
{
	Holdfast__VolumeList *list = g_new0(Holdfast__VolumeList, 1);
	GPtrArray *volumes = g_ptr_array_new();

	holdfast__volume_list__init(list);
	for (size_t h = 0; h < in->host_count; h++) {
		const struct status_host *host = &in->hosts[h];
		for (size_t g = 0; host->status && g < host->status->n_groups; g++) {
			const Holdfast__GroupStatus *of = host->status->groups[g];
			if (group && strcmp(group, of->name))
				continue;
			for (size_t v = 0; v < of->n_volumes; v++)
				if (!name || !strcmp(of->volumes[v]->name, name))
					g_ptr_array_add(volumes, copy_volume(of->volumes[v], host->node));
		}
	}
	list->n_volumes = volumes->len;
	list->volumes = (Holdfast__VolumeStatus **)g_ptr_array_free(volumes, volumes->len == 0);
	return list;
}

Holdfast__GroupStatus *status_group(const struct status_input *in, const struct cib_group *group)
{
	const Holdfast__Group *definition = group->spec->group;
	Holdfast__GroupStatus *out = g_new0(Holdfast__GroupStatus, 1);
	Holdfast__VolumeList *volumes = status_volumes(in, definition->name, NULL);
	GPtrArray *problems = g_ptr_array_new();
	const Holdfast__Event *failed = status_last_move_failed(in, definition->name);
	const char *owner = owner_of(in, group);

	holdfast__group_status__init(out);
	out->name = g_strdup(definition->name);
	out->state = group_state(in, group);
	out->owner = g_strdup(owner ? owner : "");
	out->storage = definition->storage;
	if (failed)
		out->last_move_failed = g_strdup_printf("%s: %s", failed->time, failed->text);
	out->current = g_strdup(group->current ? group->current : "");
	out->preferred = copy_strings(definition->preferred, definition->n_preferred);
	out->n_preferred = definition->n_preferred;
	out->live_policy = definition->live_policy;
	out->max_pause_ms = definition->max_pause_ms;
	out->possible = copy_strings(definition->possible, definition->n_possible);
	out->n_possible = definition->n_possible;
	out->vms = g_new0(char *, group->spec->n_vms + 1);
	for (size_t i = 0; i < group->spec->n_vms; i++)
		out->vms[out->n_vms++] = g_strdup(group->spec->vms[i]->name);
	out->volumes = volumes->volumes;
	out->n_volumes = volumes->n_volumes;
	volumes->volumes = NULL;
	volumes->n_volumes = 0;
	holdfast__volume_list__free_unpacked(volumes, NULL);
	status_group_problems(in, group, problems);
	out->problems = take_strings(problems, &out->n_problems);
	return out;
}

static const Holdfast__VmStatus *host_vm(const struct status_host *host, const char *name)
{
	for (size_t i = 0; host && host->status && i < host->status->n_vms; i++)
		if (!strcmp(host->status->vms[i]->name, name))
			return host->status->vms[i];
	return NULL;
}

static const char *target_text(Holdfast__VmTarget target)
{
	switch (target) {
	case HOLDFAST__VM_TARGET__TARGET_OFF:
		return "off";
	case HOLDFAST__VM_TARGET__TARGET_SAVED:
		return "saved";
	default:
		return "running";
	}
}

static void vm_disks(const Holdfast__GroupSpec *spec, const Holdfast__Vm *vm, Holdfast__VmStatus *out)
{
	out->disks = g_new0(Holdfast__DiskStatus *, vm->n_disks + 1);
	for (size_t i = 0; i < vm->n_disks; i++) {
		Holdfast__DiskStatus *disk = g_new0(Holdfast__DiskStatus, 1);

		holdfast__disk_status__init(disk);
		disk->name = g_strdup(vm->disks[i]->name);
		disk->size_bytes = vm->disks[i]->size_bytes;
		for (size_t v = 0; v < spec->group->n_volumes; v++) {
			const Holdfast__Volume *volume = spec->group->volumes[v];
			if (volume->index != vm->disks[i]->volume)
				continue;
			disk->volume = g_strdup(volume->name);
			if (spec->group->storage == HOLDFAST__STORAGE_KIND__STORAGE_DRBD)
				disk->device = g_strdup_printf("/dev/drbd%u", volume->minor);
		}
		out->disks[out->n_disks++] = disk;
	}
}

// Its hypervisord may not have heard of the latest definition: what is pending is worked out here again.
static void compare_with(Holdfast__VmStatus *out, const Holdfast__Vm *wanted)
{
	if (!out->running)
		return;
	for (size_t i = 0; i < out->n_pending; i++)
		free(out->pending[i]);
	free(out->pending);
	pending_lines(out->running, wanted, &out->pending, &out->n_pending);
	holdfast__vm__free_unpacked(out->running, NULL);
	out->running = NULL;
}

Holdfast__VmStatus *status_vm(
	const struct status_input *in, const struct cib_group *group, const Holdfast__Vm *vm)
{
	const char *owner = owner_of(in, group);
	const struct status_host *host = owner ? status_host_of(in, owner) : NULL;
	const Holdfast__VmStatus *now = host_vm(host, vm->name);
	Holdfast__VmStatus *out;

	if (now) {
		out = (Holdfast__VmStatus *)proto_copy(&now->base);
		if (!out->node[0])
			out->node = g_strdup(owner);
		if (!out->target[0])
			out->target = g_strdup(target_text(vm->target));
		compare_with(out, vm);
		return out;
	}
	out = g_new0(Holdfast__VmStatus, 1);
	holdfast__vm_status__init(out);
	out->name = g_strdup(vm->name);
	out->group = g_strdup(vm->group);
	out->node = g_strdup(owner ? owner : "");
	out->cpus = vm->cpus;
	out->memory_mib = vm->memory_mib;
	out->target = g_strdup(target_text(vm->target));
	out->state = vm->target == HOLDFAST__VM_TARGET__TARGET_SAVED ? HOLDFAST__VM_STATE__VM_SAVED
								     : HOLDFAST__VM_STATE__VM_OFF;
	if (!owner)
		out->reason = g_strdup_printf("group %s is %s", vm->group,
			group_state(in, group) == HOLDFAST__GROUP_STATE__GROUP_FAILED ? "failed" : "offline");
	else if (host && !host->status && host->reason)
		out->reason = g_strdup_printf("not known: %s", host->reason);
	vm_disks(group->spec, vm, out);
	out->nics = g_new0(Holdfast__Nic *, vm->n_nics + 1);
	for (size_t i = 0; i < vm->n_nics; i++)
		out->nics[out->n_nics++] = (Holdfast__Nic *)proto_copy(&vm->nics[i]->base);
	return out;
}

// ---- the cluster

static Holdfast__SiteStatus *site_of(Holdfast__ClusterStatus *out, const char *name)
{
	for (size_t i = 0; i < out->n_sites; i++)
		if (!strcmp(out->sites[i]->name, name))
			return out->sites[i];
	Holdfast__SiteStatus *site = g_new0(Holdfast__SiteStatus, 1);
	holdfast__site_status__init(site);
	site->name = g_strdup(name);
	site->nodes = g_new0(char *, out->n_nodes + 1);
	out->sites[out->n_sites++] = site;
	return site;
}

static void cluster_sites(Holdfast__ClusterStatus *out)
{
	out->sites = g_new0(Holdfast__SiteStatus *, out->n_nodes + 1);
	for (size_t i = 0; i < out->n_nodes; i++) {
		const Holdfast__NodeStatus *node = out->nodes[i];
		if (!node->site[0])
			continue;
		Holdfast__SiteStatus *site = site_of(out, node->site);
		site->nodes[site->n_nodes++] = g_strdup(node->name);
		site->online += node->state != HOLDFAST__NODE_STATE__NODE_OFFLINE;
	}
}

static const char *witness_text(enum witness_state state)
{
	return state == WITNESS_NONE ? "none" : state == WITNESS_CONNECTED ? "connected" : "lost";
}

Holdfast__ClusterStatus *status_cluster(const struct status_input *in)
{
	Holdfast__ClusterStatus *out = g_new0(Holdfast__ClusterStatus, 1);
	Holdfast__NodeList *nodes = status_nodes(in);
	GPtrArray *problems = g_ptr_array_new();

	holdfast__cluster_status__init(out);
	out->name = g_strdup(in->cib && in->cib->cluster_name ? in->cib->cluster_name : "");
	out->quorate = in->members->connected && in->members->quorate;
	out->nodes = nodes->nodes;
	out->n_nodes = nodes->n_nodes;
	nodes->nodes = NULL;
	nodes->n_nodes = 0;
	holdfast__node_list__free_unpacked(nodes, NULL);
	cluster_sites(out);
	out->groups = g_new0(Holdfast__GroupStatus *, (in->cib ? in->cib->group_count : 0) + 1);
	for (size_t i = 0; in->cib && i < in->cib->group_count; i++)
		out->groups[out->n_groups++] = status_group(in, &in->cib->groups[i]);
	out->witness = g_strdup(in->cib && in->cib->witness ? in->cib->witness : "");
	out->witness_state = g_strdup(witness_text(in->members->witness));
	out->dc = g_strdup(in->cib && in->cib->dc ? in->cib->dc : "");
	const char *baseline = cpu_baseline_of(in);
	out->cpu_baseline = g_strdup(baseline ? baseline : "");
	out->cpu_model = g_strdup(in->cib && in->cib->cpu_model ? in->cib->cpu_model : "");
	status_cluster_problems(in, problems);
	out->problems = take_strings(problems, &out->n_problems);
	return out;
}
