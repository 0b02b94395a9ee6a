// SPDX-License-Identifier: GPL-3.0-or-later
// What lvs and vgs may print, and anything else: either an error or values that are whole.
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include "storage/lvm.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct error err = ERROR_INIT;
	struct lvm_volume *volumes;
	struct lvm_pool pool;
	size_t used;
	char *text = malloc(count + 1);

	if (!text)
		return 0;
	memcpy(text, bytes, count);
	text[count] = '\0';
	if (lvm_parse_volumes(text, &volumes, &used, &err) == 0) {
		for (size_t i = 0; i < used; i++) {
			fuzz_assert(memchr(volumes[i].name, 0, sizeof(volumes[i].name)));
			fuzz_assert(memchr(volumes[i].tags, 0, sizeof(volumes[i].tags)));
			fuzz_assert(!lvm_has_tag(&volumes[i], "holdfast.ready") ||
				strstr(volumes[i].tags, "holdfast.ready"));
		}
		free(volumes);
	}
	if (lvm_parse_pool(text, &pool, &err) == 0)
		fuzz_assert(pool.extent_bytes > 0);
	free(text);
	return 0;
}
