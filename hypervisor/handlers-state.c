// SPDX-License-Identifier: GPL-3.0-or-later
// The growth of a group's state volume, asked by clusterd in two steps: what is below the replica on each node, then, on one node, the volume and its
// file system. Each does nothing where it is done. The guests do not see it.
#include <stdlib.h>
#include "common/log.h"
#include "hypervisor/handlers.h"

#define LOCK_MS 60000
#define STATE_VOLUME 0

// The file system follows its volume when it is mounted.
static int mount_once(struct group *group, const Holdfast__Group *definition, struct error *err)
{
	struct storage *storage = group->hv->storage;
	struct error ignored = ERROR_INIT;
	char *directory = NULL;
	if (storage_mount_state(storage, definition, &directory, err))
		return -1;
	free(directory);
	if (storage_unmount_state(storage, definition, &ignored))
		log_warning("group=%s %s", group->name, ignored.message);
	return 0;
}

static int grow_volume(struct group *group, const Holdfast__Group *definition, struct error *err)
{
	if (storage_grow_volume(group->hv->storage, definition, STATE_VOLUME, err))
		return -1;
	return mount_once(group, definition, err);
}

// Of a group that is offline: Primary here as long as it takes.
static int grow_offline(struct group *group, const Holdfast__StateGrow *grow, struct error *err)
{
	struct hypervisor *hv = group->hv;
	struct error ignored = ERROR_INIT;
	struct storage_promote params = {
		.node = hv->config.node,
		.current = grow->current[0] ? grow->current : NULL,
	};
	if (storage_promote(hv->storage, grow->spec->group, &params, err))
		return -1;
	int failed = grow_volume(group, grow->spec->group, err);
	task_uncancel(task_self());
	if (storage_demote(hv->storage, grow->spec->group, &ignored))
		log_error("group=%s after its state volume grew: %s", group->name, ignored.message);
	return failed;
}

static int grow_here(struct group *group, const Holdfast__StateGrow *grow, struct error *err)
{
	const struct move_hooks *hooks = &group->hv->move_hooks;
	if (grow->step == HOLDFAST__GROW_STEP__GROW_BACKING)
		return storage_grow_backing(group->hv->storage, grow->spec->group, STATE_VOLUME, err);
	if (hooks->not_moving && hooks->not_moving(hooks->moves, group->name, err))
		return -1;
	return group_wanted(group) == WANTED_STARTED ? grow_volume(group, grow->spec->group, err)
						     : grow_offline(group, grow, err);
}

HANDLER_DECLARED(serve_state_grow)
{
	const Holdfast__StateGrow *grow = request->state_grow;
	struct group *group = handler_adopt_locked(data, grow->spec, LOCK_MS, err);
	if (!group)
		return -1;
	int failed = grow_here(group, grow, err);
	task_unlock(&group->mutex);
	return failed ? -1 : reply_done(reply, err);
}
