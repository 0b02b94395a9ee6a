// SPDX-License-Identifier: GPL-3.0-or-later
// drbdadm is always given the one .res file with -c, so that a bad file of another resource hurts only that one. The kernel's own calls
// of drbdadm (fence-peer and the others) read /etc/drbd.conf, which includes them all.
#include "storage/drbd-setup.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "common/spawn.h"
#include "storage/drbd-res.h"
#include "storage/internal.h"
#include "storage/lvm.h"

#define PROGRAM_TIMEOUT_MS 120000
#define HELPER_PARAMETER "/sys/module/drbd/parameters/usermode_helper"
#define RES_PREFIX "holdfast-"
#define RES_SUFFIX ".res"

static int res_path(
	const struct storage *storage, const char *group, char *path, size_t size, struct error *err)
{
	return path_format(path, size, err, "%s/" RES_PREFIX "%s" RES_SUFFIX, storage->res_path, group);
}

void drbd_handlers_problem(char *text, size_t size)
{
	static const char *const handlers[] = { DRBD_HANDLERS "/drbd-fence-peer",
		DRBD_HANDLERS "/drbd-before-resync-target", DRBD_HANDLERS "/drbd-after-resync-target" };
	cleanup_free char *helper = NULL;

	text[0] = '\0';
	if (file_read(HELPER_PARAMETER, PATH_MAX, &helper, NULL, NULL) == 0) {
		// With a newline in it the kernel would look for a program of that name.
		if (!strstr(helper, "drbdadm"))
			snprintf(text, size,
				"DRBD's usermode_helper is \"%.60s\", not drbdadm: its handlers will not be "
				"called",
				helper);
		else if (helper[0] == '/') {
			helper[strcspn(helper, "\n")] = '\0';
			if (access(helper, X_OK) < 0)
				snprintf(text, size, "DRBD's usermode_helper %.80s cannot be run: %s", helper,
					strerror(errno));
		}
	}
	for (size_t i = 0; !text[0] && i < sizeof(handlers) / sizeof(handlers[0]); i++)
		if (access(handlers[i], X_OK) < 0)
			snprintf(text, size, "DRBD's handler %s cannot be run: %s", handlers[i],
				strerror(errno));
}

// holdfast-GROUP.res of a group that has no replica here any more: a node that died while it was deleted.
static void remove_stale(const struct storage *storage)
{
	DIR *directory = opendir(storage->res_path);

	if (!directory)
		return;
	for (struct dirent *entry; (entry = readdir(directory));) {
		char group[64], path[PATH_MAX];
		struct error err = ERROR_INIT;
		size_t length = strlen(entry->d_name), around = strlen(RES_PREFIX) + strlen(RES_SUFFIX);
		if (strncmp(entry->d_name, RES_PREFIX, strlen(RES_PREFIX)) != 0 || length <= around ||
			length - around >= sizeof(group) ||
			strcmp(entry->d_name + length - strlen(RES_SUFFIX), RES_SUFFIX) != 0)
			continue;
		memcpy(group, entry->d_name + strlen(RES_PREFIX), length - around);
		group[length - around] = '\0';
		const struct replica *replica = replica_find(storage, group);
		if (replica && replica->here)
			continue;
		if (res_path(storage, group, path, sizeof(path), &err) < 0 || file_remove(path, &err) < 0)
			log_warning("group=%s %s", group, err.message);
	}
	closedir(directory);
}

int drbd_prepare(struct storage *storage, struct error *err)
{
	char problem[256];

	if (storage->drbd_prepared)
		return 0;
	if (access("/proc/drbd", F_OK) < 0 &&
		spawn_run((const char *[]){ "modprobe", "drbd", NULL }, PROGRAM_TIMEOUT_MS, NULL, err) < 0)
		return error_prefix(err, "DRBD's module cannot be loaded");
	drbd_handlers_problem(problem, sizeof(problem));
	if (problem[0])
		log_warning("%s", problem);
	if (lvm_activate(storage->pool, err) < 0 || drbd_watch_start(storage, err) < 0)
		return -1;
	remove_stale(storage);
	storage->drbd_prepared = true;
	return 0;
}

int drbd_write_res(const struct storage *storage, const Holdfast__Group *group, struct error *err)
{
	char path[PATH_MAX];
	cleanup_free char *text = drbd_res_render(group, storage->pool);

	if (!text)
		return error_set_errno(err, ENOMEM, "group %s", group->name);
	if (res_path(storage, group->name, path, sizeof(path), err) < 0 ||
		file_make_directory(storage->res_path, 0755, err) < 0)
		return -1;
	return file_write_atomic(path, text, strlen(text), 0600, err);
}

static int drbdadm(const struct storage *storage, const char *group, const char *const arguments[2],
	const char *what, struct error *err)
{
	char path[PATH_MAX];

	if (res_path(storage, group, path, sizeof(path), err) < 0)
		return -1;
	return spawn_run((const char *[]){ "drbdadm", "-c", path, arguments[0], arguments[1] ?: what,
				 arguments[1] ? what : NULL, NULL },
		PROGRAM_TIMEOUT_MS, NULL, err);
}

int drbd_configure(struct storage *storage, const Holdfast__Group *group, struct error *err)
{
	if (drbd_write_res(storage, group, err) < 0)
		return -1;
	return drbdadm(storage, group->name, (const char *[]){ "adjust", NULL }, group->name, err);
}

int drbd_drop_volume(uint32_t minor, struct error *err)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", minor);
	if (spawn_run((const char *[]){ "drbdsetup", "detach", text, NULL }, PROGRAM_TIMEOUT_MS, NULL, err) < 0)
		return -1;
	return spawn_run(
		(const char *[]){ "drbdsetup", "del-minor", text, NULL }, PROGRAM_TIMEOUT_MS, NULL, err);
}

int drbd_unconfigure(struct storage *storage, const Holdfast__Group *group, struct error *err)
{
	char path[PATH_MAX];
	bool up = false;

	for (size_t i = 0; i < replica_find(storage, group->name)->view.count; i++)
		up = up || replica_find(storage, group->name)->view.volumes[i].seen.up;
	// drbdsetup, because the .res file may be gone already. Only a resource that is known to be up must go down without an error.
	struct error down = ERROR_INIT;
	if (spawn_run((const char *[]){ "drbdsetup", "down", group->name, NULL }, PROGRAM_TIMEOUT_MS, NULL,
		    &down) < 0 &&
		up)
		return error_copy(err, &down);
	if (res_path(storage, group->name, path, sizeof(path), err) < 0)
		return -1;
	return file_remove(path, err);
}

int drbd_clear_bitmap(
	struct storage *storage, const Holdfast__Group *group, uint32_t index, struct error *err)
{
	char volume[96];

	snprintf(volume, sizeof(volume), "%s/%u", group->name, index);
	return drbdadm(
		storage, group->name, (const char *[]){ "new-current-uuid", "--clear-bitmap" }, volume, err);
}

int drbd_resize(struct storage *storage, const Holdfast__Group *group, uint32_t index, struct error *err)
{
	char volume[96];

	snprintf(volume, sizeof(volume), "%s/%u", group->name, index);
	return drbdadm(storage, group->name, (const char *[]){ "resize", NULL }, volume, err);
}
