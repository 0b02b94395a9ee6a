// SPDX-License-Identifier: GPL-3.0-or-later
// The node's DRBD as a whole: module, helper, pool; and the programs that configure a resource. All wait.
#ifndef STORAGE_DRBD_SETUP_H
#define STORAGE_DRBD_SETUP_H

#include <stddef.h>
#include <stdint.h>
#include "common/error.h"
#include "proto/definition.pb-c.h"

struct storage;

// Once: module loaded, helper right, pool active, events heard, .res files without a record removed.
int drbd_prepare(struct storage *storage, struct error *err) MUST_CHECK;
// Takes a volume of a Secondary away from DRBD, which lets go of its disk a moment later. Its peer keeps its own.
int drbd_drop_volume(uint32_t minor, struct error *err) MUST_CHECK;	// waits
// Writes the .res file and makes the kernel be what it says: attached, connected, new volumes added.
int drbd_configure(struct storage *storage, const Holdfast__Group *group, struct error *err) MUST_CHECK;
// Takes the resource down and its .res file away. Not up is fine.
int drbd_unconfigure(struct storage *storage, const Holdfast__Group *group, struct error *err) MUST_CHECK;
// Both sides of a fresh volume are blank: no resync. The kernel refuses it for any other volume.
int drbd_clear_bitmap(struct storage *storage, const Holdfast__Group *group, uint32_t index, struct error *err) MUST_CHECK;
// The .res file alone: the kernel is told later.
int drbd_write_res(const struct storage *storage, const Holdfast__Group *group, struct error *err) MUST_CHECK;
// Takes in what its logical volumes have got; on the Primary, both connected.
int drbd_resize(struct storage *storage, const Holdfast__Group *group, uint32_t index, struct error *err) MUST_CHECK;
// Why DRBD's calls for help would come to nothing on this node, in words; "" if they would not. Reads a few files.
void drbd_handlers_problem(char *text, size_t size);

#endif
