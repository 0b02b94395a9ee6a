// SPDX-License-Identifier: GPL-3.0-or-later
// See checkpoint-store.h.
#include "hypervisor/checkpoint-store.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "common/task.h"
#include "proto/json.h"

#define TREE_LIMIT (16u << 20)
#define VARS_LIMIT (4u << 20)

static int tree_path(const struct checkpoint_store *store, char path[PATH_MAX], struct error *err)
{
	int length = snprintf(path, PATH_MAX, "%s/%s.checkpoints", store->directory, store->vm);
	return length < 0 || length >= PATH_MAX
		? error_set(err, ERROR_USAGE, "%s is too long a path", store->directory)
		: 0;
}

int checkpoint_memory_path(
	const struct checkpoint_store *store, const char *id, char *path, size_t size, struct error *err)
{
	int length = snprintf(path, size, "%s/%s.memory-%s", store->directory, store->vm, id);
	return length < 0 || (size_t)length >= size
		? error_set(err, ERROR_USAGE, "%s is too long a path", store->directory)
		: 0;
}

int checkpoint_load(const struct checkpoint_store *store, Holdfast__CheckpointTree **tree, struct error *err)
{
	char path[PATH_MAX];
	cleanup_free char *text = NULL;
	struct error why = ERROR_INIT;
	if (tree_path(store, path, err))
		return -1;
	if (file_read(path, TREE_LIMIT, &text, NULL, &why)) {
		if (why.code != ERROR_NOT_FOUND)
			return error_copy(err, &why);
		*tree = checkpoint_tree_new(store->uuid, err);
		return *tree ? 0 : -1;
	}
	ProtobufCMessage *read = proto_from_json_text(&holdfast__checkpoint_tree__descriptor, text, &why);
	*tree = (Holdfast__CheckpointTree *)read;
	if (read && !strcmp((*tree)->uuid, store->uuid) && !checkpoint_tree_check(*tree, &why))
		return 0;
	bool earlier = read && strcmp((*tree)->uuid, store->uuid);
	checkpoint_tree_free(steal_ptr(*tree));
	if (!earlier)
		return error_set(err, ERROR_UNSAFE, "%s is refused: %s", path, why.message);
	log_info("vm=%s the checkpoints of an earlier VM of that name are thrown away", store->vm);
	*tree = checkpoint_tree_new(store->uuid, err);
	return !*tree || checkpoint_sweep(store, *tree, err) ? -1 : 0;
}

struct writing { // for the worker thread
	char path[PATH_MAX];
	char *text;
};

static int work_write(void *data, struct error *err)
{
	struct writing *writing = data;
	return file_write_atomic(writing->path, writing->text, strlen(writing->text), 0600, err);
}

int checkpoint_save(const struct checkpoint_store *store, const Holdfast__CheckpointTree *tree, struct error *err)
{
	struct writing writing;
	cleanup_free char *text = proto_to_json_text(&tree->base);
	if (!text)
		return error_set(err, ERROR_FAILED, "no memory for checkpoints");
	writing.text = text;
	return tree_path(store, writing.path, err) ? -1 : task_offload(work_write, &writing, err);
}

static bool in_tree(const Holdfast__CheckpointTree *tree, const char *id)
{
	for (size_t i = 0; i < tree->n_records; i++)
		if (!strcmp(tree->records[i]->id, id))
			return true;
	return false;
}

// Whether FILE is kept for a checkpoint of the VM that TREE does not have.
static bool is_stray(const struct checkpoint_store *store, const Holdfast__CheckpointTree *tree, const char *file)
{
	static const char *const kinds[] = { "memory", "vars" };
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char prefix[96];
		int length = snprintf(prefix, sizeof(prefix), "%s.%s-", store->vm, kinds[i]);
		if (!strncmp(file, prefix, (size_t)length))
			return !in_tree(tree, file + length);
	}
	return false;
}

int checkpoint_sweep(const struct checkpoint_store *store, const Holdfast__CheckpointTree *tree, struct error *err)
{
	int result = 0;
	DIR *directory = opendir(store->directory);
	if (!directory)
		return error_set_errno(err, errno, "cannot read %s", store->directory);
	for (struct dirent *entry; !result && (entry = readdir(directory));) {
		if (!is_stray(store, tree, entry->d_name))
			continue;
		if (unlinkat(dirfd(directory), entry->d_name, 0) && errno != ENOENT)
			result = error_set_errno(err, errno, "cannot remove %s", entry->d_name);
	}
	closedir(directory);
	return result;
}

struct copying { // for the worker thread
	char from[PATH_MAX], to[PATH_MAX];
};

static int work_copy(void *data, struct error *err)
{
	struct copying *copying = data;
	struct error why = ERROR_INIT;
	cleanup_free char *bytes = NULL;
	size_t count;
	if (!file_read(copying->from, VARS_LIMIT, &bytes, &count, &why))
		return file_write_atomic(copying->to, bytes, count, 0600, err);
	return why.code == ERROR_NOT_FOUND ? 0 : error_copy(err, &why);
}

static int copy_paths(const struct checkpoint_store *store, const char *id, char vars[PATH_MAX], char kept[PATH_MAX],
	struct error *err)
{
	int here = snprintf(vars, PATH_MAX, "%s/%s.vars", store->directory, store->uuid);
	int there = snprintf(kept, PATH_MAX, "%s/%s.vars-%s", store->directory, store->vm, id);
	return here >= PATH_MAX || there >= PATH_MAX
		? error_set(err, ERROR_USAGE, "%s is too long a path", store->directory)
		: 0;
}

int checkpoint_keep_vars(const struct checkpoint_store *store, const char *id, struct error *err)
{
	struct copying copying;
	return copy_paths(store, id, copying.from, copying.to, err) ? -1 : task_offload(work_copy, &copying, err);
}

int checkpoint_put_vars(const struct checkpoint_store *store, const char *id, struct error *err)
{
	struct copying copying;
	return copy_paths(store, id, copying.to, copying.from, err) ? -1 : task_offload(work_copy, &copying, err);
}

// The size of the state volume that would do, in steps of 32 MiB: a file system takes some of it for itself.
static uint64_t grown_mib(const Holdfast__Group *group, uint64_t missing_bytes)
{
	uint64_t mib = (missing_bytes + missing_bytes / 16) >> 20;
	for (size_t i = 0; i < group->n_volumes; i++)
		if (!group->volumes[i]->index)
			mib += group->volumes[i]->size_bytes >> 20;
	return mib / 32 * 32 + 64;
}

int checkpoint_room(
	const struct checkpoint_store *store, const Holdfast__Group *group, uint64_t bytes, uint64_t keep_bytes,
	struct error *err)
{
	struct statvfs fs;
	char how[128] = "make room on its file system";
	if (statvfs(store->directory, &fs))
		return error_set_errno(err, errno, "%s", store->directory);
	uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (bytes + keep_bytes <= room)
		return 0;
	if (group->storage == HOLDFAST__STORAGE_KIND__STORAGE_DRBD)
		snprintf(how, sizeof(how), "'holdfast volume grow %s.state %" PRIu64 "M'", group->name,
			grown_mib(group, bytes + keep_bytes - room));
	return error_set(err, ERROR_NO_SPACE,
		"the state volume has %" PRIu64 " MiB free; the memory of VM %s needs up to %" PRIu64
		", and %" PRIu64 " are kept for saving VMs: delete checkpoints, or grow the state volume: %s",
		room >> 20, store->vm, (bytes + (1 << 20) - 1) >> 20, (keep_bytes + (1 << 20) - 1) >> 20, how);
}
