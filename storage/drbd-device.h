// SPDX-License-Identifier: GPL-3.0-or-later
// The rest of the drbd back end: whether a promotion is allowed, and what is done with the devices of a group that is Primary here.
#ifndef STORAGE_DRBD_DEVICE_H
#define STORAGE_DRBD_DEVICE_H

#include "storage/drbd-netlink.h"
#include "storage/internal.h"

// ERROR_UNSAFE with whom it waits for, and since when. FORCE (may be NULL) gets what the kernel has to be told for each volume.
int drbd_check_fresh(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
	const struct storage_promote *params, enum drbd_force *force, struct error *err) MUST_CHECK;

int drbd_open_volume(struct storage *storage, struct replica *replica, const Holdfast__Group *group, const Holdfast__Volume *volume,
	int *fd, uint64_t *bytes, struct error *err);
int drbd_volume_bytes(struct storage *storage, struct replica *replica, const Holdfast__Group *group, const Holdfast__Volume *volume,
	uint64_t *bytes, struct error *err);
int drbd_mount(struct storage *storage, struct replica *replica, const Holdfast__Group *group, char **path, struct error *err);	// waits
int drbd_unmount(struct storage *storage, struct replica *replica, const Holdfast__Group *group, struct error *err);	// waits

#endif
