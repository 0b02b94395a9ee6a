// SPDX-License-Identifier: GPL-3.0-or-later
// Keeps the views of all DRBD groups of this node current: DRBD's own netlink events say when, /proc/drbd says what. Each view's memory
// of "the peer vanished while we were UpToDate" is kept in RUN/storage/GROUP.json, which a reboot empties.
#ifndef STORAGE_DRBD_WATCH_H
#define STORAGE_DRBD_WATCH_H

#include "common/error.h"
#include "storage/drbd-view.h"

struct storage;
struct replica;
struct drbd_watch;

// Listens from now on; does nothing if it does already. DRBD's module must be loaded.
int drbd_watch_start(struct storage *storage, struct error *err) MUST_CHECK;
void drbd_watch_free(struct drbd_watch *watch);
// Looks now, at all groups: remembers, and tells storage's event callback what changed. Reads one small file of the kernel's.
int drbd_watch_look(struct storage *storage, struct error *err) MUST_CHECK;

// drbd-record.c: the memory of one group. A record of another boot is as good as none.
int drbd_record_save(const char *path, const struct drbd_view *view, struct error *err) MUST_CHECK;
int drbd_record_load(const char *path, struct drbd_view *view, struct error *err) MUST_CHECK;	// ERROR_NOT_FOUND

#endif
