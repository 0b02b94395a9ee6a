// SPDX-License-Identifier: GPL-3.0-or-later
// Who may use a group of files: the flock on BASE/lock, held by the hypervisord that promoted it, its content the node's name; and a
// shared flock on each volume that is open, which goes with the descriptor into QEMU and so outlives hypervisord. Blocking (a shared
// directory may be slow).
#ifndef STORAGE_FILE_LOCK_H
#define STORAGE_FILE_LOCK_H

#include <stdbool.h>
#include "common/error.h"
#include "proto/definition.pb-c.h"

// ERROR_BUSY, with the other node's name, if it is held elsewhere or if another node's guests still have volumes open.
int file_lock_take(const char *base, const char *node, const Holdfast__Group *group, int *fd, struct error *err) MUST_CHECK;
// What take would say. Changes nothing.
int file_lock_check(const char *base, const char *node, const Holdfast__Group *group, struct error *err) MUST_CHECK;
bool file_lock_is_ours(const char *base, int fd);	// false once it was taken away
void file_lock_release(int fd);
// For the agent when hypervisord hangs: the lock file is removed, whoever holds it no longer has what others look at.
int file_lock_take_away(const char *base, struct error *err) MUST_CHECK;

int file_volume_mark_used(int fd, const char *path, struct error *err) MUST_CHECK;
// ERROR_BUSY, naming the holder, if a volume is open anywhere.
int file_volumes_unused(const char *base, const Holdfast__Group *group, struct error *err) MUST_CHECK;

// The whole of giving up a group of files without hypervisord. DIRECTORY is the configured one, for groups that name none.
int storage_file_demote_blocking(const Holdfast__Group *group, const char *directory, struct error *err) MUST_CHECK;

#endif
