// SPDX-License-Identifier: GPL-3.0-or-later
// volume grow across nodes. What is below the replicas grows on all nodes before DRBD hears of it; the definition says the new size only
// when the guest has it.
#include "clusterd/disk-grow.h"

#include <glib.h>
#include <string.h>

#include "clusterd/cib-link.h"
#include "clusterd/forward.h"
#include "clusterd/replicas.h"
#include "common/cleanup.h"
#include "common/fault.h"
#include "proto/disk.h"
#include "proto/json.h"

#define STEP_TIMEOUT_MS 600000u

static int step_on(struct clusterd *cd, struct rpc_call *call, const char *node,
	const struct cib_group *group, const Holdfast__VolumeGrow *wish, Holdfast__GrowStep step,
	struct error *err)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__VolumeGrow grow = *wish;
	Holdfast__Reply *reply = NULL;

	grow.step = step;
	grow.spec = group->spec;
	grow.current = group->current ? group->current : (char *)"";
	request.body_case = HOLDFAST__REQUEST__BODY_VOLUME_GROW_STEP;
	request.timeout_ms = STEP_TIMEOUT_MS;
	request.volume_grow_step = &grow;
	rpc_call_progress(call, -1, "growing %s on node %s", wish->volume, node);
	if (host_call(cd, node, &request, STEP_TIMEOUT_MS, forward_partial, call, &reply, err) < 0)
		return error_prefix(err, "node %s", node);
	holdfast__reply__free_unpacked(reply, NULL);
	return 0;
}

// DRBD: room on every node before anything is changed on any.
static int check_replicas(
	struct clusterd *cd, const Holdfast__Group *before, const Holdfast__Volume *wanted, struct error *err)
{
	cleanup_free const char **nodes = replicas_nodes(before);
	cleanup_view struct view *view = view_take_hosts(cd, nodes);
	uint64_t have = 0;

	for (size_t i = 0; i < before->n_volumes; i++)
		if (before->volumes[i]->index == wanted->index)
			have = before->volumes[i]->size_bytes;
	for (size_t n = 0; nodes[n]; n++) {
		const struct status_host *host = status_host_of(&view->input, nodes[n]);
		const Holdfast__GroupStatus *status = status_host_group(host, before->name);

		if (!host || !host->status)
			return error_set(err, ERROR_UNREACHABLE,
				"the hypervisor of node %s cannot be asked: %s; a volume grows on both "
				"nodes, or not at all",
				nodes[n], host && host->reason ? host->reason : "the node is offline");
		for (size_t i = 0; status && i < status->n_volumes; i++)
			if (status->volumes[i]->index == wanted->index &&
				(strcmp(status->volumes[i]->connection, "Connected") ||
					strcmp(status->volumes[i]->disk, "UpToDate") ||
					strcmp(status->volumes[i]->peer_disk, "UpToDate")))
				return error_set(err, ERROR_UNREACHABLE,
					"volume %s is not connected and up to date on both nodes (node %s "
					"sees: %s, %s, %s): it "
					"cannot grow now",
					wanted->name, nodes[n], status->volumes[i]->connection,
					status->volumes[i]->disk, status->volumes[i]->peer_disk);
		// What an earlier try has taken already is not counted twice: its node says so itself.
		if (wanted->size_bytes - have > host->status->pool_size_bytes)
			return error_set(err, ERROR_NO_SPACE,
				"%llu MiB more are needed and the whole pool on node %s has %llu MiB, %llu "
				"of them free",
				(unsigned long long)((wanted->size_bytes - have) >> 20), nodes[n],
				(unsigned long long)(host->status->pool_size_bytes >> 20),
				(unsigned long long)(host->status->pool_free_bytes >> 20));
	}
	return 0;
}

static const Holdfast__Volume *volume_of(const Holdfast__Group *group, uint32_t index)
{
	for (size_t i = 0; i < group->n_volumes; i++)
		if (group->volumes[i]->index == index)
			return group->volumes[i];
	return NULL;
}

static int grow_replicas(struct clusterd *cd, struct rpc_call *call, const struct cib_group *group,
	const Holdfast__VolumeGrow *wish, const Holdfast__Volume *wanted, const char *node, struct error *err)
{
	const Holdfast__Group *definition = group->spec->group;

	if (definition->storage != HOLDFAST__STORAGE_KIND__STORAGE_DRBD)
		return step_on(cd, call, node, group, wish, HOLDFAST__GROW_STEP__GROW_ALL, err);
	cleanup_free const char **nodes = replicas_nodes(definition);
	if (check_replicas(cd, definition, wanted, err) < 0)
		return -1;
	for (size_t i = 0; nodes[i]; i++)
		if (step_on(cd, call, nodes[i], group, wish, HOLDFAST__GROW_STEP__GROW_BACKING, err) < 0)
			return -1;
	fault_point("cluster-grow-backing");
	return step_on(cd, call, node, group, wish, HOLDFAST__GROW_STEP__GROW_DEVICE, err);
}

static int grow(struct clusterd *cd, struct rpc_call *call, const struct cib_group *group,
	const Holdfast__VolumeGrow *wish, Holdfast__GroupSpec *spec, struct error *err)
{
	const Holdfast__Disk *disk;
	Holdfast__Vm *vm;

	if (disk_grow(spec, wish->volume, wish->size_bytes, &vm, &disk, err) < 0 ||
		replicas_need_all(cd, spec->group, err) < 0)
		return -1;
	cleanup_free char *node = disk_node(cd, group, err);
	if (!node ||
		grow_replicas(cd, call, group, wish, volume_of(spec->group, disk->volume), node, err) < 0 ||
		cib_link_do(cd->cib, err, cib_update_group(cib, spec, err)) < 0)
		return -1;
	// The nodes learn of it with the epoch of its change.
	cleanup_snapshot struct snapshot *after = cib_link_read(cd->cib, err);
	const struct cib_group *known = after ? cib_snapshot_group(after->cib, spec->group->name) : NULL;
	return known ? replicas_apply(cd, call, known->spec, UINT32_MAX, err) : after ? 0 : -1;
}

int disk_grow_all(
	struct clusterd *cd, struct rpc_call *call, const Holdfast__VolumeGrow *wish, struct error *err)
{
	cleanup_snapshot struct snapshot *snapshot = cib_link_read(cd->cib, err);
	cleanup_view struct view *view = snapshot ? view_take(cd) : NULL;
	const struct cib_group *found = view ? disk_group(view, wish->volume, err) : NULL;
	const struct cib_group *group =
		found ? cib_snapshot_group(snapshot->cib, found->spec->group->name) : NULL;

	if (!group)
		return found ? error_set(err, ERROR_BUSY, "the definitions have just changed: try again")
			     : -1;
	Holdfast__GroupSpec *spec = (Holdfast__GroupSpec *)proto_copy(&group->spec->base);
	int result = grow(cd, call, group, wish, spec, err);
	holdfast__group_spec__free_unpacked(spec, NULL);
	return result;
}
