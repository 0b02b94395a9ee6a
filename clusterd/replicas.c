// SPDX-License-Identifier: GPL-3.0-or-later
// The replicas of a group, through host requests: see the header. A fresh volume is blank on both sides, so no first
// resync is needed: one node says so when both are connected.
#include "clusterd/replicas.h"

#include <glib.h>
#include <string.h>

#include "clusterd/forward.h"
#include "clusterd/view.h"
#include "common/cleanup.h"

#define APPLY_TIMEOUT_MS 120000u
#define CONNECT_TIMEOUT_MS 60000u
#define LOOK_AGAIN_MS 400u // the state of another node's replica makes no event here before the group exists

const char **replicas_nodes(const Holdfast__Group *group)
{
	bool drbd = group->storage == HOLDFAST__STORAGE_KIND__STORAGE_DRBD;
	size_t count = drbd ? group->n_replicas : group->n_possible;
	const char **nodes = g_new0(const char *, count + 1);

	for (size_t i = 0; i < count; i++)
		nodes[i] = drbd ? group->replicas[i]->node : group->possible[i];
	return nodes;
}

int replicas_need_all(struct clusterd *cd, const Holdfast__Group *group, struct error *err)
{
	cleanup_free const char **nodes = replicas_nodes(group);
	cleanup_view struct view *view = view_take(cd);

	for (size_t i = 0; nodes[i]; i++)
		if (!status_node_online(&view->input, nodes[i]))
			return error_set(err, ERROR_UNREACHABLE,
				"node %s is offline: all nodes that hold volumes of group %s must be online "
				"for this",
				nodes[i], group->name);
	return 0;
}

static int apply_on(struct clusterd *cd, struct rpc_call *call, const char *node,
	const Holdfast__GroupSpec *spec, struct error *err)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__ReplicaApply apply = HOLDFAST__REPLICA_APPLY__INIT;
	Holdfast__Reply *reply = NULL;

	apply.spec = (Holdfast__GroupSpec *)spec;
	apply.node = (char *)node;
	request.body_case = HOLDFAST__REQUEST__BODY_REPLICA_APPLY;
	request.timeout_ms = APPLY_TIMEOUT_MS;
	request.replica_apply = &apply;
	if (host_call(cd, node, &request, APPLY_TIMEOUT_MS, call ? forward_partial : NULL, call, &reply,
		    err) < 0)
		return error_prefix(err, "the volumes on node %s", node);
	holdfast__reply__free_unpacked(reply, NULL);
	return 0;
}

static int declare_in_sync(
	struct clusterd *cd, const char *node, const char *group, uint32_t index, struct error *err)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__ReplicaReady ready = HOLDFAST__REPLICA_READY__INIT;

	ready.group = (char *)group;
	ready.index = index;
	request.body_case = HOLDFAST__REQUEST__BODY_REPLICA_READY;
	request.timeout_ms = APPLY_TIMEOUT_MS;
	request.replica_ready = &ready;
	return host_call(cd, node, &request, APPLY_TIMEOUT_MS, NULL, NULL, NULL, err);
}

// Every node sees every new volume so: connected, and, if UP_TO_DATE, both sides of it too.
enum wanted_replica { REPLICA_CONNECTED, REPLICA_UP_TO_DATE };

static bool volume_is(const Holdfast__VolumeStatus *volume, enum wanted_replica wanted)
{
	if (strcmp(volume->connection, "Connected"))
		return false;
	return wanted == REPLICA_CONNECTED ||
		(!strcmp(volume->disk, "UpToDate") && !strcmp(volume->peer_disk, "UpToDate"));
}

static bool host_has(const struct view *view, const char *node, const Holdfast__Group *group,
	uint32_t first_new, enum wanted_replica wanted)
{
	const Holdfast__GroupStatus *status =
		status_host_group(status_host_of(&view->input, node), group->name);
	size_t fresh = 0, good = 0;

	for (size_t i = 0; i < group->n_volumes; i++)
		fresh += group->volumes[i]->index >= first_new;
	for (size_t i = 0; status && i < status->n_volumes; i++)
		good += status->volumes[i]->index >= first_new && volume_is(status->volumes[i], wanted);
	return good >= fresh;
}

