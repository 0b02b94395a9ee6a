// SPDX-License-Identifier: GPL-3.0-or-later
// The `drbd` back end's verbs. Order is what keeps them safe after a crash at any point: a record first, then LVs (finished ones are never
// touched again), then the .res file, then the kernel; and the other way round to take a replica away.
#include "storage/internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "storage/drbd-create.h"
#include "storage/drbd-device.h"
#include "storage/drbd-grow.h"
#include "storage/drbd-res.h"
#include "storage/drbd-roles.h"
#include "storage/drbd-setup.h"

#define CONNECT_WAIT_MS 15000 // both sides were applied just now

// ---- roles of all volumes of a definition

struct role_change {
	struct drbd_roles roles;
	bool promote;
};

static int change_roles(void *data, struct error *err)
{
	const struct role_change *change = data;

	return change->promote ? drbd_roles_promote(&change->roles, err)
			       : drbd_roles_demote(&change->roles, err);
}

static int run_change(struct storage *storage, const Holdfast__Group *group, bool promote,
	const enum drbd_force *force, struct error *err)
{
	cleanup_free uint32_t *minors = calloc(group->n_volumes + 1, sizeof(*minors));
	struct role_change change = {
		.roles = { .minors = minors, .count = group->n_volumes, .force = force }, .promote = promote
	};
	struct error look = ERROR_INIT;

	if (!minors)
		return error_set_errno(err, ENOMEM, "roles");
	for (size_t i = 0; i < group->n_volumes; i++)
		minors[i] = group->volumes[i]->minor;
	int result = task_offload(change_roles, &change, err);
	if (drbd_watch_look(storage, &look) < 0)
		log_warning("group=%s %s", group->name, look.message);
	return result;
}

// ---- making and removing

static int check_host_name(const char *node, struct error *err)
{
	char host[HOST_NAME_MAX + 1] = "";

	if (gethostname(host, sizeof(host) - 1) < 0 || strcmp(host, node) != 0)
		return error_set(err, ERROR_USAGE,
			"this node is called %s, its host name is %s: drbdadm needs them to be the same",
			node, host);
	return 0;
}

static int check_conflicts(const struct storage *storage, const Holdfast__Group *group, struct error *err)
{
	for (const struct replica *other = storage->replicas; other; other = other->next) {
		if (!other->here || other->backend != &storage_drbd_backend ||
			strcmp(other->group->name, group->name) == 0)
			continue;
		if (other->group->port == group->port)
			return error_set(err, ERROR_EXISTS, "TCP port %u belongs to group %s", group->port,
				other->group->name);
		for (size_t i = 0; i < group->n_volumes; i++)
			for (size_t j = 0; j < other->group->n_volumes; j++)
				if (group->volumes[i]->minor == other->group->volumes[j]->minor)
					return error_set(err, ERROR_EXISTS,
						"DRBD's minor %u belongs to group %s",
						group->volumes[i]->minor, other->group->name);
	}
	return 0;
}

static void undo_new(struct storage *storage, struct replica *replica)
{
	struct error err = ERROR_INIT;

	task_uncancel(task_self());
	if (drbd_unconfigure(storage, replica->group, &err) < 0 ||
		drbd_remove_backing(storage, replica->group, NULL, &err) < 0 ||
		replica_forget(storage, replica, &err) < 0)
		log_warning("group=%s what was made of it could not be removed: %s", replica->group->name,
			err.message);
}

static int apply_new(
	struct storage *storage, struct replica *replica, const Holdfast__Group *group, struct error *err)
{
	if (replica_save(storage, replica, group, err) < 0)
		return -1;
	if (drbd_create_backing(storage, group, err) == 0 && drbd_configure(storage, group, err) == 0)
		return drbd_watch_look(storage, err);
	undo_new(storage, replica);
	return -1;
}

// Volumes that are defined no longer: DRBD lets go of a Secondary only. (So the node that runs the group is applied first.) Each by itself, since
// `drbdadm adjust` leaves all but one of them where they are.
static int drop_volumes(struct storage *storage, const struct replica *replica,
	const Holdfast__Group *group, struct error *err)
{
	Holdfast__Group dropped = HOLDFAST__GROUP__INIT;
	cleanup_free Holdfast__Volume **volumes =
		calloc(replica->group->n_volumes + 1, sizeof(struct Holdfast__Volume *));

	if (!volumes)
		return error_set_errno(err, ENOMEM, "roles");
	dropped.name = group->name;
	dropped.volumes = volumes;
	for (size_t i = 0; i < replica->group->n_volumes; i++) {
		const struct drbd_view_volume *seen =
			drbd_view_volume(&replica->view, replica->group->volumes[i]->index);
		if (!group_volume(group, replica->group->volumes[i]->index) && seen && seen->seen.up)
			volumes[dropped.n_volumes++] = replica->group->volumes[i];
	}
	if (dropped.n_volumes && run_change(storage, &dropped, false, NULL, err) < 0)
		return -1;
	for (size_t i = 0; i < dropped.n_volumes; i++)
		if (drbd_drop_volume(volumes[i]->minor, err) < 0)
			return -1;
	return 0;
}

