// SPDX-License-Identifier: GPL-3.0-or-later
// The volumes of a group share one connection, so a group is told of in one sentence: its worst disk stands for it.
#include "storage/drbd-view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void drbd_view_done(struct drbd_view *view)
{
	free(view->volumes);
	*view = (struct drbd_view){ 0 };
}

const struct drbd_view_volume *drbd_view_volume(const struct drbd_view *view, uint32_t index)
{
	for (size_t i = 0; i < view->count; i++)
		if (view->volumes[i].index == index)
			return &view->volumes[i];
	return NULL;
}

void drbd_time_text(time_t at, char text[32])
{
	struct tm utc;

	gmtime_r(&at, &utc);
	strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

int drbd_view_look(const struct drbd_view *before, const Holdfast__Group *group,
	const struct drbd_minor *minors, size_t count, time_t at, struct drbd_view *view, struct error *err)
{
	bool lost = false;

	*view = (struct drbd_view){ .count = group->n_volumes, .looked = true };
	view->volumes = calloc(group->n_volumes + 1, sizeof(*view->volumes));
	if (!view->volumes)
		return error_set_errno(err, ENOMEM, "group %s", group->name);
	for (size_t i = 0; i < group->n_volumes; i++) {
		struct drbd_view_volume *volume = &view->volumes[i];
		const struct drbd_minor *now = drbd_proc_find(minors, count, group->volumes[i]->minor);
		const struct drbd_view_volume *old = drbd_view_volume(before, group->volumes[i]->index);
		volume->index = group->volumes[i]->index;
		volume->seen = freshness_see(old ? old->seen : (struct freshness_seen){ 0 }, now);
		if (now)
			volume->now = *now;
		lost = lost || !now || !now->connected;
	}
	if (lost)
		view->lost_since = before->lost_since ? before->lost_since : at;
	return 0;
}

bool drbd_view_differs(const struct drbd_view *a, const struct drbd_view *b)
{
	if (a->count != b->count || a->lost_since != b->lost_since)
		return true;
	for (size_t i = 0; i < a->count; i++) {
		const struct freshness_seen *x = &a->volumes[i].seen, *y = &b->volumes[i].seen;
		if (a->volumes[i].index != b->volumes[i].index || x->up != y->up ||
			x->connected != y->connected || x->current_at_loss != y->current_at_loss)
			return true;
	}
	return false;
}

// ---- in words

struct summary {
	bool up; // all volumes are configured
	bool connected, alone,
		suspended; // of any: there is one connection, a volume that was just added joins it a little later
	enum drbd_sync sync;
	double sync_percent; // of the volume that is furthest behind
	const char *disk, *peer_disk; // the worst
};

static int rank(const char *disk)
{
	static const char *const worst_first[] = { "Diskless", "Failed", "Detaching", "Attaching",
		"Inconsistent", "Outdated", "Negotiating", "DUnknown", "Consistent", "UpToDate" };

	for (size_t i = 0; i < sizeof(worst_first) / sizeof(worst_first[0]); i++)
		if (strcmp(worst_first[i], disk) == 0)
			return (int)i;
	return 0;
}

static struct summary summarize(const struct drbd_view *view)
{
	struct summary sum = {
		.up = view->count > 0, .sync_percent = 100, .disk = "UpToDate", .peer_disk = "UpToDate"
	};

	for (size_t i = 0; i < view->count; i++) {
		const struct drbd_minor *now = &view->volumes[i].now;
		if (!view->volumes[i].seen.up) {
			sum.up = false;
			continue;
		}
		sum.connected = sum.connected || now->connected;
		sum.alone = sum.alone || strcmp(now->connection, "StandAlone") == 0;
		sum.suspended = sum.suspended || now->suspended;
		if (now->sync != DRBD_SYNC_NONE) {
			sum.sync = now->sync;
			sum.sync_percent =
				now->sync_percent < sum.sync_percent ? now->sync_percent : sum.sync_percent;
		}
		sum.disk = rank(now->disk) < rank(sum.disk) ? now->disk : sum.disk;
		sum.peer_disk = rank(now->peer_disk) < rank(sum.peer_disk) ? now->peer_disk : sum.peer_disk;
	}
	return sum;
}

// On the way from one state to another: nobody has to read of these.
static bool passing(const char *disk)
{
	return strcmp(disk, "Attaching") == 0 || strcmp(disk, "Detaching") == 0 ||
		strcmp(disk, "Negotiating") == 0;
}

bool drbd_view_change(const struct drbd_view *before, const struct drbd_view *now, const char *node,
	const char *peer, char *text, size_t size)
{
	struct summary was = summarize(before), is = summarize(now);

	text[0] = '\0';
	if (!before->looked || before->count != now->count)
		return false; // what was before is not known, or another set of volumes
	if (!is.up && was.up)
		snprintf(text, size, "the replica on %s was taken down", node);
	else if (!is.up)
		return false;
	else if (is.alone && !was.alone)
		snprintf(text, size,
			"the replicas on %s and %s refuse each other: split brain, or another secret", node,
			peer);
	else if (is.suspended && !was.suspended)
		snprintf(text, size, "writes on %s wait until it is sure that %s is gone", node, peer);
	else if (!is.suspended && was.suspended)
		snprintf(text, size, "writes on %s go on", node);
	else if (was.connected && !is.connected)
		snprintf(text, size, "the replica on %s lost its peer %s; it is %s", node, peer, is.disk);
	else if (is.sync != was.sync && is.sync == DRBD_SYNC_TARGET)
		snprintf(text, size, "the replica on %s is being brought up to date from %s", node, peer);
	else if (is.sync == DRBD_SYNC_NONE && was.sync == DRBD_SYNC_TARGET && is.connected)
		snprintf(
			text, size, "the replica on %s has caught up with %s and is %s", node, peer, is.disk);
	else if (is.connected && !was.connected)
		snprintf(text, size, "the replica on %s is connected to %s and %s", node, peer, is.disk);
	else if (strcmp(is.disk, was.disk) != 0 && was.up && !passing(was.disk) && !passing(is.disk) &&
		is.sync == DRBD_SYNC_NONE)
		snprintf(text, size, "the replica on %s is %s now, was %s", node, is.disk, was.disk);
	return text[0] != '\0';
}

// Each asks one thing; the order is that of urgency.
static bool problem_up(const struct summary *sum, const struct drbd_view *view, const char *node,
	const char *peer, char *text, size_t size)
{
	if (sum->up)
		return false;
	snprintf(text, size, "the replica on %s is not up: DRBD does not have all of its volumes", node);
	return true;
}

static bool problem_frozen(const struct summary *sum, const struct drbd_view *view, const char *node,
	const char *peer, char *text, size_t size)
{
	if (!sum->suspended)
		return false;
	snprintf(text, size, "writes on %s wait until it is sure that %s is gone", node, peer);
	return true;
}

static bool problem_connection(const struct summary *sum, const struct drbd_view *view, const char *node,
	const char *peer, char *text, size_t size)
{
	char since[32];

	if (!sum->up || sum->connected)
		return false;
	drbd_time_text(view->lost_since, since);
	if (sum->alone)
		snprintf(text, size,
			"the replicas on %s and %s refuse each other since %s (split brain, or another "
			"secret): nothing is "
			"replicated; see the kernel's log, then decide whose changes are given up",
			node, peer, since);
	else
		snprintf(text, size,
			"the replica on %s is not connected to %s since %s: writes are on one node only",
			node, peer, since);
	return true;
}

static bool problem_disk(const struct summary *sum, const struct drbd_view *view, const char *node,
	const char *peer, char *text, size_t size)
{
	if (!sum->up || strcmp(sum->disk, "UpToDate") == 0)
		return false;
	if (sum->sync == DRBD_SYNC_TARGET)
		snprintf(text, size, "the replica on %s is being brought up to date from %s: %.0f %%", node,
			peer, sum->sync_percent);
	else
		snprintf(text, size, "the replica on %s is %s", node, sum->disk);
	return true;
}

static bool problem_peer_disk(const struct summary *sum, const struct drbd_view *view, const char *node,
	const char *peer, char *text, size_t size)
{
	if (!sum->connected || strcmp(sum->peer_disk, "UpToDate") == 0)
		return false;
	if (sum->sync == DRBD_SYNC_SOURCE)
		snprintf(text, size, "the replica on %s is being brought up to date: %.0f %%", peer,
			sum->sync_percent);
	else
		snprintf(text, size, "the replica on %s is %s", peer, sum->peer_disk);
	return true;
}

bool drbd_view_problem(
	const struct drbd_view *view, const char *node, const char *peer, size_t at, char *text, size_t size)
{
	static bool (*const checks[])(const struct summary *, const struct drbd_view *, const char *,
		const char *, char *,
		size_t) = { problem_up, problem_frozen, problem_connection, problem_disk, problem_peer_disk };
	struct summary sum = summarize(view);

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (checks[i](&sum, view, node, peer, text, size) && at-- == 0)
			return true;
	return false;
}
