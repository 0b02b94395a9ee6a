// SPDX-License-Identifier: GPL-3.0-or-later
// Small files: read with a limit, written atomically and durably. Blocking; the files are small and local.
#ifndef COMMON_FILE_H
#define COMMON_FILE_H

#include <stddef.h>
#include <sys/types.h>
#include "common/error.h"

// *text is NUL-terminated and the caller's to free. ERROR_NOT_FOUND if there is no such file; ERROR_NO_SPACE if it is over the limit.
int file_read(const char *path, size_t limit, char **text, size_t *bytes, struct error *err) MUST_CHECK;
// Temporary file in the same directory, fsync, rename, fsync of the directory. A reader sees the old or the new, after a crash too.
int file_write_atomic(const char *path, const void *bytes, size_t count, mode_t mode, struct error *err) MUST_CHECK;
int file_remove(const char *path, struct error *err) MUST_CHECK;	// with fsync of the directory; a missing file is fine
int file_make_directory(const char *path, mode_t mode, struct error *err) MUST_CHECK;	// with parents; existing is fine
// Root, and members of GROUP if there is such a group, may enter and read it; nobody else.
int file_let_group_in(const char *directory, const char *group, struct error *err) MUST_CHECK;

#endif
