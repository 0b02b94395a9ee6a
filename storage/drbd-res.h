// SPDX-License-Identifier: GPL-3.0-or-later
// A group's definition as a DRBD 8.4 resource: checks, sizes, and the text of its .res file. Pure.
#ifndef STORAGE_DRBD_RES_H
#define STORAGE_DRBD_RES_H

#include <stdint.h>
#include "common/error.h"
#include "proto/definition.pb-c.h"

#define DRBD_LOSS_NOTICED_MS 5000	// by when the .res file makes DRBD notice that its peer is gone
#define DRBD_HANDLERS "/usr/lib/holdfast"	// absolute: the kernel has no PATH of ours

// That GROUP can be a DRBD resource with a replica on NODE. Names, addresses and the secret are such that the text cannot be broken out of.
int drbd_res_check(const Holdfast__Group *group, const char *node, struct error *err) MUST_CHECK;
// The caller frees it; NULL only without memory. GROUP was checked. POOL is the volume group on both nodes.
char *drbd_res_render(const Holdfast__Group *group, const char *pool);
// What the LV must have for a usable size: DRBD's internal metadata (superblock, activity log, a bit per 4 KiB) is at its end.
uint64_t drbd_res_backing_bytes(uint64_t usable_bytes);
// The other replica's node; "" if there is none.
const char *drbd_res_peer(const Holdfast__Group *group, const char *node);

#endif
