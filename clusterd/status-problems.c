// SPDX-License-Identifier: GPL-3.0-or-later
// The problems in a status, in plain words: what is wrong, what follows from it, what to do. Each is one line. Pure.
#include "clusterd/status.h"

#include <glib.h>
#include <stdarg.h>
#include <string.h>

#include "clusterd/cpu-baseline.h"
#include "clusterd/event-store.h"
#include "proto/files.h"

static void add(void *list, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(void *list, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	g_ptr_array_add(list, g_strdup_vprintf(format, args));
	va_end(args);
}

// " since TIME", or nothing if it is not known.
static char *since_text(const struct status_input *in, const char *node)
{
	const struct member *member = membership_find(in->members, node);

	if (!member || member->online || !member->since_us)
		return g_strdup("");
	g_autofree char *time = event_time_text(member->since_us);
	return g_strdup_printf(" since %s", time);
}

// ---- nodes

// New VMs get the cluster's CPU model, on any node.
static void cpu_problem(const struct status_input *in, const struct status_host *host, void *list)
{
	const char *model = in->cib ? in->cib->cpu_model : NULL;

	if (!model || !host || !host->status || !host->status->n_cpu_models ||
		cpu_baseline_can(host->status, model))
		return;
	const char *best = cpu_baseline_best(host->status->cpu_models, host->status->n_cpu_models);
	add(list,
		"node %s cannot run the cluster's CPU model %s, so VMs that have it cannot be moved there; "
		"the best that it can is %s: "
		"'holdfast cluster set --cpu-model baseline' chooses one for new VMs that all nodes can run",
		host->node, model, best ? best : "none");
}

void status_node_problems(const struct status_input *in, const char *name, void *list)
{
	const struct cib_node *node = status_cib_node(in, name);
	const struct member *member = membership_find(in->members, name);
	const struct status_host *host = status_host_of(in, name);
	g_autofree char *since = since_text(in, name);

	if (!status_node_online(in, name)) {
		if (member && member->online)
			add(list,
				"node %s: Pacemaker is not running there: it can own no group until "
				"pacemaker.service runs",
				name);
		else if (node && !node->clean)
			add(list,
				"node %s is offline%s and not proved gone: its groups wait until it is "
				"fenced or comes back; if it is "
				"certainly off, run 'holdfast node confirm-down %s'",
				name, since, name);
		else
			add(list, "node %s is offline%s", name, since);
	} else if (host && !host->status) {
		add(list, "node %s: its hypervisor cannot be asked (%s); its guests go on", name,
			host->reason ? host->reason : "no answer");
	}
	cpu_problem(in, host, list);
	if (node && node->node->draining && !node->standby)
		add(list,
			"node %s is being emptied and still has groups: 'holdfast events' says what keeps "
			"them; move or stop "
			"them, or end it with 'holdfast node resume %s'",
			name, name);
	if (in->cib && node && !node->fence_device)
		add(list,
			"node %s has no fence device: after its loss its groups stay down; run 'holdfast "
			"fence add %s AGENT KEY=VALUE...'",
			name, name);
}

// ---- groups

static bool any_fence_device(const struct status_input *in)
{
	for (size_t i = 0; i < in->cib->node_count; i++)
		if (in->cib->nodes[i].fence_device)
			return true;
	return false;
}

// The worst of a node's volumes of the group, in one line.
static void replica_problem(const struct status_input *in, const char *group, const char *node, void *list)
{
	const struct status_host *host = status_host_of(in, node);
	const Holdfast__GroupStatus *status = status_host_group(host, group);
	g_autofree char *since = since_text(in, node);

	if (!status_node_online(in, node)) {
		add(list,
			"group %s: its replica on %s is missing: the node is offline%s; until it is back "
			"there is one copy of the data",
			group, node, since);
		return;
	}
	if (!host || !host->status)
		return; // a problem of the node
	if (!status || status->n_volumes == 0) {
		add(list, "group %s: node %s has no replica of it up; see hypervisord's log there", group,
			node);
		return;
	}
	// Its hypervisord knows best, and since when.
	for (size_t i = 0; i < status->n_problems; i++)
		add(list, "group %s: %s", group, status->problems[i]);
	for (size_t i = 0; i < status->n_volumes && status->n_problems == 0; i++) {
		const Holdfast__VolumeStatus *volume = status->volumes[i];

		if (volume->suspended) {
			add(list,
				"group %s: volume %s on %s is frozen until it is proved that the other node "
				"is gone",
				group, volume->name, node);
			return;
		}
		if (strcmp(volume->disk, "UpToDate") && volume->sync_percent < 100) {
			add(list, "group %s: the replica on %s is being brought up to date (%.0f %%)", group,
				node, volume->sync_percent);
			return;
		}
		if (strcmp(volume->disk, "UpToDate")) {
			add(list, "group %s: the replica on %s (volume %s) is %s, not UpToDate", group, node,
				volume->name, volume->disk);
			return;
		}
		if (strcmp(volume->connection, "Connected") && strncmp(volume->connection, "Sync", 4)) {
			add(list,
				"group %s: the replica on %s (volume %s) is %s, not connected to the other "
				"one",
				group, node, volume->name, volume->connection);
			return;
		}
	}
}

static void waiting_problem(const struct status_input *in, const struct cib_group *group, void *list)
{
	const char *name = group->spec->group->name;

	if (group->current && !status_node_online(in, group->current)) {
		g_autofree char *since = since_text(in, group->current);
		add(list,
			"group %s waits for node %s, which alone has current data and is offline%s; "
			"'holdfast group start %s --force-old-data' shows "
			"what would be lost without it",
			name, group->current, since, name);
	} else if (!group->failure && !group->pending) {
		add(list, "group %s shall be online and is not: Pacemaker has found no node for it", name);
	}
}

static const Holdfast__FileMissing *missing_file(const struct status_host *host, const Holdfast__FileWish *wish)
{
	for (size_t i = 0; host && host->status && i < host->status->n_missing_files; i++)
		if (!strcmp(host->status->missing_files[i]->path, wish->path))
			return host->status->missing_files[i];
	return NULL;
}

// Before a failover needs it: a group is started on no node that lacks a file of one of its VMs.
static void file_problems(const struct status_input *in, const Holdfast__GroupSpec *spec, const Holdfast__Vm *vm, void *list)
{
	size_t count;
	g_autofree Holdfast__FileWish *wishes = files_of(vm, &count);

	for (size_t n = 0; n < spec->group->n_possible; n++)
		for (size_t i = 0; i < count; i++) {
			const Holdfast__FileMissing *missing =
				missing_file(status_host_of(in, spec->group->possible[n]), &wishes[i]);
			if (missing)
				add(list, "group %s would not start on node %s, because of VM %s: %s", spec->group->name,
					spec->group->possible[n], vm->name, missing->text);
		}
}

void status_group_problems(const struct status_input *in, const struct cib_group *group, void *list)
{
	const Holdfast__Group *definition = group->spec->group;
	const char *runs_on = status_runs_after_all(in, group);
	const Holdfast__Event *failed = runs_on ? status_last_move_failed(in, definition->name) : NULL;

	if (runs_on && group->move_failed)
		add(list, "group %s runs on %s; its last move failed: %s", definition->name, runs_on,
			failed ? failed->text : group->failure);
	else if (group->failure && !runs_on && (group->failed || group->blocked || !group->active_on[0]))
		add(list, "group %s: %s%s", definition->name, group->failure,
			group->blocked ? "; Pacemaker leaves it as it is until that is cleaned up" : "");
	else if (group->blocked)
		add(list, "group %s is blocked: Pacemaker leaves it as it is until the failure is cleaned up",
			definition->name);
	if (group->wanted_started && !group->active_on[0] && !runs_on)
		waiting_problem(in, group, list);
	for (size_t i = 0; i < group->spec->n_vms; i++)
		file_problems(in, group->spec, group->spec->vms[i], list);
	if (definition->storage == HOLDFAST__STORAGE_KIND__STORAGE_DRBD)
		for (size_t i = 0; i < definition->n_replicas; i++)
			replica_problem(in, definition->name, definition->replicas[i]->node, list);
}

// ---- the cluster

static size_t count_sites(const struct status_input *in)
{
	size_t sites = 0;

	for (size_t i = 0; i < in->cib->node_count; i++) {
		bool seen = false;
		for (size_t j = 0; j < i && !seen; j++)
			seen = !strcmp(in->cib->nodes[i].node->site, in->cib->nodes[j].node->site);
		sites += !seen;
	}
	return sites;
}

static void quorum_problems(const struct status_input *in, void *list)
{
	const struct membership_state *members = in->members;
	size_t online = 0;

	for (size_t i = 0; i < members->count; i++)
		online += members->members[i].online;
	if (!members->connected)
		add(list,
			"corosync on node %s does not answer: nothing can be said of the other nodes; is "
			"corosync.service running?",
			in->own_node);
	else if (!members->quorate)
		add(list,
			"no quorum: node %s sees %zu of %zu nodes%s; no group is started or changed until "
			"quorum is back",
			in->own_node, online, members->count,
			members->witness == WITNESS_LOST ? " and not the witness" : "");
	if (members->connected && members->witness == WITNESS_LOST)
		add(list,
			"the witness%s%s does not answer: the loss of one more node or site may stop the "
			"cluster; check corosync-qnetd there",
			in->cib && in->cib->witness && in->cib->witness[0] ? " " : "",
			in->cib && in->cib->witness ? in->cib->witness : "");
	if (in->cib_reason)
		add(list, "Pacemaker on node %s cannot be asked (%s): what is said of groups may be old",
			in->own_node, in->cib_reason);
}

void status_cluster_problems(const struct status_input *in, void *list)
{
	quorum_problems(in, list);
	for (size_t i = 0; in->cib && i < in->cib->node_count; i++)
		status_node_problems(in, in->cib->nodes[i].node->name, list);
	if (!in->cib)
		return;
	if (in->cib->node_count && !any_fence_device(in))
		add(list,
			"the cluster has no working fence device: it starts no replicated group; run "
			"'holdfast fence add NODE AGENT KEY=VALUE...'");
	if (count_sites(in) > 1) {
		if (in->members->witness == WITNESS_NONE)
			add(list,
				"there is no witness: after the loss of a site or of the link between the "
				"sites nothing decides which side goes on");
		add(list,
			"the loss of a whole site needs an administrator: its fence devices are lost with "
			"it; then run 'holdfast node confirm-down "
			"NODE' for each node that is certainly off");
	}
	for (size_t i = 0; i < in->cib->group_count; i++)
		status_group_problems(in, &in->cib->groups[i], list);
}
