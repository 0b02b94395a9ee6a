// SPDX-License-Identifier: GPL-3.0-or-later
// Scope-bound release: `cleanup_fd int fd = -1;` closes on every way out. steal_* hand ownership on.
#ifndef COMMON_CLEANUP_H
#define COMMON_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_p(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_fd_p(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_file_p(FILE **file)
{
	if (*file)
		fclose(*file);
}

#define cleanup_free __attribute__((cleanup(cleanup_free_p)))
#define cleanup_fd __attribute__((cleanup(cleanup_fd_p)))
#define cleanup_file __attribute__((cleanup(cleanup_file_p)))

#define steal_ptr(p) __extension__({ __typeof__(p) stolen_ = (p); (p) = NULL; stolen_; })

static inline int steal_fd(int *fd)
{
	int stolen = *fd;
	*fd = -1;
	return stolen;
}

#endif
