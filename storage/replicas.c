// SPDX-License-Identifier: GPL-3.0-or-later
// The replicas of this node and their records, STATE/replicas/GROUP.json (a Group): what is brought up at boot. A new record is written
// before its volumes are made and removed after they are gone, so nothing of ours is on a disk without one. Knows no back end but its name.
#include "storage/internal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "common/name.h"
#include "proto/json.h"

#define RECORD_LIMIT (1u << 20)

int path_format(char *path, size_t size, struct error *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int used = vsnprintf(path, size, format, args);
	va_end(args);
	if (used < 0 || (size_t)used >= size)
		return error_set(
			err, ERROR_USAGE, "a path is longer than %zu bytes: %.60s...", size - 1, path);
	return 0;
}

const Holdfast__Volume *group_volume(const Holdfast__Group *group, uint32_t index)
{
	for (size_t i = 0; i < group->n_volumes; i++)
		if (group->volumes[i]->index == index)
			return group->volumes[i];
	return NULL;
}

static const struct storage_backend *backend_of(const Holdfast__Group *group)
{
	return group->storage == HOLDFAST__STORAGE_KIND__STORAGE_FILE ? &storage_file_backend
								      : &storage_drbd_backend;
}

struct replica *replica_find(const struct storage *storage, const char *group)
{
	for (struct replica *replica = storage->replicas; replica; replica = replica->next)
		if (strcmp(replica->group->name, group) == 0)
			return replica;
	return NULL;
}

static void replica_free(struct replica *replica)
{
	if (!replica)
		return;
	if (replica->lock_fd >= 0)
		close(replica->lock_fd);
	drbd_view_done(&replica->view);
	if (replica->group)
		holdfast__group__free_unpacked(replica->group, NULL);
	free(replica->problem);
	free(replica);
}

// Takes GROUP over.
static struct replica *replica_add(struct storage *storage, Holdfast__Group *group)
{
	struct replica *replica = calloc(1, sizeof(*replica));

	if (!replica)
		return NULL;
	replica->group = group;
	replica->backend = backend_of(group);
	replica->lock_fd = -1;
	replica->next = storage->replicas;
	storage->replicas = replica;
	return replica;
}

static Holdfast__Group *group_copy(const Holdfast__Group *group)
{
	return (Holdfast__Group *)proto_copy(&group->base);
}

int replica_get(
	struct storage *storage, const Holdfast__Group *group, struct replica **replica, struct error *err)
{
	if (name_check("group", group->name, err) < 0)
		return -1;
	*replica = replica_find(storage, group->name);
	if (*replica && !(*replica)->here)
		(*replica)->backend = backend_of(group);
	if (*replica && (*replica)->backend != backend_of(group))
		return error_set(err, ERROR_EXISTS,
			"group %s has %s storage on this node, not %s: delete it first", group->name,
			(*replica)->backend->name, backend_of(group)->name);
	if (*replica)
		return 0;
	Holdfast__Group *copy = group_copy(group);
	*replica = copy ? replica_add(storage, copy) : NULL;
	if (*replica)
		return 0;
	if (copy)
		holdfast__group__free_unpacked(copy, NULL);
	return error_set_errno(err, ENOMEM, "group %s", group->name);
}

static int record_path(
	const struct storage *storage, const char *group, char *path, size_t size, struct error *err)
{
	return path_format(path, size, err, "%s/%s.json", storage->replicas_path, group);
}

int replica_save(
	struct storage *storage, struct replica *replica, const Holdfast__Group *group, struct error *err)
{
	char path[PATH_MAX];
	Holdfast__Group *copy = group_copy(group);
	cleanup_free char *text = proto_to_json_text(&group->base);

	if (!copy || !text) {
		if (copy)
			holdfast__group__free_unpacked(copy, NULL);
		return error_set_errno(err, ENOMEM, "group %s", group->name);
	}
	if (record_path(storage, group->name, path, sizeof(path), err) < 0 ||
		file_make_directory(storage->replicas_path, 0700, err) < 0 ||
		file_write_atomic(path, text, strlen(text), 0600, err) < 0) {
		holdfast__group__free_unpacked(copy, NULL);
		return -1;
	}
	holdfast__group__free_unpacked(replica->group, NULL);
	replica->group = copy;
	replica->here = true;
	return 0;
}

int replica_forget(struct storage *storage, struct replica *replica, struct error *err)
{
	char path[PATH_MAX];

	if (record_path(storage, replica->group->name, path, sizeof(path), err) < 0 ||
		file_remove(path, err) < 0)
		return -1;
	replica->here = false;
	free(steal_ptr(replica->problem));
	drbd_view_done(&replica->view);
	return 0;
}

// One record that cannot be read does not hide the others.
static void replica_load(struct storage *storage, const char *name)
{
	char path[PATH_MAX];
	cleanup_free char *text = NULL;
	size_t bytes;
	struct error err = ERROR_INIT;
	Holdfast__Group *group = NULL;

	if (record_path(storage, name, path, sizeof(path), &err) < 0 ||
		file_read(path, RECORD_LIMIT, &text, &bytes, &err) < 0 ||
		!(group = (Holdfast__Group *)proto_from_json_text(
			  &holdfast__group__descriptor, text, &err))) {
		log_error("group=%s the record of its replica cannot be used, so it stays down: %s", name,
			err.message);
		return;
	}
	if (strcmp(group->name, name) != 0)
		log_error("group=%s %s describes group %s: left alone", name, path, group->name);
	else {
		struct replica *replica = replica_add(storage, group);
		if (replica) {
			replica->here = true;
			return;
		}
	}
	holdfast__group__free_unpacked(group, NULL);
}

int replicas_load(struct storage *storage, struct error *err)
{
	DIR *directory = opendir(storage->replicas_path);

	if (!directory)
		return errno == ENOENT
			? 0
			: error_set_errno(err, errno, "cannot read %s", storage->replicas_path);
	for (struct dirent *entry; (entry = readdir(directory));) {
		char name[64];
		size_t length = strlen(entry->d_name);
		if (length < 6 || length - 5 >= sizeof(name) ||
			strcmp(entry->d_name + length - 5, ".json") != 0)
			continue;
		memcpy(name, entry->d_name, length - 5);
		name[length - 5] = '\0';
		if (name_valid(name) && !replica_find(storage, name))
			replica_load(storage, name);
	}
	closedir(directory);
	return 0;
}

void replicas_free(struct storage *storage)
{
	while (storage->replicas) {
		struct replica *replica = storage->replicas;
		storage->replicas = replica->next;
		replica_free(replica);
	}
}
