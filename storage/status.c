// SPDX-License-Identifier: GPL-3.0-or-later
// Volumes and problems as others are shown them. Never waits and starts no process: it is asked for often.
#include "storage/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int copy_text(char **to, const char *from)
{
	*to = strdup(from);
	return *to ? 0 : -1;
}

// All strings are owned by the message, none is protobuf's shared empty string: its receiver may change them.
static Holdfast__VolumeStatus *volume_status(
	struct storage *storage, struct replica *replica, const Holdfast__Volume *volume)
{
	Holdfast__VolumeStatus *status = malloc(sizeof(*status));

	if (!status)
		return NULL;
	holdfast__volume_status__init(status);
	status->index = volume->index;
	status->minor = volume->minor;
	status->size_bytes = volume->size_bytes;
	status->sync_percent = 100;
	status->name = status->group = status->node = NULL;
	if (copy_text(&status->name, volume->name) < 0 ||
		copy_text(&status->group, replica->group->name) < 0 ||
		copy_text(&status->node, storage->node) < 0) {
		holdfast__volume_status__free_unpacked(status, NULL);
		return NULL;
	}
	replica->backend->status(storage, replica, volume, status);
	return status;
}

static void free_all(Holdfast__VolumeStatus **volumes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		holdfast__volume_status__free_unpacked(volumes[i], NULL);
	free(volumes);
}

int storage_status(struct storage *storage, const char *group, Holdfast__VolumeStatus ***volumes,
	size_t *count, struct error *err)
{
	size_t room = 0, used = 0;

	if (drbd_watch_look(storage, err) < 0)
		return -1;
	for (struct replica *replica = storage->replicas; replica; replica = replica->next)
		room += replica->group->n_volumes;
	Holdfast__VolumeStatus **list = calloc(room ? room : 1, sizeof(struct Holdfast__VolumeStatus *));
	if (!list)
		return error_set_errno(err, ENOMEM, "storage status");
	for (struct replica *replica = storage->replicas; replica; replica = replica->next) {
		if (!replica->here || (group && strcmp(replica->group->name, group) != 0))
			continue;
		for (size_t i = 0; i < replica->group->n_volumes; i++) {
			list[used] = volume_status(storage, replica, replica->group->volumes[i]);
			if (!list[used]) {
				free_all(list, used);
				return error_set_errno(err, ENOMEM, "storage status");
			}
			used++;
		}
	}
	*volumes = list;
	*count = used;
	return 0;
}

#define PROBLEMS_MAX 64

int storage_problems(
	struct storage *storage, const char *group, char ***problems, size_t *count, struct error *err)
{
	struct replica *replica = replica_find(storage, group);
	size_t used = 0;

	*problems = NULL;
	*count = 0;
	if (!replica || !replica->here)
		return 0;
	char **list = calloc(PROBLEMS_MAX, sizeof(char *));
	if (!list)
		return error_set_errno(err, ENOMEM, "storage problems");
	if (replica->problem && (list[used] = strdup(replica->problem)))
		used++;
	if (replica->backend->problem)
		for (size_t at = 0;
			used < PROBLEMS_MAX && (list[used] = replica->backend->problem(storage, replica, at));
			at++)
			used++;
	if (!used)
		free(list);
	else
		*problems = list;
	*count = used;
	return 0;
}
