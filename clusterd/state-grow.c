// SPDX-License-Identifier: GPL-3.0-or-later
// See state-grow.h. The nodes first, the CIB with the change that needs it: a growth that nobody wrote down is found, and used, by the next one.
#include "clusterd/state-grow.h"

#include <glib.h>
#include <string.h>

#include "clusterd/allocate.h"
#include "clusterd/cib-link.h"
#include "clusterd/disk-grow.h"
#include "clusterd/forward.h"
#include "clusterd/replicas.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "proto/json.h"

#define STEP_TIMEOUT_MS 300000u

static void set_size(Holdfast__Group *group, uint64_t bytes)
{
	for (size_t i = 0; i < group->n_volumes; i++)
		if (group->volumes[i]->index == 0)
			group->volumes[i]->size_bytes = bytes;
}

static int step_on(struct clusterd *cd, const char *node, Holdfast__StateGrow *grow, Holdfast__GrowStep step,
	struct error *err)
{
	Holdfast__Request request = RPC_REQUEST_INIT;

	grow->step = step;
	request.body_case = HOLDFAST__REQUEST__BODY_STATE_GROW;
	request.timeout_ms = STEP_TIMEOUT_MS;
	request.state_grow = grow;
	if (host_call(cd, node, &request, STEP_TIMEOUT_MS, NULL, NULL, NULL, err) < 0)
		return error_prefix(err, "node %s", node);
	return 0;
}

static int grow_to(struct clusterd *cd, struct rpc_call *call, const struct cib_group *group, uint64_t bytes,
	struct error *err)
{
	cleanup_free const char **nodes = replicas_nodes(group->spec->group);
	Holdfast__StateGrow grow = HOLDFAST__STATE_GROW__INIT;

	if (replicas_need_all(cd, group->spec->group, err) < 0)
		return -1;
	cleanup_free char *node = disk_node(cd, group, err);
	if (!node)
		return -1;
	rpc_call_progress(call, -1, "growing the state volume to %llu MiB", (unsigned long long)(bytes / ALLOCATE_MIB));
	grow.spec = (Holdfast__GroupSpec *)proto_copy(&group->spec->base);
	grow.current = group->current ? group->current : (char *)"";
	set_size(grow.spec->group, bytes);
	int result = 0;
	for (size_t i = 0; nodes[i] && result == 0; i++)
		result = step_on(cd, nodes[i], &grow, HOLDFAST__GROW_STEP__GROW_BACKING, err);
	if (result == 0)
		result = step_on(cd, node, &grow, HOLDFAST__GROW_STEP__GROW_DEVICE, err);
	holdfast__group_spec__free_unpacked(grow.spec, NULL);
	return result;
}

int state_grow(struct clusterd *cd, struct rpc_call *call, const struct cib_group *group, Holdfast__GroupSpec *spec,
	struct error *err)
{
	uint64_t must = allocate_state_need(spec, ALLOCATE_STATE_TO_SAVE), has = allocate_state_has(spec);
	uint64_t ample = allocate_state_need(spec, ALLOCATE_STATE_AMPLE);
	struct error why = ERROR_INIT;

	// Once it was not to be had, it is not asked for again with each change.
	if (has >= ample || (has >= must && ample <= allocate_state_need(group->spec, ALLOCATE_STATE_AMPLE)))
		return 0;
	if (grow_to(cd, call, group, ample, &why) == 0) {
		set_size(spec->group, ample);
		return 0;
	}
	if (has < must && must < ample && grow_to(cd, call, group, must, &why) == 0) {
		set_size(spec->group, must);
		return 0;
	}
	if (has >= must) {
		log_info("group=%s its state volume stays at %llu MiB: %s", spec->group->name,
			(unsigned long long)(has / ALLOCATE_MIB), why.message);
		return 0;
	}
	return error_set(err, why.code,
		"the VMs of group %s need %llu MiB to be saved, and its state volume has %llu MiB and cannot grow: %s",
		spec->group->name, (unsigned long long)(must / ALLOCATE_MIB),
		(unsigned long long)(has / ALLOCATE_MIB), why.message);
}

// ---- asked by an administrator

static const struct cib_group *group_of(const struct cib_snapshot *cib, const char *volume)
{
	const char *dot = strrchr(volume, '.');

	if (!dot || strcmp(dot, ".state"))
		return NULL;
	g_autofree char *name = g_strndup(volume, (gsize)(dot - volume));
	return cib_snapshot_group(cib, name);
}

// A disk of that name comes first.
static bool is_disk(const struct cib_group *group, const char *volume)
{
	for (size_t i = 0; i < group->spec->group->n_volumes; i++)
		if (!strcmp(group->spec->group->volumes[i]->name, volume))
			return true;
	return false;
}

static int carry_out(struct clusterd *cd, struct rpc_call *call, const struct cib_group *group, uint64_t bytes,
	struct error *err)
{
	uint64_t has = allocate_state_has(group->spec);

	if (has == UINT64_MAX)
		return error_set(err, ERROR_USAGE, "the state volume of group %s is a directory: it has no size",
			group->spec->group->name);
	if (bytes <= has)
		return error_set(err, ERROR_USAGE, "the state volume of group %s has %llu MiB, and never gets smaller",
			group->spec->group->name, (unsigned long long)(has / ALLOCATE_MIB));
	if (grow_to(cd, call, group, bytes, err) < 0)
		return -1;
	Holdfast__GroupSpec *spec = (Holdfast__GroupSpec *)proto_copy(&group->spec->base);
	set_size(spec->group, bytes);
	int result = cib_link_do(cd->cib, err, cib_update_group(cib, spec, err));
	holdfast__group_spec__free_unpacked(spec, NULL);
	return result;
}

int state_grow_wish(
	struct clusterd *cd, struct rpc_call *call, const Holdfast__VolumeGrow *wish, struct error *err)
{
	cleanup_snapshot struct snapshot *snapshot = cib_link_read(cd->cib, err);
	const struct cib_group *group = snapshot ? group_of(snapshot->cib, wish->volume) : NULL;

	if (!snapshot)
		return -1;
	if (!group || is_disk(group, wish->volume))
		return STATE_GROW_OTHER;
	return carry_out(cd, call, group, allocate_round_up(wish->size_bytes), err);
}
