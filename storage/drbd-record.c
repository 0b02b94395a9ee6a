// SPDX-License-Identifier: GPL-3.0-or-later
// RUN/storage/GROUP.json: {boot, lost_since, volumes: [{index, connected, current_at_loss}]}. The boot id is in it too, for a /run that is
// kept: what was seen in an earlier boot proves nothing.
#include "storage/drbd-watch.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/file.h"

#define RECORD_LIMIT (1u << 20)

static int boot_id(char id[64], struct error *err)
{
	cleanup_free char *text = NULL;

	if (file_read("/proc/sys/kernel/random/boot_id", 63, &text, NULL, err) < 0)
		return -1;
	text[strcspn(text, "\n")] = '\0';
	memcpy(id, text, strlen(text) + 1);
	return 0;
}

int drbd_record_save(const char *path, const struct drbd_view *view, struct error *err)
{
	char boot[64];
	json_t *volumes = json_array();

	if (boot_id(boot, err) < 0) {
		json_decref(volumes);
		return -1;
	}
	for (size_t i = 0; i < view->count; i++)
		json_array_append_new(volumes,
			json_pack("{s:I, s:b, s:b}", "index", (json_int_t)view->volumes[i].index, "connected",
				view->volumes[i].seen.connected, "current_at_loss",
				view->volumes[i].seen.current_at_loss));
	json_t *record = json_pack("{s:s, s:I, s:o}", "boot", boot, "lost_since",
		(json_int_t)view->lost_since, "volumes", volumes);
	cleanup_free char *text = record ? json_dumps(record, JSON_COMPACT) : NULL;
	json_decref(record);
	if (!text)
		return error_set(err, ERROR_FAILED, "%s: no memory", path);
	return file_write_atomic(path, text, strlen(text), 0600, err);
}

static int load_volume(const json_t *from, struct drbd_view_volume *volume)
{
	json_int_t index;
	int connected, current;

	if (json_unpack((json_t *)from, "{s:I, s:b, s:b}", "index", &index, "connected", &connected,
		    "current_at_loss", &current) < 0 ||
		index < 0 || index > UINT32_MAX)
		return -1;
	volume->index = (uint32_t)index;
	volume->seen =
		(struct freshness_seen){ .up = true, .connected = connected, .current_at_loss = current };
	return 0;
}

static int load(const json_t *record, const char *boot, struct drbd_view *view)
{
	const char *of_boot;
	json_int_t lost_since;
	json_t *volumes;

	if (json_unpack((json_t *)record, "{s:s, s:I, s:o}", "boot", &of_boot, "lost_since", &lost_since,
		    "volumes", &volumes) < 0 ||
		strcmp(of_boot, boot) != 0 || !json_is_array(volumes))
		return -1;
	*view = (struct drbd_view){ .lost_since = (time_t)lost_since };
	view->volumes = calloc(json_array_size(volumes) + 1, sizeof(*view->volumes));
	if (!view->volumes)
		return -1;
	for (; view->count < json_array_size(volumes); view->count++)
		if (load_volume(json_array_get(volumes, view->count), &view->volumes[view->count]) < 0) {
			drbd_view_done(view);
			return -1;
		}
	return 0;
}

int drbd_record_load(const char *path, struct drbd_view *view, struct error *err)
{
	cleanup_free char *text = NULL;
	char boot[64];

	if (boot_id(boot, err) < 0 || file_read(path, RECORD_LIMIT, &text, NULL, err) < 0)
		return -1;
	json_t *record = json_loads(text, 0, NULL);
	int result = load(record, boot, view);
	json_decref(record);
	return result < 0 ? error_set(err, ERROR_NOT_FOUND, "%s is not of this boot", path) : 0;
}
