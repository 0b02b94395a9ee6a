// SPDX-License-Identifier: GPL-3.0-or-later
// group create, group delete: see the header. The volumes come first and go last, so that the CIB never names what is not there.
#include "clusterd/group-define.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "clusterd/allocate.h"
#include "clusterd/cib-link.h"
#include "clusterd/event-store.h"
#include "clusterd/replicas.h"
#include "clusterd/view.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/name.h"
#include "proto/json.h"

#define STATE_LEAST_BYTES (32 * ALLOCATE_MIB)

static void fill_world(
	const struct cib_snapshot *cib, GPtrArray *groups, GPtrArray *nodes, struct allocate_world *world)
{
	for (size_t i = 0; i < cib->group_count; i++)
		g_ptr_array_add(groups, cib->groups[i].spec->group);
	for (size_t i = 0; i < cib->node_count; i++)
		if (cib->nodes[i].node->site[0]) // one that nobody joined is no place for a replica
			g_ptr_array_add(nodes, cib->nodes[i].node);
	*world = (struct allocate_world){
		.groups = (const Holdfast__Group *const *)groups->pdata,
		.group_count = groups->len,
		.nodes = (const Holdfast__Node *const *)nodes->pdata,
		.node_count = nodes->len,
	};
}

static int check_group(const Holdfast__GroupCreate *create, const struct cib_snapshot *cib, struct error *err)
{
	const Holdfast__Group *group = create->group;

	if (!group)
		return error_set(err, ERROR_PROTOCOL, "a group create without a group");
	if (name_check("group", group->name, err) < 0)
		return -1;
	if (cib_snapshot_group(cib, group->name))
		return error_set(err, ERROR_EXISTS, "group %s exists already", group->name);
	if (group->storage == HOLDFAST__STORAGE_KIND__STORAGE_FILE && group->directory[0] != '/')
		return error_set(err, ERROR_USAGE,
			"file storage of group %s needs the absolute path of a directory: --directory /PATH",
			group->name);
	if (create->state_bytes && create->state_bytes < STATE_LEAST_BYTES)
		return error_set(err, ERROR_USAGE,
			"a state volume of %llu bytes is too small: give at least 32 MiB",
			(unsigned long long)create->state_bytes);
	return 0;
}

// What the two replicas prove to each other: nobody else on the network can pose as one.
static int add_secret(Holdfast__Group *group, struct error *err)
{
	unsigned char bytes[24];
	GString *text = g_string_new(NULL);

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
		g_string_free(text, TRUE);
		return error_set_errno(err, errno, "getting random bytes");
	}
	for (size_t i = 0; i < sizeof(bytes); i++)
		g_string_append_printf(text, "%02x", bytes[i]);
	if (group->secret != (char *)protobuf_c_empty_string)
		free(group->secret);
	group->secret = g_string_free(text, FALSE);
	return 0;
}

static int add_state_volume(
	const struct allocate_world *world, Holdfast__Group *group, uint64_t bytes, struct error *err)
{
	Holdfast__Volume *state = g_new0(Holdfast__Volume, 1);

	holdfast__volume__init(state);
	state->name = g_strdup("state");
	state->size_bytes = allocate_round_up(bytes ? bytes : ALLOCATE_STATE_BYTES);
	group->volumes = g_new0(Holdfast__Volume *, 1);
	group->volumes[group->n_volumes++] = state;
	if (group->storage != HOLDFAST__STORAGE_KIND__STORAGE_DRBD)
		return 0;
	if (allocate_minor(world, NULL, 0, &state->minor, err) < 0 ||
		allocate_port(world, &group->port, err) < 0)
		return -1;
	return add_secret(group, err);
}

static Holdfast__GroupSpec *draft(
	const Holdfast__GroupCreate *create, const struct cib_snapshot *cib, struct error *err)
{
	g_autoptr(GPtrArray) groups = g_ptr_array_new(), nodes = g_ptr_array_new();
	struct allocate_world world;
	struct timespec now;

	fill_world(cib, groups, nodes, &world);
	Holdfast__GroupSpec *spec = g_new0(Holdfast__GroupSpec, 1);
	holdfast__group_spec__init(spec);
	spec->epoch = cib->epoch;
	spec->group = (Holdfast__Group *)proto_copy(&create->group->base);
	clock_gettime(CLOCK_REALTIME, &now);
	spec->group->created = event_time_text((int64_t)now.tv_sec * 1000000);
	if (spec->group->n_volumes)
		error_set(err, ERROR_USAGE, "a new group has no volumes: they come with its VMs");
	else if (allocate_places(&world, spec->group, err) == 0 &&
		add_state_volume(&world, spec->group, create->state_bytes, err) == 0)
		return spec;
	holdfast__group_spec__free_unpacked(spec, NULL);
	return NULL;
}

static void undo(struct clusterd *cd, const Holdfast__Group *group)
{
	struct error err = ERROR_INIT;

	task_uncancel(task_self());
	if (replicas_delete(cd, group, &err) < 0)
		log_warning("undoing the creation of group %s: %s", group->name, err.message);
}

int group_define(
	struct clusterd *cd, struct rpc_call *call, const Holdfast__GroupCreate *create, struct error *err)
{
	cleanup_snapshot struct snapshot *snapshot = cib_link_read(cd->cib, err);

	if (!snapshot || check_group(create, snapshot->cib, err) < 0)
		return -1;
	Holdfast__GroupSpec *spec = draft(create, snapshot->cib, err);
	if (!spec)
		return -1;
	int result = replicas_need_all(cd, spec->group, err);
	if (result == 0) {
		result = replicas_apply(cd, call, spec, 0, err);
		if (result == 0)
			result = cib_link_do(cd->cib, err, cib_create_group(cib, spec, err));
		if (result < 0)
			undo(cd, spec->group);
	}
	holdfast__group_spec__free_unpacked(spec, NULL);
	return result;
}

int group_undefine(struct clusterd *cd, struct rpc_call *call, const char *name, struct error *err)
{
	cleanup_snapshot struct snapshot *snapshot = cib_link_read(cd->cib, err);
	const struct cib_group *group = snapshot ? cib_snapshot_group(snapshot->cib, name) : NULL;

	if (!snapshot)
		return -1;
	if (!group)
		return error_set(
			err, ERROR_NOT_FOUND, "there is no group %.80s: see 'holdfast group list'", name);
	if (group->active_on[0] || group->wanted_started || group->pending)
		return error_set(err, ERROR_UNSAFE,
			"group %s is not offline: stop it first with 'holdfast group stop %s'", name, name);
	if (replicas_need_all(cd, group->spec->group, err) < 0)
		return -1;
	rpc_call_progress(call, 20, "removing the volumes of group %s", name);
	if (replicas_delete(cd, group->spec->group, err) < 0)
		return -1;
	return cib_link_do(cd->cib, err, cib_delete_group(cib, name, err));
}
