// SPDX-License-Identifier: GPL-3.0-or-later
// group set: who should, and who may, own a group, and how it moves live; one modify of the CIB, constraints and all.
// A node that becomes a possible owner must be able to run every VM of the group; the node that runs it now stays one.
#include <glib.h>
#include <string.h>

#include "clusterd/allocate.h"
#include "clusterd/cib-link.h"
#include "clusterd/group-define.h"
#include "clusterd/replicas.h"
#include "clusterd/view.h"
#include "clusterd/vm-define.h"
#include "proto/json.h"

static void replace(char ***list, size_t *count, char *const *with, size_t with_count)
{
	for (size_t i = 0; i < *count; i++)
		g_free((*list)[i]);
	g_free(*list);
	*list = g_new0(char *, with_count + 1);
	for (size_t i = 0; i < with_count; i++)
		(*list)[i] = g_strdup(with[i]);
	*count = with_count;
}

static bool among(char *const *list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(list[i], name))
			return true;
	return false;
}

static int check_places(const struct cib_snapshot *cib, Holdfast__Group *group, struct error *err)
{
	g_autoptr(GPtrArray) nodes = g_ptr_array_new();

	for (size_t i = 0; i < cib->node_count; i++)
		if (cib->nodes[i].node->site[0])
			g_ptr_array_add(nodes, cib->nodes[i].node);
	const struct allocate_world world = {
		.nodes = (const Holdfast__Node *const *)nodes->pdata,
		.node_count = nodes->len,
	};
	return allocate_places(&world, group, err);
}

static int check_owner(const struct cib_group *group, const Holdfast__Group *wanted, struct error *err)
{
	for (size_t i = 0; i < 3 && group->active_on[i]; i++)
		if (!among(wanted->possible, wanted->n_possible, group->active_on[i]))
			return error_set(err, ERROR_UNSAFE,
				"group %s runs on node %s, which would be no possible owner any more: move "
				"it "
				"first (holdfast group move %s)",
				wanted->name, group->active_on[i], wanted->name);
	return 0;
}

static int check_vms(struct clusterd *cd, const struct cib_group *group, const Holdfast__GroupSpec *spec,
	struct error *err)
{
	struct cib_group changed = *group;

	changed.spec = (Holdfast__GroupSpec *)spec;
	for (size_t i = 0; i < spec->n_vms; i++)
		if (vm_check_nodes(cd, &changed, spec->vms[i], err) < 0)
			return -1;
	return 0;
}

static int carry_out(struct clusterd *cd, struct rpc_call *call, const struct cib_group *group,
	const struct cib_snapshot *known, Holdfast__GroupSpec *spec, struct error *err)
{
	bool more = false;

	if (check_places(known, spec->group, err) < 0 || check_owner(group, spec->group, err) < 0)
		return -1;
	for (size_t i = 0; i < spec->group->n_possible; i++)
		more |= !among(group->spec->group->possible, group->spec->group->n_possible,
			spec->group->possible[i]);
	if (more && check_vms(cd, group, spec, err) < 0)
		return -1;
	// Files: the volumes must be within the reach of the new owner too. Replicas stay where they are.
	if (more && spec->group->storage == HOLDFAST__STORAGE_KIND__STORAGE_FILE &&
		(replicas_need_all(cd, spec->group, err) < 0 ||
			replicas_apply(cd, call, spec, UINT32_MAX, err) < 0))
		return -1;
	return cib_link_do(cd->cib, err, cib_update_group(cib, spec, err));
}

int group_redefine(
	struct clusterd *cd, struct rpc_call *call, const Holdfast__GroupSet *set, struct error *err)
{
	cleanup_snapshot struct snapshot *snapshot = cib_link_read(cd->cib, err);
	const struct cib_group *group = snapshot ? cib_snapshot_group(snapshot->cib, set->name) : NULL;

	if (!snapshot)
		return -1;
	if (!group)
		return error_set(err, ERROR_NOT_FOUND, "there is no group %.80s: see 'holdfast group list'",
			set->name);
	if (!set->set_preferred && !set->set_possible && !set->set_live_policy && !set->set_max_pause)
		return error_set(err, ERROR_USAGE, "nothing of group %s is to be changed", set->name);
	if (set->set_possible && !set->n_possible)
		return error_set(err, ERROR_USAGE, "group %s needs at least one possible owner", set->name);
	Holdfast__GroupSpec *spec = (Holdfast__GroupSpec *)proto_copy(&group->spec->base);
	if (set->set_possible)
		replace(&spec->group->possible, &spec->group->n_possible, set->possible, set->n_possible);
	if (set->set_preferred)
		replace(&spec->group->preferred, &spec->group->n_preferred, set->preferred, set->n_preferred);
	if (set->set_live_policy)
		spec->group->live_policy = set->live_policy;
	if (set->set_max_pause)
		spec->group->max_pause_ms = set->max_pause_ms;
	int result = carry_out(cd, call, group, snapshot->cib, spec, err);
	holdfast__group_spec__free_unpacked(spec, NULL);
	return result;
}
