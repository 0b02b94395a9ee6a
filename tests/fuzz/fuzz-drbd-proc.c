// SPDX-License-Identifier: GPL-3.0-or-later
// /proc/drbd with anything in it: either an error or minors whose every field is in range.
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include "storage/drbd-proc.h"

static void check(const struct drbd_minor *minor)
{
	fuzz_assert(memchr(minor->connection, 0, sizeof(minor->connection)) && minor->connection[0]);
	fuzz_assert(memchr(minor->disk, 0, sizeof(minor->disk)) &&
		memchr(minor->peer_disk, 0, sizeof(minor->peer_disk)));
	fuzz_assert(minor->sync_percent >= 0 && minor->sync_percent <= 100);
	fuzz_assert(minor->sync == DRBD_SYNC_NONE || minor->connected);
	fuzz_assert(minor->role <= HOLDFAST__ROLE__ROLE_PRIMARY &&
		minor->peer_role <= HOLDFAST__ROLE__ROLE_PRIMARY);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct error err = ERROR_INIT;
	struct drbd_minor *minors;
	size_t used;
	char *text = malloc(count + 1);

	if (!text)
		return 0;
	memcpy(text, bytes, count);
	text[count] = '\0';
	if (drbd_proc_parse(text, &minors, &used, &err) == 0) {
		for (size_t i = 0; i < used; i++)
			check(&minors[i]);
		free(minors);
	} else
		fuzz_assert(err.code != ERROR_NONE && err.message[0]);
	free(text);
	return 0;
}
