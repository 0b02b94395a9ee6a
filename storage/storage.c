// SPDX-License-Identifier: GPL-3.0-or-later
// The public verbs: finds the replica, keeps the verbs on one group apart, and hands over to its back end. Knows nothing of how a back
// end works.
#include "storage/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"

#define VERB_WAIT_MS 120000 // for another verb on the same group
#define POOL_LOOK_MS 10000 // how old what is told of the pool may be

struct storage *storage_open(
	struct loop *loop, const struct config *config, storage_event_cb *cb, void *data, struct error *err)
{
	return storage_open_at(loop, config, &(struct storage_paths){ NULL, NULL, NULL }, cb, data, err);
}

struct storage *storage_open_at(struct loop *loop, const struct config *config,
	const struct storage_paths *paths, storage_event_cb *cb, void *data, struct error *err)
{
	struct storage *storage = calloc(1, sizeof(*storage));

	if (!storage) {
		error_set_errno(err, ENOMEM, "storage");
		return NULL;
	}
	storage->loop = loop;
	storage->event = cb;
	storage->event_data = data;
	if (asprintf(&storage->node, "%s", config->node ?: "") < 0 ||
		asprintf(&storage->pool, "%s", config->pool ?: "") < 0 ||
		asprintf(&storage->directory, "%s", config->directory ?: "") < 0 ||
		asprintf(&storage->replicas_path, "%s/replicas", paths->state ?: CONFIG_STATE_DIRECTORY) <
			0 ||
		asprintf(&storage->run_path, "%s/storage", paths->run ?: CONFIG_RUN_DIRECTORY) < 0 ||
		asprintf(&storage->res_path, "%s", paths->res ?: "/etc/drbd.d") < 0) {
		error_set_errno(err, ENOMEM, "storage");
		storage_close(storage);
		return NULL;
	}
	if (file_make_directory(storage->run_path, 0700, err) < 0 || replicas_load(storage, err) < 0) {
		storage_close(storage);
		return NULL;
	}
	return storage;
}

void storage_close(struct storage *storage)
{
	if (!storage)
		return;
	drbd_watch_free(storage->watch);
	replicas_free(storage);
	free(storage->node);
	free(storage->pool);
	free(storage->directory);
	free(storage->replicas_path);
	free(storage->run_path);
	free(storage->res_path);
	free(storage);
}

// The replica of GROUP, locked: nothing else is done with it until replica_leave.
static int replica_enter(
	struct storage *storage, const Holdfast__Group *group, struct replica **replica, struct error *err)
{
	struct replica *found;

	if (replica_get(storage, group, &found, err) < 0)
		return -1;
	if (task_lock(&found->mutex, VERB_WAIT_MS, err) < 0)
		return error_prefix(err, "group %s: its storage is busy", group->name);
	*replica = found;
	return 0;
}

// For the error's reader: which group it was about.
static int replica_leave(struct replica *replica, int result, struct error *err)
{
	task_unlock(&replica->mutex);
	return result < 0 ? error_prefix(err, "group %s", replica->group->name) : 0;
}

int storage_bring_up(struct storage *storage, struct error *err)
{
	for (struct replica *replica = storage->replicas; replica; replica = replica->next) {
		struct error failed = ERROR_INIT;
		if (!replica->here)
			continue;
		if (task_lock(&replica->mutex, VERB_WAIT_MS, err) < 0)
			return -1;
		free(steal_ptr(replica->problem));
		if (replica->backend->bring_up(storage, replica, &failed) < 0) {
			log_error("group=%s its replica could not be brought up: %s", replica->group->name,
				failed.message);
			replica->problem = strdup(failed.message);
		}
		task_unlock(&replica->mutex);
		if (failed.code == ERROR_CANCELLED)
			return error_copy(err, &failed);
	}
	return 0;
}

int storage_apply(struct storage *storage, const Holdfast__Group *group, const char *node, struct error *err)
{
	struct replica *replica;

	if (replica_enter(storage, group, &replica, err) < 0)
		return -1;
	replica->quiet = true;
	int result = replica->backend->apply(storage, replica, group, node, err);
	replica->quiet = false;
	storage->pool_changes++;
	if (result == 0)
		free(steal_ptr(replica->problem));
	return replica_leave(replica, result, err);
}

int storage_declare_in_sync(
	struct storage *storage, const Holdfast__Group *group, uint32_t index, struct error *err)
{
	struct replica *replica;
	int result = 0;

	if (replica_enter(storage, group, &replica, err) < 0)
		return -1;
	if (!replica->here)
		result = error_set(err, ERROR_NOT_FOUND, "it has no replica on this node");
	else if (replica->backend->declare_in_sync) // a single copy always is
		result = replica->backend->declare_in_sync(storage, replica, index, err);
	return replica_leave(replica, result, err);
}

int storage_destroy(struct storage *storage, const char *name, struct error *err)
{
	Holdfast__Group unknown = HOLDFAST__GROUP__INIT;
	struct replica *replica = replica_find(storage, name);

	unknown.name = (char *)name; // its volumes may be here though its record is not: a crash during apply
	if (replica_enter(storage, replica ? replica->group : &unknown, &replica, err) < 0)
		return -1;
	replica->quiet = true;
	int result = replica->backend->destroy(storage, replica, err);
	replica->quiet = false;
	storage->pool_changes++;
	return replica_leave(replica, result, err);
}

