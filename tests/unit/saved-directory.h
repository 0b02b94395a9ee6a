// SPDX-License-Identifier: GPL-3.0-or-later
// The saved state of a VM "db" in a directory of the test's own, as its cmocka setup and teardown.
#ifndef TESTS_UNIT_SAVED_DIRECTORY_H
#define TESTS_UNIT_SAVED_DIRECTORY_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "hypervisor/saved-state.h"

static char directory[] = "/tmp/test-saved.XXXXXX";
static const struct saved_state state_of = { directory, "db" };

static inline void path_of(const char *suffix, char path[300])
{
	snprintf(path, 300, "%s/db.%s", directory, suffix);
}

static inline int make_directory(void **state)
{
	snprintf(directory, sizeof(directory), "/tmp/test-saved.XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static inline int remove_directory(void **state)
{
	static const char *const suffixes[] = { "saved", "saving", "used", "refused", "generation" };
	char path[300];
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		path_of(suffixes[i], path);
		unlink(path);
	}
	return rmdir(directory);
}

#endif