static int apply_again(
	struct storage *storage, struct replica *replica, const Holdfast__Group *group, struct error *err)
{
	if (strcmp(replica->group->created, group->created) != 0)
		return error_set(err, ERROR_EXISTS,
			"the replica here is of an earlier group of that name, made %s: delete that one "
			"first",
			replica->group->created);
	if (drbd_create_backing(storage, group, err) < 0 ||
		drop_volumes(storage, replica, group, err) < 0 || drbd_configure(storage, group, err) < 0)
		return -1;
	// Volumes that are no longer defined have left DRBD now; only those that the last definition had are taken away.
	if (drbd_remove_backing(storage, replica->group, group, err) < 0 ||
		replica_save(storage, replica, group, err) < 0)
		return -1;
	return drbd_watch_look(storage, err);
}

static int drbd_apply(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
	const char *node, struct error *err)
{
	if (drbd_res_check(group, node, err) < 0 || check_host_name(node, err) < 0 ||
		check_conflicts(storage, group, err) < 0 || drbd_prepare(storage, err) < 0 ||
		drbd_watch_look(storage, err) < 0)
		return -1;
	if (!replica->here)
		return apply_new(storage, replica, group, err);
	Holdfast__Group *grown = drbd_grown(storage, replica, group);
	int result = grown ? apply_again(storage, replica, grown, err)
			   : error_set_errno(err, ENOMEM, "group %s", group->name);
	if (grown)
		holdfast__group__free_unpacked(grown, NULL);
	return result;
}

static int drbd_bring_up(struct storage *storage, struct replica *replica, struct error *err)
{
	if (drbd_res_check(replica->group, storage->node, err) < 0 ||
		check_host_name(storage->node, err) < 0 || drbd_prepare(storage, err) < 0 ||
		drbd_watch_look(storage, err) < 0 || drbd_configure(storage, replica->group, err) < 0)
		return -1;
	return drbd_watch_look(storage, err);
}

static int drbd_destroy(struct storage *storage, struct replica *replica, struct error *err)
{
	char path[PATH_MAX];

	if (!replica->here)
		return 0;
	if (drbd_watch_look(storage, err) < 0)
		return -1;
	for (size_t i = 0; i < replica->view.count; i++)
		if (replica->view.volumes[i].now.role == HOLDFAST__ROLE__ROLE_PRIMARY)
			return error_set(err, ERROR_BUSY, "it is Primary on this node: stop it first");
	if (drbd_unconfigure(storage, replica->group, err) < 0 ||
		drbd_remove_backing(storage, replica->group, NULL, err) < 0)
		return -1;
	if (path_format(path, sizeof(path), err, "%s/%s.json", storage->run_path, replica->group->name) < 0 ||
		file_remove(path, err) < 0)
		return -1;
	return replica_forget(storage, replica, err);
}

typedef bool view_test(const struct replica *replica);

// Until TEST holds, or the time is up: 1 or 0.
static int await_view(struct storage *storage, struct replica *replica, view_test *test, unsigned timeout_ms,
	struct error *err)
{
	double deadline = loop_now_ms() + timeout_ms;
	struct error late = ERROR_INIT;

	if (drbd_watch_start(storage, err) < 0 || drbd_watch_look(storage, err) < 0)
		return -1;
	while (!test(replica)) {
		double left = deadline - loop_now_ms();
		if (left < 1)
			return 0;
		if (task_wait(&replica->looked, (unsigned)left, "DRBD", &late) < 0 &&
			late.code != ERROR_TIMEOUT)
			return error_copy(err, &late);
	}
	return 1;
}

static bool all_connected(const struct replica *replica)
{
	for (size_t i = 0; i < replica->view.count; i++)
		if (!replica->view.volumes[i].now.connected)
			return false;
	return true;
}

// Fresh on both sides, or (result 1) in sync already.
static int check_blank(const struct replica *replica, uint32_t index, struct error *err)
{
	const struct drbd_view_volume *volume = drbd_view_volume(&replica->view, index);

	if (!volume || !volume->seen.up)
		return error_set(err, ERROR_NOT_FOUND, "volume %u is not up here", index);
	const struct drbd_minor *now = &volume->now;
	if (now->connected && strcmp(now->disk, "UpToDate") == 0 && strcmp(now->peer_disk, "UpToDate") == 0)
		return 1;
	if (now->connected && now->sync == DRBD_SYNC_NONE && now->role == HOLDFAST__ROLE__ROLE_SECONDARY &&
		now->peer_role == HOLDFAST__ROLE__ROLE_SECONDARY && strcmp(now->disk, "Inconsistent") == 0 &&
		strcmp(now->peer_disk, "Inconsistent") == 0)
		return 0;
	return error_set(err, ERROR_UNSAFE,
		"volume %u is not fresh on both sides (%s; %s here, %s on the other node): only a new, "
		"connected "
		"volume can be declared in sync",
		index, now->connection, now->disk, now->peer_disk);
}