int storage_promote(struct storage *storage, const Holdfast__Group *group,
	const struct storage_promote *params, struct error *err)
{
	struct replica *replica;

	if (replica_enter(storage, group, &replica, err) < 0)
		return -1;
	return replica_leave(replica, replica->backend->promote(storage, replica, group, params, err), err);
}

int storage_demote(struct storage *storage, const Holdfast__Group *group, struct error *err)
{
	struct replica *replica;
	int result;

	if (replica_enter(storage, group, &replica, err) < 0)
		return -1;
	if (replica->mounts)
		result = error_set(err, ERROR_BUSY, "its state volume is still mounted");
	else
		result = replica->backend->demote(storage, replica, group, err);
	return replica_leave(replica, result, err);
}

int storage_may_promote(struct storage *storage, const Holdfast__Group *group,
	const struct storage_promote *params, struct error *err)
{
	struct replica *replica;

	if (replica_get(storage, group, &replica, err) < 0)
		return -1;
	return replica->backend->may_promote(storage, replica, group, params, err) < 0
		? error_prefix(err, "group %s", group->name)
		: 0;
}

static int find_volume(
	const Holdfast__Group *group, uint32_t index, const Holdfast__Volume **volume, struct error *err)
{
	*volume = group_volume(group, index);
	return *volume ? 0 : error_set(err, ERROR_NOT_FOUND, "group %s has no volume %u", group->name, index);
}

int storage_open_volume(struct storage *storage, const Holdfast__Group *group, uint32_t index, int *fd,
	uint64_t *bytes, struct error *err)
{
	struct replica *replica;
	const Holdfast__Volume *volume;

	if (replica_get(storage, group, &replica, err) < 0 || find_volume(group, index, &volume, err) < 0)
		return -1;
	return replica->backend->open_volume(storage, replica, group, volume, fd, bytes, err);
}

int storage_volume_bytes(struct storage *storage, const Holdfast__Group *group, uint32_t index,
	uint64_t *bytes, struct error *err)
{
	struct replica *replica;
	const Holdfast__Volume *volume;

	if (replica_get(storage, group, &replica, err) < 0 || find_volume(group, index, &volume, err) < 0)
		return -1;
	return replica->backend->volume_bytes(storage, replica, group, volume, bytes, err);
}

int storage_grow_backing(
	struct storage *storage, const Holdfast__Group *group, uint32_t index, struct error *err)
{
	struct replica *replica;
	const Holdfast__Volume *volume;

	if (find_volume(group, index, &volume, err) < 0 || replica_enter(storage, group, &replica, err) < 0)
		return -1;
	int result = replica->backend->grow_backing(storage, replica, group, volume, err);
	storage->pool_changes++;
	return replica_leave(replica, result, err);
}

int storage_grow_volume(
	struct storage *storage, const Holdfast__Group *group, uint32_t index, struct error *err)
{
	struct replica *replica;
	const Holdfast__Volume *volume;
	int result = 0;

	if (find_volume(group, index, &volume, err) < 0 || replica_enter(storage, group, &replica, err) < 0)
		return -1;
	if (replica->backend->grow_volume)
		result = replica->backend->grow_volume(storage, replica, group, volume, err);
	return replica_leave(replica, result, err);
}

int storage_mount_state(struct storage *storage, const Holdfast__Group *group, char **path, struct error *err)
{
	struct replica *replica;

	if (replica_enter(storage, group, &replica, err) < 0)
		return -1;
	int result = replica->backend->mount(storage, replica, group, path, err);
	if (result == 0)
		replica->mounts++;
	return replica_leave(replica, result, err);
}

int storage_unmount_state(struct storage *storage, const Holdfast__Group *group, struct error *err)
{
	struct replica *replica;
	int result = 0;

	if (replica_enter(storage, group, &replica, err) < 0)
		return -1;
	// Without a count it is unmounted all the same: whoever counted may have been killed.
	if (replica->mounts <= 1)
		result = replica->backend->unmount(storage, replica, group, err);
	if (result == 0 && replica->mounts)
		replica->mounts--;
	return replica_leave(replica, result, err);
}

static bool is_of_now(const struct storage *storage)
{
	const struct pool_look *look = &storage->pool_look;

	return look->at_us && look->changes == storage->pool_changes &&
		loop_now_us() - look->at_us < POOL_LOOK_MS * 1000;
}

int storage_pool(struct storage *storage, uint64_t *size_bytes, uint64_t *free_bytes, struct error *err)
{
	struct pool_look *look = &storage->pool_look;

	if (task_lock(&look->mutex, VERB_WAIT_MS, err) < 0)
		return -1;
	if (!is_of_now(storage)) {
		look->changes = storage->pool_changes;
		error_clear(&look->err);
		look->result = lvm_pool(storage->pool, &look->pool, &look->err);
		look->at_us = look->err.code == ERROR_CANCELLED ? 0 : loop_now_us();
	}
	int result = look->result < 0 ? error_copy(err, &look->err) : 0;
	if (result == 0) {
		*size_bytes = look->pool.size_bytes;
		*free_bytes = look->pool.free_bytes;
	}
	task_unlock(&look->mutex);
	return result;
}
