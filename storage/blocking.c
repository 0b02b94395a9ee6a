// SPDX-License-Identifier: GPL-3.0-or-later
// What the agent does without hypervisord: gives a group's volumes up, blocking, from a program that has no loop and no storage open.
#include "storage/internal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "storage/drbd-roles.h"
#include "storage/file-lock.h"
#include "storage/state-volume.h"

#define PROC_LIMIT (16u << 20)

// 1 with the minors of GROUP that are Primary here, 0 if none is. The kernel would wait for writes that wait for the handler.
static int primary_minors(const Holdfast__Group *group, uint32_t *primary, size_t *count, struct error *err)
{
	cleanup_free char *text = NULL;
	cleanup_free struct drbd_minor *minors = NULL;
	struct error missing = ERROR_INIT;
	size_t known = 0;

	*count = 0;
	if (file_read("/proc/drbd", PROC_LIMIT, &text, NULL, &missing) < 0)
		return missing.code == ERROR_NOT_FOUND ? 0 : error_copy(err, &missing);
	if (drbd_proc_parse(text, &minors, &known, err) < 0)
		return -1;
	for (size_t i = 0; i < group->n_volumes; i++) {
		const struct drbd_minor *minor = drbd_proc_find(minors, known, group->volumes[i]->minor);
		if (!minor || minor->role != HOLDFAST__ROLE__ROLE_PRIMARY)
			continue;
		if (minor->suspended)
			return error_set(err, ERROR_BUSY,
				"group %s: its writes wait until it is sure that the other node is gone",
				group->name);
		primary[(*count)++] = minor->minor;
	}
	return *count > 0;
}

static int demote_drbd(const Holdfast__Group *group, struct error *err)
{
	cleanup_free uint32_t *minors = calloc(group->n_volumes + 1, sizeof(*minors));
	struct drbd_roles roles = { .minors = minors };
	char where[PATH_MAX];

	if (!minors)
		return error_set_errno(err, ENOMEM, "group %s", group->name);
	if (path_format(where, sizeof(where), err, CONFIG_RUN_DIRECTORY "/storage/%s", group->name) < 0)
		return -1;
	int any = primary_minors(group, minors, &roles.count, err);
	if (any <= 0)
		return any;
	if (state_volume_unmount(where, err) < 0 || drbd_roles_demote(&roles, err) < 0)
		return error_prefix(err, "group %s", group->name);
	return 0;
}

static int demote_file(const Holdfast__Group *group, struct error *err)
{
	struct config config = { 0 };
	int result = config_load(CONFIG_FILE, &config, err);

	if (result == 0)
		result = storage_file_demote_blocking(group, config.directory, err);
	config_done(&config);
	return result;
}

int storage_demote_blocking(const Holdfast__Group *group, struct error *err)
{
	return group->storage == HOLDFAST__STORAGE_KIND__STORAGE_FILE ? demote_file(group, err)
								      : demote_drbd(group, err);
}
