// SPDX-License-Identifier: GPL-3.0-or-later
// DRBD 8.4 has a role per volume, a group has one: a partial result is undone.
#include "storage/drbd-roles.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include "common/log.h"
#include "common/loop.h"
#include "storage/internal.h"

#define RETRY_STEP_MS 5
#define TRANSIENT_RETRY_MS 1000 // while the connection's state just changes

static bool transient(enum drbd_result result)
{
	return result == DRBD_TRANSIENT || result == DRBD_CONCURRENT;
}

// There is no event for "nobody has it open any more" or "the state has settled": a bounded retry is all that can be done.
static bool again(enum drbd_result result, double began_ms)
{
	double passed = loop_now_ms() - began_ms;

	if (!(transient(result) && passed < TRANSIENT_RETRY_MS) &&
		!(result == DRBD_HELD_OPEN && passed < STORAGE_BUSY_RETRY_MS))
		return false;
	poll(NULL, 0, RETRY_STEP_MS);
	return true;
}

static int demote_one(struct drbd_netlink *netlink, uint32_t minor, double began_ms, struct error *err)
{
	enum drbd_result result;
	char device[32], holders[256];

	do {
		if (drbd_netlink_secondary(netlink, minor, &result, err) == 0)
			return 0;
	} while (again(result, began_ms));
	if (result != DRBD_HELD_OPEN)
		return -1;
	snprintf(device, sizeof(device), "/dev/drbd%u", minor);
	holders_describe(device, holders, sizeof(holders));
	return error_set(err, ERROR_BUSY, "%s cannot be given up: it is %s", device,
		holders[0] ? holders : "held open by somebody who cannot be found");
}

static int promote_one(struct drbd_netlink *netlink, uint32_t minor, enum drbd_force force, struct error *err)
{
	double began_ms = loop_now_ms();
	enum drbd_result result;

	do {
		if (drbd_netlink_primary(netlink, minor, force, &result, err) == 0)
			return 0;
	} while (transient(result) && again(result, began_ms));
	return -1;
}

static int promote_all(struct drbd_netlink *netlink, const struct drbd_roles *roles, struct error *err)
{
	for (size_t i = 0; i < roles->count; i++) {
		if (promote_one(netlink, roles->minors[i], roles->force ? roles->force[i] : DRBD_NO_FORCE,
			    err) == 0)
			continue;
		struct error undo = ERROR_INIT;
		while (i-- > 0)
			if (demote_one(netlink, roles->minors[i], loop_now_ms(), &undo) < 0)
				log_error("undoing a promotion: %s", undo.message);
		return -1;
	}
	return 0;
}

static int demote_all(struct drbd_netlink *netlink, const struct drbd_roles *roles, struct error *err)
{
	double began_ms = loop_now_ms();

	for (size_t i = 0; i < roles->count; i++) {
		if (demote_one(netlink, roles->minors[i], began_ms, err) == 0)
			continue;
		struct error undo = ERROR_INIT;
		while (i-- > 0)
			if (promote_one(netlink, roles->minors[i], DRBD_NO_FORCE, &undo) < 0)
				log_error("undoing a demotion: %s", undo.message);
		return -1;
	}
	error_clear(err); // of an earlier try
	return 0;
}

int drbd_roles_promote(const struct drbd_roles *roles, struct error *err)
{
	struct drbd_netlink *netlink = drbd_netlink_open(err);
	int result = netlink ? promote_all(netlink, roles, err) : -1;

	drbd_netlink_close(netlink);
	return result;
}

int drbd_roles_demote(const struct drbd_roles *roles, struct error *err)
{
	struct drbd_netlink *netlink = drbd_netlink_open(err);
	int result = netlink ? demote_all(netlink, roles, err) : -1;

	drbd_netlink_close(netlink);
	return result;
}
