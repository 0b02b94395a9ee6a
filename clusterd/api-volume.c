// SPDX-License-Identifier: GPL-3.0-or-later
// volume list, volume show: each volume as each node with a replica of it sees it.
#include <glib.h>
#include <string.h>

#include "clusterd/api.h"
#include "clusterd/view.h"
#include "common/cleanup.h"

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

const struct api_verb api_volume_verbs[] = {
	{ HOLDFAST__REQUEST__BODY_VOLUME_LIST, CALLER_ADMIN, 0, serve_list },
	{ HOLDFAST__REQUEST__BODY_VOLUME_SHOW, CALLER_ADMIN, 0, serve_show },
	{ 0 },
};
