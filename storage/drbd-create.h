// SPDX-License-Identifier: GPL-3.0-or-later
// The backing of a group's replica: an LV per volume, zeroed, with DRBD's metadata. All wait.
#ifndef STORAGE_DRBD_CREATE_H
#define STORAGE_DRBD_CREATE_H

#include "common/error.h"
#include "proto/definition.pb-c.h"

struct storage;

// Makes what is missing and leaves alone what is finished; what a crash left half made is made again. Either all volumes are there
// afterwards, or none of those that this call made.
int drbd_create_backing(struct storage *storage, const Holdfast__Group *group, struct error *err) MUST_CHECK;
// Removes the LVs that were made for this GROUP (not for an earlier one of that name), but those of the volumes in KEEP (may be NULL).
// DRBD must have given them up.
int drbd_remove_backing(struct storage *storage, const Holdfast__Group *group, const Holdfast__Group *keep, struct error *err) MUST_CHECK;

#endif
