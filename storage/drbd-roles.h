// SPDX-License-Identifier: GPL-3.0-or-later
// Roles of a whole group: all volumes or none. Blocking, no loop: on worker threads of hypervisord, and in the agent.
#ifndef STORAGE_DRBD_ROLES_H
#define STORAGE_DRBD_ROLES_H

#include <stddef.h>
#include "common/error.h"
#include "storage/drbd-netlink.h"

struct drbd_roles {
	const uint32_t *minors;
	size_t count;
	const enum drbd_force *force;	// of a promotion, one per minor; NULL: none
};

// After a failure those that were Secondary before are Secondary again. Lasts as long as the fence-peer handler, if the peer is away.
int drbd_roles_promote(const struct drbd_roles *roles, struct error *err) MUST_CHECK;
// A volume that is held open is tried again for STORAGE_BUSY_RETRY_MS; then ERROR_BUSY names the holder and all are Primary again.
int drbd_roles_demote(const struct drbd_roles *roles, struct error *err) MUST_CHECK;

#endif
