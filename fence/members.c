// SPDX-License-Identifier: GPL-3.0-or-later
// Corosync's quorum service, with its callbacks turned into a value to read.
#include "fence/members.h"

#include <stdlib.h>
#include <corosync/cmap.h>
#include <corosync/quorum.h>

#define DETECTION_DEFAULT_MS 10000

struct members_watch {
	quorum_handle_t handle;
	int fd;
	struct members now;
};

static void on_quorum(quorum_handle_t handle, uint32_t quorate, struct quorum_ring_id ring, uint32_t count,
	const uint32_t *nodes)
{
	struct members_watch *watch = NULL;

	if (quorum_context_get(handle, (const void **)&watch) != CS_OK || !watch)
		return;
	watch->now.quorate = quorate;
	watch->now.count = count < MEMBERS_MAX ? count : MEMBERS_MAX;
	for (size_t i = 0; i < watch->now.count; i++)
		watch->now.nodes[i] = nodes[i];
}

struct members_watch *members_open(struct error *err)
{
	quorum_model_v1_data_t model = { .model = QUORUM_MODEL_V1, .quorum_notify_fn = on_quorum };
	struct members_watch *watch = calloc(1, sizeof(*watch));
	uint32_t type;

	if (!watch) {
		error_set(err, ERROR_FAILED, "no memory for the membership");
		return NULL;
	}
	if (quorum_model_initialize(
		    &watch->handle, QUORUM_MODEL_V1, (quorum_model_data_t *)&model, &type, watch) != CS_OK) {
		free(watch);
		error_set(err, ERROR_UNREACHABLE, "corosync does not answer on this node: is it running?");
		return NULL;
	}
	if (quorum_fd_get(watch->handle, &watch->fd) != CS_OK ||
		quorum_trackstart(watch->handle, CS_TRACK_CURRENT | CS_TRACK_CHANGES) != CS_OK) {
		error_set(err, ERROR_UNREACHABLE, "corosync does not tell its membership");
		members_close(watch);
		return NULL;
	}
	return watch;
}

void members_close(struct members_watch *watch)
{
	if (!watch)
		return;
	quorum_finalize(watch->handle);
	free(watch);
}

int members_read(struct members_watch *watch, struct members *members, struct error *err)
{
	int quorate = 0;

	// the list comes with the notifications, quorum is asked for: it is never older than this call
	if (quorum_dispatch(watch->handle, CS_DISPATCH_ALL) != CS_OK ||
		quorum_getquorate(watch->handle, &quorate) != CS_OK)
		return error_set(err, ERROR_UNREACHABLE, "corosync went away");
	*members = watch->now;
	members->quorate = quorate && watch->now.quorate;
	return 0;
}

int members_fd(const struct members_watch *watch)
{
	return watch ? watch->fd : -1;
}

bool members_has(const struct members *members, uint32_t node)
{
	for (size_t i = 0; i < members->count; i++)
		if (members->nodes[i] == node)
			return true;
	return false;
}

unsigned members_detection_ms(void)
{
	cmap_handle_t handle;
	uint32_t token = 0, consensus = 0;

	if (cmap_initialize(&handle) != CS_OK)
		return DETECTION_DEFAULT_MS;
	cs_error_t got = cmap_get_uint32(handle, "runtime.config.totem.token", &token);
	if (got == CS_OK)
		got = cmap_get_uint32(handle, "runtime.config.totem.consensus", &consensus);
	cmap_finalize(handle);
	return got == CS_OK ? token + consensus : DETECTION_DEFAULT_MS;
}
