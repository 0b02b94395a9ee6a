// SPDX-License-Identifier: GPL-3.0-or-later
// volume list, volume show: each volume as each node with a replica of it sees it; volume delete: of one that is no disk any more.
#include <glib.h>
#include <string.h>

#include "clusterd/api.h"
#include "clusterd/cib-link.h"
#include "clusterd/replicas.h"
#include "clusterd/view.h"
#include "common/cleanup.h"
#include "proto/disk.h"
#include "proto/json.h"

API_HANDLER(serve_list)
{
	cleanup_view struct view *view = view_take_hosts(cd, NULL);

	(void)call, (void)request, (void)err;
	reply->body_case = HOLDFAST__REPLY__BODY_VOLUME_LIST;
	reply->volume_list = status_volumes(&view->input, NULL, NULL);
	return 0;
}

// NAME is VM.DISK, or GROUP/NAME (a group's `state` volume has no other unique name).
API_HANDLER(serve_show)
{
	cleanup_view struct view *view = view_take_hosts(cd, NULL);
	const char *name = request->volume_show->name, *slash = strchr(name, '/');
	cleanup_free char *group = slash ? g_strndup(name, (size_t)(slash - name)) : NULL;

	(void)call;
	Holdfast__VolumeList *list = status_volumes(&view->input, group, slash ? slash + 1 : name);
	if (list->n_volumes == 0) {
		holdfast__volume_list__free_unpacked(list, NULL);
		return error_set(err, ERROR_NOT_FOUND,
			"there is no volume %.100s: see 'holdfast volume list' (VM.DISK or GROUP/NAME)",
			name);
	}
	reply->body_case = HOLDFAST__REPLY__BODY_VOLUME_LIST;
	reply->volume_list = list;
	return 0;
}

// The definition first: a crash in between leaves what nobody names, which the next change of the group takes away.
static int delete_volume(struct clusterd *cd, struct rpc_call *call, const struct cib_group *group, const char *name,
	struct error *err)
{
	Holdfast__GroupSpec *spec = (Holdfast__GroupSpec *)proto_copy(&group->spec->base);
	const Holdfast__Volume *volume = disk_volume_find(spec->group, name);
	size_t kept = 0;
	int result = disk_check_detached(spec, volume, err);

	for (size_t i = 0; result == 0 && i < spec->group->n_volumes; i++) {
		if (spec->group->volumes[i] == volume)
			holdfast__volume__free_unpacked(spec->group->volumes[i], NULL);
		else
			spec->group->volumes[kept++] = spec->group->volumes[i];
	}
	if (result == 0) {
		spec->group->n_volumes = kept;
		result = cib_link_do(cd->cib, err, cib_update_group(cib, spec, err));
	}
	if (result == 0)
		result = replicas_apply(cd, call, spec, UINT32_MAX, err);
	holdfast__group_spec__free_unpacked(spec, NULL);
	return result;
}

API_HANDLER(serve_delete)
{
	const char *name = request->volume_delete->name;
	cleanup_snapshot struct snapshot *snapshot = cib_link_read(cd->cib, err);
	const struct cib_group *group = NULL;

	if (!snapshot)
		return -1;
	for (size_t i = 0; i < snapshot->cib->group_count && !group; i++)
		if (disk_volume_find(snapshot->cib->groups[i].spec->group, name))
			group = &snapshot->cib->groups[i];
	if (!group)
		return error_set(err, ERROR_NOT_FOUND, "there is no volume %.100s: see 'holdfast volume list' (VM.DISK)", name);
	if (group->move_to || group->active_on[1])
		return error_set(err, ERROR_BUSY, "group %s is being moved: delete its volumes when that is done",
			group->spec->group->name);
	if (replicas_need_all(cd, group->spec->group, err) < 0 || delete_volume(cd, call, group, name, err) < 0)
		return -1;
	api_reply_done(reply);
	return 0;
}

const struct api_verb api_volume_verbs[] = {
	{ HOLDFAST__REQUEST__BODY_VOLUME_LIST, CALLER_ADMIN, 0, serve_list },
	{ HOLDFAST__REQUEST__BODY_VOLUME_SHOW, CALLER_ADMIN, 0, serve_show },
	{ HOLDFAST__REQUEST__BODY_VOLUME_DELETE, CALLER_ADMIN, API_CHANGES | API_COORDINATOR, serve_delete },
	{ 0 },
};
