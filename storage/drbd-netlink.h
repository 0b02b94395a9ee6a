// SPDX-License-Identifier: GPL-3.0-or-later
// DRBD 8.4's generic netlink, as much as is needed in a hurry: roles (0.5 to 1.3 ms instead of 80 for a program) and the data
// generation. Blocking; used on worker threads and by the agent. `primary` lasts as long as DRBD's fence-peer handler runs.
#ifndef STORAGE_DRBD_NETLINK_H
#define STORAGE_DRBD_NETLINK_H

#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"

struct drbd_netlink;

struct drbd_netlink *drbd_netlink_open(struct error *err) MUST_CHECK;	// NULL: not loaded, or not allowed
void drbd_netlink_close(struct drbd_netlink *netlink);

enum drbd_result {		// of DRBD; the rest is DRBD_OTHER
	DRBD_DONE = 1,
	DRBD_NOTHING_TO_DO = 2,
	DRBD_TWO_PRIMARIES = -1,
	DRBD_NO_UP_TO_DATE_DISK = -2,
	DRBD_PEER_NOT_OUTDATED = -7,
	DRBD_HELD_OPEN = -12,
	DRBD_TRANSIENT = -18,
	DRBD_CONCURRENT = -19,
	DRBD_OTHER_VOLUME_PRIMARY = -20,
	DRBD_OTHER = -1000,
};

enum drbd_force { DRBD_NO_FORCE, DRBD_FORCE };
// *result (may be NULL) is set also when -1 is returned.
int drbd_netlink_primary(struct drbd_netlink *netlink, uint32_t minor, enum drbd_force force, enum drbd_result *result,
	struct error *err) MUST_CHECK;
int drbd_netlink_secondary(struct drbd_netlink *netlink, uint32_t minor, enum drbd_result *result, struct error *err) MUST_CHECK;

#define DRBD_UUID_JUST_CREATED 4

struct drbd_generation {
	uint64_t current, bitmap;	// UUIDs; bitmap is 0 unless there are changes that the peer has not got
};
// ERROR_NOT_FOUND if the minor has no disk.
int drbd_netlink_generation(struct drbd_netlink *netlink, uint32_t minor, struct drbd_generation *generation, struct error *err) MUST_CHECK;

// What a result of a role change means, for a message.
const char *drbd_result_text(int result);

#endif
