// SPDX-License-Identifier: GPL-3.0-or-later
// How far an LV has come is in LVM's own metadata, as a tag: "holdfast.making" from lvcreate on, "holdfast.ready" once it is zeroed
// and has DRBD's metadata. Changing the tag is atomic, and it goes where the LV goes: a ready LV is never zeroed or given metadata again, one
// that is not ready has no data. A third tag is the group's date of creation: an LV of an earlier group of that name is not taken over.
#include "storage/drbd-create.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/log.h"
#include "common/spawn.h"
#include "storage/drbd-res.h"
#include "storage/internal.h"
#include "storage/lvm.h"

#define TAG_MAKING "holdfast.making"
#define TAG_READY "holdfast.ready"
#define TAG_CREATED "holdfast.created."
#define METADATA_TIMEOUT_MS 120000
#define RELEASE_TRIES 100
#define RELEASE_TRY_MS 100

static void volume_name(const Holdfast__Group *group, const Holdfast__Volume *volume, char name[96])
{
	snprintf(name, 96, "%s.%u", group->name, volume->index);
}

// A tag may have letters, digits and _+.-/=!:&# only.
static void created_tag(const Holdfast__Group *group, char tag[64])
{
	size_t used = (size_t)snprintf(
		tag, 64, TAG_CREATED "%.40s", group->created[0] ? group->created : "unknown");

	for (size_t i = 0; i < used && i < 64; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-:", tag[i]))
			tag[i] = '_';
}

static const struct lvm_volume *find(const struct lvm_volume *volumes, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(volumes[i].name, name) == 0)
			return &volumes[i];
	return NULL;
}

static bool is_ready(const struct lvm_volume *volume)
{
	return volume && lvm_has_tag(volume, TAG_READY);
}

static int check_existing(const struct storage *storage, const Holdfast__Group *group,
	const Holdfast__Volume *volume, const struct lvm_volume *existing, struct error *err)
{
	char tag[64];

	created_tag(group, tag);
	if (!lvm_has_tag(existing, TAG_READY) && !lvm_has_tag(existing, TAG_MAKING))
		return error_set(err, ERROR_EXISTS,
			"the logical volume %s/%s exists and was not made by Holdfast: rename or remove it",
			storage->pool, existing->name);
	if (!lvm_has_tag(existing, tag))
		return error_set(err, ERROR_EXISTS,
			"the logical volume %s/%s is of an earlier group of that name: if its data is not "
			"needed, "
			"remove it with lvremove",
			storage->pool, existing->name);
	if (is_ready(existing) && existing->bytes < drbd_res_backing_bytes(volume->size_bytes))
		return error_set(err, ERROR_NO_SPACE,
			"the logical volume %s/%s has %llu MiB, too small for volume %u of %llu MiB",
			storage->pool, existing->name, (unsigned long long)(existing->bytes >> 20),
			volume->index, (unsigned long long)(volume->size_bytes >> 20));
	return 0;
}

static uint64_t extents(uint64_t bytes, uint64_t extent)
{
	return (bytes + extent - 1) / extent * extent;
}

// Before anything is made: that all of it is ours and fits.
static int check_all(const struct storage *storage, const Holdfast__Group *group,
	const struct lvm_volume *volumes, size_t count, const struct lvm_pool *pool, struct error *err)
{
	uint64_t need = 0, half_made = 0;

	for (size_t i = 0; i < group->n_volumes; i++) {
		char name[96];
		volume_name(group, group->volumes[i], name);
		const struct lvm_volume *existing = find(volumes, count, name);
		if (existing && check_existing(storage, group, group->volumes[i], existing, err) < 0)
			return -1;
		if (is_ready(existing))
			continue;
		need += extents(drbd_res_backing_bytes(group->volumes[i]->size_bytes), pool->extent_bytes);
		half_made += existing ? existing->bytes : 0;
	}
	if (need > pool->free_bytes + half_made)
		return error_set(err, ERROR_NO_SPACE,
			"the pool %s on %s has %llu of %llu MiB free, and %llu MiB are needed: choose "
			"smaller disks or "
			"add a disk to the pool (vgextend)",
			storage->pool, storage->node,
			(unsigned long long)((pool->free_bytes + half_made) >> 20),
			(unsigned long long)(pool->size_bytes >> 20), (unsigned long long)(need >> 20));
	return 0;
}

static int make_metadata(
	const struct storage *storage, const Holdfast__Volume *volume, const char *name, struct error *err)
{
	char minor[16], device[192];

	snprintf(minor, sizeof(minor), "%u", volume->minor);
	snprintf(device, sizeof(device), "/dev/%s/%s", storage->pool, name);
	// --force answers drbdmeta's questions; there is nothing on this volume that they could be about.
	return spawn_run((const char *[]){ "drbdmeta", "--force", minor, "v08", device, "internal",
				 "create-md", NULL },
		METADATA_TIMEOUT_MS, NULL, err);
}