static int await_replicas(struct clusterd *cd, const Holdfast__Group *group, uint32_t first_new,
	enum wanted_replica wanted, struct error *err)
{
	int64_t deadline = loop_now_us() + CONNECT_TIMEOUT_MS * 1000ll;
	cleanup_free const char **nodes = replicas_nodes(group);

	for (;;) {
		cleanup_view struct view *view = view_take_hosts_to_decide(cd, nodes);
		const char *missing = NULL;

		for (size_t i = 0; nodes[i] && !missing; i++)
			if (!host_has(view, nodes[i], group, first_new, wanted))
				missing = nodes[i];
		if (!missing)
			return 0;
		if (loop_now_us() > deadline)
			return error_set(err, ERROR_TIMEOUT,
				"the replicas of group %s did not %s (seen from node %s): check the data "
				"network and port %u",
				group->name, wanted == REPLICA_CONNECTED ? "connect" : "get in sync", missing,
				group->port);
		if (task_pause(LOOK_AGAIN_MS, err) < 0)
			return -1;
	}
}

// Said on one node, it holds for both. Said again on the other, it makes all volumes Primary there if the group runs there: so the owner, who is
// first in NODES, is told last, when none of them is blank any more.
static int all_in_sync(struct clusterd *cd, const Holdfast__Group *group, const char *const *nodes,
	uint32_t first_new, struct error *err)
{
	size_t count = 0;

	while (nodes[count])
		count++;
	for (size_t n = count; n-- > 0;) {
		for (size_t i = 0; i < group->n_volumes; i++)
			if (group->volumes[i]->index >= first_new &&
				declare_in_sync(cd, nodes[n], group->name, group->volumes[i]->index, err) < 0)
				return -1;
		if (n + 1 == count && await_replicas(cd, group, first_new, REPLICA_UP_TO_DATE, err) < 0)
			return -1;
	}
	return 0;
}

// Volumes are taken away where the group runs first, so the owner comes first.
static void put_owner_first(struct clusterd *cd, const char *group, const char **nodes)
{
	cleanup_snapshot struct snapshot *snapshot = cib_link_snapshot(cd->cib, NULL);
	const struct cib_group *known = snapshot ? cib_snapshot_group(snapshot->cib, group) : NULL;
	const char *owner = known ? status_owner(known) : NULL;

	for (size_t i = 1; owner && nodes[i]; i++) {
		if (strcmp(nodes[i], owner))
			continue;
		const char *first = nodes[0];
		nodes[0] = nodes[i];
		nodes[i] = first;
	}
}

int replicas_apply(struct clusterd *cd, struct rpc_call *call, const Holdfast__GroupSpec *spec,
	uint32_t first_new, struct error *err)
{
	const Holdfast__Group *group = spec->group;
	cleanup_free const char **nodes = replicas_nodes(group);
	bool any_new = false;

	put_owner_first(cd, group->name, nodes);
	for (size_t i = 0; nodes[i]; i++) {
		rpc_call_progress(call, -1, "making the volumes on node %s", nodes[i]);
		if (apply_on(cd, call, nodes[i], spec, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < group->n_volumes; i++)
		any_new |= group->volumes[i]->index >= first_new;
	if (group->storage != HOLDFAST__STORAGE_KIND__STORAGE_DRBD || !any_new)
		return 0;
	rpc_call_progress(call, -1, "connecting the replicas");
	if (await_replicas(cd, group, first_new, REPLICA_CONNECTED, err) < 0)
		return -1;
	return all_in_sync(cd, group, nodes, first_new, err);
}

int replicas_delete(struct clusterd *cd, const Holdfast__Group *group, struct error *err)
{
	cleanup_free const char **nodes = replicas_nodes(group);
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Name name = HOLDFAST__NAME__INIT;
	struct error first = ERROR_INIT;

	name.name = group->name;
	request.body_case = HOLDFAST__REQUEST__BODY_REPLICA_DELETE;
	request.timeout_ms = APPLY_TIMEOUT_MS;
	request.replica_delete = &name;
	for (size_t i = 0; nodes[i]; i++) {
		struct error one = ERROR_INIT;

		if (host_call(cd, nodes[i], &request, APPLY_TIMEOUT_MS, NULL, NULL, NULL, &one) < 0 &&
			!first.code) {
			error_prefix(&one, "the volumes on node %s", nodes[i]);
			error_copy(&first, &one);
		}
	}
	return first.code ? error_copy(err, &first) : 0;
}