static int drbd_declare_in_sync(
	struct storage *storage, struct replica *replica, uint32_t index, struct error *err)
{
	if (await_view(storage, replica, all_connected, CONNECT_WAIT_MS, err) < 0)
		return -1;
	int blank = check_blank(replica, index, err);
	if (blank)
		return blank < 0 ? -1 : 0;
	if (drbd_clear_bitmap(storage, replica->group, index, err) < 0)
		return -1;
	return drbd_watch_look(storage, err);
}

// ---- promote and demote

static bool peer_is_not_primary(const struct replica *replica)
{
	for (size_t i = 0; i < replica->view.count; i++) {
		const struct drbd_minor *now = &replica->view.volumes[i].now;
		if (now->role != HOLDFAST__ROLE__ROLE_PRIMARY &&
			now->peer_role == HOLDFAST__ROLE__ROLE_PRIMARY)
			return false;
	}
	return true;
}

static int drbd_promote(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
	const struct storage_promote *params, struct error *err)
{
	cleanup_free enum drbd_force *force = calloc(group->n_volumes + 1, sizeof(*force));

	if (!force)
		return error_set_errno(err, ENOMEM, "roles");
	// If the peer's last word was that it is Primary, its demotion may be on the wire, or it is dead and fenced, and DRBD will notice in some
	// seconds. To ask the kernel too early costs more than to wait: it sleeps for a ping-timeout. If it stays so, the check says it in words.
	if (await_view(storage, replica, peer_is_not_primary, 2 * DRBD_LOSS_NOTICED_MS, err) < 0 ||
		drbd_check_fresh(storage, replica, group, params, force, err) < 0)
		return -1;
	return run_change(storage, group, true, force, err);
}

static int drbd_may_promote(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
	const struct storage_promote *params, struct error *err)
{
	return drbd_check_fresh(storage, replica, group, params, NULL, err);
}

static int drbd_demote(
	struct storage *storage, struct replica *replica, const Holdfast__Group *group, struct error *err)
{
	if (drbd_watch_look(storage, err) < 0)
		return -1;
	for (size_t i = 0; i < replica->view.count; i++)
		// The kernel would wait for writes that wait for the handler, and take the worker thread with it.
		if (replica->view.volumes[i].seen.up && replica->view.volumes[i].now.suspended)
			return error_set(err, ERROR_BUSY, "its writes wait until it is sure that %s is gone",
				drbd_res_peer(group, storage->node));
	return run_change(storage, group, false, NULL, err);
}

// ---- status

static void drbd_status(struct storage *storage, struct replica *replica, const Holdfast__Volume *volume,
	Holdfast__VolumeStatus *status)
{
	char device[32];

	const struct drbd_view_volume *seen = drbd_view_volume(&replica->view, volume->index);
	bool up = seen && seen->seen.up;
	snprintf(device, sizeof(device), "/dev/drbd%u", volume->minor);
	char *texts[] = { strdup(device), strdup(up ? seen->now.disk : "Diskless"),
		strdup(up ? seen->now.peer_disk : "DUnknown"),
		strdup(up ? seen->now.connection : "StandAlone") };
	char **fields[] = { &status->device, &status->disk, &status->peer_disk, &status->connection };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i])
			*fields[i] = texts[i];
	if (!up)
		return;
	status->role = seen->now.role;
	status->peer_role = seen->now.peer_role;
	status->sync_percent = seen->now.sync_percent;
	status->suspended = seen->now.suspended;
}

static char *drbd_problem(struct storage *storage, struct replica *replica, size_t at)
{
	char text[512];
	struct error err = ERROR_INIT;

	if (at == 0 && drbd_watch_look(storage, &err) < 0)
		return strdup(err.message);
	if (drbd_view_problem(&replica->view, storage->node, drbd_res_peer(replica->group, storage->node), at,
		    text, sizeof(text)))
		return strdup(text);
	// The last one, after those of the view.
	if (at > 0 && !drbd_view_problem(&replica->view, storage->node, "", at - 1, text, sizeof(text)))
		return NULL;
	drbd_handlers_problem(text, sizeof(text));
	return text[0] ? strdup(text) : NULL;
}

const struct storage_backend storage_drbd_backend = {
	.name = "replicated (DRBD)",
	.apply = drbd_apply,
	.declare_in_sync = drbd_declare_in_sync,
	.bring_up = drbd_bring_up,
	.destroy = drbd_destroy,
	.promote = drbd_promote,
	.demote = drbd_demote,
	.mount = drbd_mount,
	.unmount = drbd_unmount,
	.may_promote = drbd_may_promote,
	.open_volume = drbd_open_volume,
	.volume_bytes = drbd_volume_bytes,
	.grow_backing = drbd_grow_backing,
	.grow_volume = drbd_grow_volume,
	.status = drbd_status,
	.problem = drbd_problem,
};
