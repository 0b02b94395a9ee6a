// SPDX-License-Identifier: GPL-3.0-or-later
// Nothing is written down about a growth under way: how far it came is in the LV's size and in DRBD's. The new part of an LV is zeroed
// while DRBD still has the old size, which proves that no guest has seen it; so an older volume's data never shows, and a repetition never
// hits a guest's data.
#include "storage/drbd-grow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "proto/json.h"
#include "storage/drbd-device.h"
#include "storage/drbd-res.h"
#include "storage/drbd-setup.h"
#include "storage/lvm.h"

#define GROWN_WAIT_MS 30000
#define LOOK_MS 100

static int find_lv(const struct storage *storage, const Holdfast__Group *group, const char *name,
	struct lvm_volume *found, struct error *err)
{
	cleanup_free struct lvm_volume *volumes = NULL;
	size_t count = 0;

	if (lvm_list(storage->pool, group->name, &volumes, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (strcmp(volumes[i].name, name) == 0) {
			*found = volumes[i];
			return 0;
		}
	return error_set(err, ERROR_NOT_FOUND, "there is no logical volume %s/%s", storage->pool, name);
}

static int extend(
	const struct storage *storage, const char *name, uint64_t have, uint64_t need, struct error *err)
{
	struct lvm_pool pool;

	if (have >= need)
		return 0;
	if (lvm_pool(storage->pool, &pool, err) < 0)
		return -1;
	if ((need - have + pool.extent_bytes - 1) / pool.extent_bytes * pool.extent_bytes > pool.free_bytes)
		return error_set(err, ERROR_NO_SPACE,
			"the pool %s on %s has %llu of %llu MiB free, and %llu MiB more are needed: add a "
			"disk to it (vgextend), or grow by less",
			storage->pool, storage->node, (unsigned long long)(pool.free_bytes >> 20),
			(unsigned long long)(pool.size_bytes >> 20),
			(unsigned long long)((need - have + (1 << 20) - 1) >> 20));
	return lvm_extend(storage->pool, name, need, err);
}

// Where the part begins that DRBD does not know yet: not before the LV's old end, which is where its metadata is now.
static int new_part(const struct storage *storage, uint64_t usable, uint64_t *from, struct error *err)
{
	struct lvm_pool pool;

	if (lvm_pool(storage->pool, &pool, err) < 0)
		return -1;
	*from = (drbd_res_backing_bytes(usable) + pool.extent_bytes - 1) / pool.extent_bytes *
		pool.extent_bytes;
	return 0;
}

static int grow_lv(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
	const Holdfast__Volume *volume, struct error *err)
{
	uint64_t usable, from;
	struct lvm_volume lv = { 0 };
	char name[96];

	if (!replica->here)
		return error_set(err, ERROR_NOT_FOUND, "it has no replica on this node");
	if (drbd_volume_bytes(storage, replica, group, volume, &usable, err) < 0)
		return -1;
	if (usable >= volume->size_bytes)
		return 0;
	snprintf(name, sizeof(name), "%s.%u", group->name, volume->index);
	if (find_lv(storage, group, name, &lv, err) < 0)
		return -1;
	uint64_t need = drbd_res_backing_bytes(volume->size_bytes);
	if (new_part(storage, usable, &from, err) < 0 || extend(storage, name, lv.bytes, need, err) < 0)
		return -1;
	if (lv.bytes < need)
		from = lv.bytes;
	return lvm_zero_from(storage->pool, name, from, err);
}

// The record and the .res file have the new size before DRBD gets it: were the old one said to DRBD again, it would shrink under its guest.
int drbd_grow_backing(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
	const Holdfast__Volume *volume, struct error *err)
{
	if (grow_lv(storage, replica, group, volume, err) < 0 ||
		replica_save(storage, replica, group, err) < 0)
		return -1;
	return drbd_write_res(storage, group, err);
}

static bool is_well(const struct replica *replica, uint32_t index)
{
	const struct drbd_view_volume *seen = drbd_view_volume(&replica->view, index);

	return seen && seen->seen.up && seen->now.connected && strcmp(seen->now.disk, "UpToDate") == 0 &&
		(strcmp(seen->now.peer_disk, "UpToDate") == 0 || seen->now.sync == DRBD_SYNC_SOURCE);
}

int drbd_grow_volume(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
	const Holdfast__Volume *volume, struct error *err)
{
	double deadline = loop_now_ms() + GROWN_WAIT_MS;
	uint64_t usable;

	if (drbd_watch_look(storage, err) < 0 ||
		drbd_volume_bytes(storage, replica, group, volume, &usable, err) < 0)
		return -1;
	if (usable >= volume->size_bytes)
		return 0;
	if (!is_well(replica, volume->index))
		return error_set(err, ERROR_UNREACHABLE,
			"volume %u has not both replicas connected and up to date: it cannot grow now",
			volume->index);
	if (drbd_resize(storage, group, volume->index, err) < 0)
		return -1;
	for (;;) {
		if (drbd_volume_bytes(storage, replica, group, volume, &usable, err) < 0)
			return -1;
		if (usable >= volume->size_bytes)
			return drbd_watch_look(storage, err);
		if (loop_now_ms() >= deadline)
			return error_set(err, ERROR_TIMEOUT,
				"DRBD did not make volume %u larger than %llu MiB: is the other node's "
				"logical volume as large?",
				volume->index, (unsigned long long)(usable >> 20));
		if (task_pause(LOOK_MS, err) < 0)
			return -1;
	}
}

Holdfast__Group *drbd_grown(struct storage *storage, struct replica *replica, const Holdfast__Group *group)
{
	Holdfast__Group *copy = (Holdfast__Group *)proto_copy(&group->base);

	for (size_t i = 0; copy && i < copy->n_volumes; i++) {
		struct error ignored = ERROR_INIT; // not up yet: it has no size
		uint64_t usable;

		if (drbd_volume_bytes(storage, replica, copy, copy->volumes[i], &usable, &ignored) == 0 &&
			usable >> 20 > copy->volumes[i]->size_bytes >> 20)
			copy->volumes[i]->size_bytes = usable >> 20 << 20;
	}
	return copy;
}
