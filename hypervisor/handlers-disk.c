// SPDX-License-Identifier: GPL-3.0-or-later
// Requests about disks. On a stand-alone machine the group is known here; in a cluster clusterd sends its definition along.
#include <stdlib.h>
#include <string.h>
#include "common/fault.h"
#include "hypervisor/disk-work.h"
#include "hypervisor/handlers.h"
#include "hypervisor/standalone-define.h"
#include "proto/json.h"

#define LOCK_MS 30000

// The group that the request is about, locked.
static struct group *lock_group(struct hypervisor *hv, const Holdfast__GroupSpec *spec, const char *current,
	const char *volume, struct error *err)
{
	if (!spec) {
		struct group *group = disk_group_of(hv, volume, err);
		return group ? handler_lock_group(hv, group->name, LOCK_MS, err) : NULL;
	}
	struct group *group = handler_adopt_locked(hv, spec, LOCK_MS, err);
	if (group && group_wanted(group) != WANTED_STARTED) {
		char *copy = strdup(current);
		free(group->current);
		group->current = copy;
	}
	return group;
}

HANDLER(serve_import)
{
	struct hypervisor *hv = data;
	const Holdfast__VolumeImport *import = request->volume_import;
	struct group *group = lock_group(hv, import->spec, import->current, import->volume, err);
	if (!group || disk_import(hv, call, group, import, err))
		return -1;
	return reply_done(reply, err);
}

HANDLER(serve_export)
{
	struct hypervisor *hv = data;
	const Holdfast__VolumeExport *export = request->volume_export;
	struct group *group = lock_group(hv, export->spec, export->current, export->volume, err);
	if (!group || disk_export(hv, call, group, export, err))
		return -1;
	return reply_done(reply, err);
}

static int grow(struct group *group, const Holdfast__VolumeGrow *request, struct error *err)
{
	struct disk_place place;
	Holdfast__GroupSpec *spec = (Holdfast__GroupSpec *)proto_copy(&group->spec->base);
	if (!spec)
		return error_set(err, ERROR_FAILED, "no memory for group %s", group->name);
	int failed = disk_grow_place(spec, request->volume, request->size_bytes, &place, err);
	if (!failed && request->step == HOLDFAST__GROW_STEP__GROW_ALL)
		failed = disk_grow_check(group, &place, err);
	if (!failed && request->step != HOLDFAST__GROW_STEP__GROW_DEVICE)
		failed = disk_grow_backing(group, &place, err);
	if (!failed && request->step != HOLDFAST__GROW_STEP__GROW_BACKING) {
		fault_point("grow-backing");
		failed = disk_grow_device(group, &place, err);
	}
	if (!failed && group->hv->standalone) {
		fault_point("grow-device");
		failed = standalone_take_over(group, spec, err);
	}
	holdfast__group_spec__free_unpacked(spec, NULL);
	return failed;
}

HANDLER(serve_grow)
{
	struct hypervisor *hv = data;
	const Holdfast__VolumeGrow *wish =
		request->volume_grow; // or volume_grow_step: one place in the union
	struct group *group = lock_group(hv, wish->spec, wish->current, wish->volume, err);
	if (!group)
		return -1;
	int failed = grow(group, wish, err);
	task_unlock(&group->mutex);
	return failed ? -1 : reply_done(reply, err);
}

const struct rpc_handler disk_handlers[] = {
	{ HOLDFAST__REQUEST__BODY_VOLUME_GROW, LOCAL, serve_grow },
	{ HOLDFAST__REQUEST__BODY_VOLUME_GROW_STEP, LOCAL, serve_grow }, // the same message
	{ HOLDFAST__REQUEST__BODY_VOLUME_IMPORT, LOCAL, serve_import },
	{ HOLDFAST__REQUEST__BODY_VOLUME_EXPORT, LOCAL, serve_export },
	{ 0 },
};