static int make_one(const struct storage *storage, const Holdfast__Group *group,
	const Holdfast__Volume *volume, const struct lvm_volume *half_made, struct error *err)
{
	char name[96], created[64];

	volume_name(group, volume, name);
	created_tag(group, created);
	if (half_made && lvm_remove(storage->pool, name, err) < 0)
		return -1;
	if (lvm_create(storage->pool, name, drbd_res_backing_bytes(volume->size_bytes),
		    (const char *[]){ TAG_MAKING, created, NULL }, err) < 0)
		return -1;
	if (lvm_zero(storage->pool, name, err) < 0 || make_metadata(storage, volume, name, err) < 0 ||
		lvm_replace_tag(storage->pool, name, TAG_MAKING, TAG_READY, err) < 0) {
		struct error undo = ERROR_INIT;
		task_uncancel(task_self());
		if (lvm_remove(storage->pool, name, &undo) < 0)
			log_warning("group=%s a half-made volume stays until it is made again: %s",
				group->name, undo.message);
		return -1;
	}
	return 0;
}

static void unmake(const struct storage *storage, const Holdfast__Group *group, const bool *made)
{
	for (size_t i = 0; i < group->n_volumes; i++) {
		char name[96];
		struct error err = ERROR_INIT;
		if (!made[i])
			continue;
		volume_name(group, group->volumes[i], name);
		if (lvm_remove(storage->pool, name, &err) < 0)
			log_warning("group=%s a volume that is not used stays: %s", group->name, err.message);
	}
}

int drbd_create_backing(struct storage *storage, const Holdfast__Group *group, struct error *err)
{
	cleanup_free struct lvm_volume *volumes = NULL;
	cleanup_free bool *made = calloc(group->n_volumes + 1, sizeof(*made));
	struct lvm_pool pool;
	size_t count;

	if (!made)
		return error_set(err, ERROR_NO_SPACE, "no memory");
	if (lvm_pool(storage->pool, &pool, err) < 0 ||
		lvm_list(storage->pool, group->name, &volumes, &count, err) < 0 ||
		check_all(storage, group, volumes, count, &pool, err) < 0)
		return -1;
	for (size_t i = 0; i < group->n_volumes; i++) {
		char name[96];
		volume_name(group, group->volumes[i], name);
		const struct lvm_volume *existing = find(volumes, count, name);
		if (is_ready(existing))
			continue;
		if (make_one(storage, group, group->volumes[i], existing, err) < 0) {
			unmake(storage, group, made);
			return -1;
		}
		made[i] = true;
	}
	return 0;
}

static bool is_kept(const struct lvm_volume *volume, const Holdfast__Group *keep)
{
	for (size_t i = 0; keep && i < keep->n_volumes; i++) {
		char name[96];
		volume_name(keep, keep->volumes[i], name);
		if (strcmp(name, volume->name) == 0)
			return true;
	}
	return false;
}

// DRBD lets go of its disk a moment after its device is gone, and LVM, which waits for whoever has a volume open, does not wait for that.
static int remove_released(const struct storage *storage, const char *name, struct error *err)
{
	for (int i = 0;; i++) {
		struct error why = ERROR_INIT;
		if (lvm_remove(storage->pool, name, &why) == 0)
			return 0;
		if (i == RELEASE_TRIES || !strstr(why.message, "used by another device") ||
			task_pause(RELEASE_TRY_MS, NULL) < 0)
			return error_copy(err, &why);
	}
}

int drbd_remove_backing(
	struct storage *storage, const Holdfast__Group *group, const Holdfast__Group *keep, struct error *err)
{
	cleanup_free struct lvm_volume *volumes = NULL;
	size_t count = 0;
	struct error missing = ERROR_INIT;
	struct lvm_pool pool;
	char created[64];

	if (lvm_pool(storage->pool, &pool, &missing) < 0)
		return missing.code == ERROR_NOT_FOUND ? 0 : error_copy(err, &missing);
	if (lvm_list(storage->pool, group->name, &volumes, &count, err) < 0)
		return -1;
	created_tag(group, created);
	for (size_t i = 0; i < count; i++)
		if ((lvm_has_tag(&volumes[i], TAG_READY) || lvm_has_tag(&volumes[i], TAG_MAKING)) &&
			lvm_has_tag(&volumes[i], created) && !is_kept(&volumes[i], keep) &&
			remove_released(storage, volumes[i].name, err) < 0)
			return -1;
	return 0;
}
