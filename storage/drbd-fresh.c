// SPDX-License-Identifier: GPL-3.0-or-later
// Gathers what freshness.c decides on, for all volumes of a group, and says the refusal in words.
#include "storage/drbd-device.h"

#include <stdio.h>
#include <string.h>
#include "storage/drbd-res.h"

static int changes_peer_lacks(uint32_t minor, bool *lacks, struct error *err)
{
	struct drbd_netlink *netlink = drbd_netlink_open(err);
	struct drbd_generation generation = { 0 };
	int result = netlink ? drbd_netlink_generation(netlink, minor, &generation, err) : -1;

	drbd_netlink_close(netlink);
	*lacks = generation.bitmap != 0;
	return result;
}

static int gather(const struct drbd_view_volume *volume, const struct storage_promote *params,
	struct freshness_input *input, struct error *err)
{
	const struct drbd_minor *now = &volume->now;

	*input = (struct freshness_input){
		.connected = now->connected,
		.peer_primary = now->peer_role == HOLDFAST__ROLE__ROLE_PRIMARY,
		.already_primary = now->role == HOLDFAST__ROLE__ROLE_PRIMARY,
		.disk = freshness_disk(now->disk),
		.current_at_loss = volume->seen.current_at_loss,
		.force_old_data = params->force_old_data,
	};
	if (params->current && params->current[0])
		input->record =
			strcmp(params->current, params->node) == 0 ? RECORD_THIS_NODE : RECORD_OTHER_NODE;
	if (input->record != RECORD_THIS_NODE || input->disk == DISK_NONE)
		return 0;
	return changes_peer_lacks(now->minor, &input->changes_peer_lacks, err);
}

static int refuse(enum freshness_verdict verdict, const struct drbd_view *view, const struct drbd_minor *now,
	const char *node, const char *peer, const char *current, struct error *err)
{
	char since[32];

	drbd_time_text(view->lost_since, since);
	switch (verdict) {
	case STALE_PEER_PRIMARY:
		return error_set(err, ERROR_BUSY, "it is Primary on %s", peer);
	case STALE_NO_DISK:
		return error_set(err, ERROR_UNSAFE,
			"%s has no usable copy of volume minor %u (%s): it can only run on %s", node,
			now->minor, now->disk, peer);
	case STALE_INCOMPLETE:
		return error_set(err, ERROR_UNSAFE,
			"the copy on %s is incomplete (%.0f %% of a resync from %s): it waits for %s", node,
			now->sync == DRBD_SYNC_TARGET ? now->sync_percent : 0, peer, peer);
	case STALE_OUTDATED:
		return error_set(err, ERROR_UNSAFE,
			"the copy on %s is outdated, %s has newer data: it waits for %s, away since %s; an "
			"administrator "
			"can start it on the old data (group start --force-old-data)",
			node, peer, peer, since);
	case STALE_OTHER_CURRENT:
		return error_set(err, ERROR_UNSAFE,
			"only %s has current data: it waits for %s, away since %s; an administrator can "
			"start it on the "
			"old data of %s (group start --force-old-data)",
			current, current, since, node);
	case STALE_RECORD_DOUBTED:
		return error_set(err, ERROR_UNSAFE,
			"the cluster's record says that %s has current data, but its disk knows of no change "
			"that %s has "
			"not got, so the record may be an old one: it waits for %s, away since %s; an "
			"administrator can start it (group start "
			"--force-old-data)",
			node, peer, peer, since);
	default:
		return error_set(err, ERROR_UNSAFE,
			"%s has not seen %s since it booted, and %s may have newer data: it waits for %s, "
			"away since %s; "
			"an administrator can start it on the data of %s (group start --force-old-data)",
			node, peer, peer, peer, since, node);
	}
}

int drbd_check_fresh(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
	const struct storage_promote *params, enum drbd_force *force, struct error *err)
{
	const char *peer = drbd_res_peer(group, params->node);

	if (!replica->here)
		return error_set(err, ERROR_NOT_FOUND, "it has no replica on this node");
	if (drbd_watch_look(storage, err) < 0)
		return -1;
	for (size_t i = 0; i < group->n_volumes; i++) {
		const struct drbd_view_volume *volume =
			drbd_view_volume(&replica->view, group->volumes[i]->index);
		struct freshness_input input;
		if (!volume || !volume->seen.up)
			return error_set(err, ERROR_FAILED, "volume %u is not up on this node%s%s",
				group->volumes[i]->index, replica->problem ? ": " : "",
				replica->problem ?: "");
		if (gather(volume, params, &input, err) < 0)
			return -1;
		enum freshness_verdict verdict = freshness_decide(&input);
		if (!freshness_allows(verdict))
			return refuse(verdict, &replica->view, &volume->now, params->node, peer,
				params->current, err);
		// Only an outdated disk has to be forced on the kernel too; for the others it still asks the fence-peer handler.
		if (force)
			force[i] = verdict == FRESH_FORCED && input.disk == DISK_OUTDATED ? DRBD_FORCE
											  : DRBD_NO_FORCE;
	}
	return 0;
}
