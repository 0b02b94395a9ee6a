// SPDX-License-Identifier: GPL-3.0-or-later
// Larger volumes under a guest that runs: the LVs of both replicas first, then DRBD, which takes its metadata along and resyncs the new part.
#ifndef STORAGE_DRBD_GROW_H
#define STORAGE_DRBD_GROW_H

#include "storage/internal.h"

int drbd_grow_backing(struct storage *storage, struct replica *replica, const Holdfast__Group *group, const Holdfast__Volume *volume,
	struct error *err);	// waits
int drbd_grow_volume(struct storage *storage, struct replica *replica, const Holdfast__Group *group, const Holdfast__Volume *volume,
	struct error *err);	// waits
// GROUP, to be applied, with no volume smaller than it is in DRBD: a growth that broke off before its definition was changed must not be taken back
// under a guest. The caller frees it; NULL: no memory.
Holdfast__Group *drbd_grown(struct storage *storage, struct replica *replica, const Holdfast__Group *group);

#endif
