// SPDX-License-Identifier: GPL-3.0-or-later
// Work on disks: each request goes to the node that has the group, or, while the group is offline, to one whose replica is up to date, and there to
// hypervisord with the group's definition. Growing is a change of the definition: see disk-grow.c.
#include <glib.h>
#include <string.h>

#include "clusterd/api.h"
#include "clusterd/cib-link.h"
#include "clusterd/disk-grow.h"
#include "clusterd/forward.h"
#include "clusterd/state-grow.h"
#include "clusterd/view.h"
#include "common/cleanup.h"

const struct cib_group *disk_group(const struct view *view, const char *volume, struct error *err)
{
	const struct cib_snapshot *cib = view->input.cib;

	for (size_t g = 0; cib && g < cib->group_count; g++)
		for (size_t v = 0; v < cib->groups[g].spec->group->n_volumes; v++) {
			const Holdfast__Volume *one = cib->groups[g].spec->group->volumes[v];
			if (one->index && !strcmp(one->name, volume))
				return &cib->groups[g];
		}
	error_set(err, ERROR_NOT_FOUND, "there is no disk %.130s: see 'holdfast volume list' (VM.DISK)",
		volume);
	return NULL;
}

static bool is_current(const struct view *view, const char *node, const struct cib_group *group)
{
	const Holdfast__GroupStatus *status =
		status_host_group(status_host_of(&view->input, node), group->spec->group->name);

	if (!status_node_online(&view->input, node) || (group->current && strcmp(group->current, node)))
		return false;
	for (size_t i = 0; status && i < status->n_volumes; i++)
		if (strcmp(status->volumes[i]->disk, "UpToDate"))
			return false;
	return status != NULL;
}

char *disk_node(struct clusterd *cd, const struct cib_group *known, struct error *err)
{
	const char *owner = status_owner(known);

	if (owner)
		return g_strdup(owner);
	g_autofree char *name = g_strdup(known->spec->group->name);
	cleanup_view struct view *view = view_take_hosts(cd, NULL);
	const struct cib_group *group = view_group(cd, view, name, err);
	if (!group)
		return NULL;
	const Holdfast__Group *definition = group->spec->group;
	for (size_t i = 0; i < definition->n_possible; i++)
		if (is_current(view, definition->possible[i], group))
			return g_strdup(definition->possible[i]);
	error_set(err, ERROR_UNREACHABLE,
		"group %s is offline and no node that is online has an up-to-date replica of it: start the "
		"group "
		"first (holdfast group start %s)",
		name, name);
	return NULL;
}

static const char *volume_of(const Holdfast__Request *request)
{
	return request->body_case == HOLDFAST__REQUEST__BODY_VOLUME_IMPORT ? request->volume_import->volume
									   : request->volume_export->volume;
}

static int here(struct clusterd *cd, struct rpc_call *call, const Holdfast__Request *request,
	const struct cib_group *group, Holdfast__Reply *reply, struct error *err)
{
	Holdfast__Request copy = *request;
	Holdfast__VolumeImport import;
	Holdfast__VolumeExport export;
	char *current = group->current ? group->current : (char *)"";

	if (request->body_case == HOLDFAST__REQUEST__BODY_VOLUME_IMPORT) {
		import = *request->volume_import;
		import.spec = group->spec;
		import.current = current;
		copy.volume_import = &import;
	} else {
		export = *request->volume_export;
		export.spec = group->spec;
		export.current = current;
		copy.volume_export = &export;
	}
	return forward_to_host(cd, call, &copy, reply, err);
}

API_HANDLER(serve_image)
{
	cleanup_view struct view *view = view_take(cd);
	const struct cib_group *group = disk_group(view, volume_of(request), err);

	if (!group || api_need_quorum(cd, err) < 0)
		return -1;
	if (rpc_call_caller(call) == RPC_CALLER_NODE)
		return here(cd, call, request, group, reply, err);
	cleanup_free char *node = disk_node(cd, group, err);
	if (!node)
		return -1;
	if (strcmp(node, cd->config.node))
		return forward_call(cd, call, request, node, reply, err);
	return here(cd, call, request, group, reply, err);
}

API_HANDLER(serve_grow)
{
	int result = state_grow_wish(cd, call, request->volume_grow, err);

	if (result == STATE_GROW_OTHER)
		result = disk_grow_all(cd, call, request->volume_grow, err);
	if (result < 0)
		return -1;
	api_reply_done(reply);
	return 0;
}

API_HANDLER(serve_grow_step)
{
	return forward_to_host(cd, call, request, reply, err);
}

const struct api_verb api_disk_verbs[] = {
	{ HOLDFAST__REQUEST__BODY_VOLUME_IMPORT, CALLER_ADMIN, API_CHANGES, serve_image },
	{ HOLDFAST__REQUEST__BODY_VOLUME_EXPORT, CALLER_ADMIN, API_CHANGES, serve_image },
	{ HOLDFAST__REQUEST__BODY_VOLUME_GROW, CALLER_ADMIN, API_CHANGES | API_COORDINATOR, serve_grow },
	{ HOLDFAST__REQUEST__BODY_VOLUME_GROW_STEP, CALLER_NODE, 0, serve_grow_step },
	{ 0 },
};
