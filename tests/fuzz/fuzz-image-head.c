// SPDX-License-Identifier: GPL-3.0-or-later
// The heads of image files from anywhere: an accepted qcow2 or VMDK names no other file, whatever else is in it.
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include "hypervisor/image-check.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	static const uint8_t none[8];
	for (int format = 0; format < 5; format++) {
		struct error err = ERROR_INIT;
		if (image_check_head(bytes, count, count, (Holdfast__ImageFormat)format, &err)) {
			fuzz_assert(err.code == ERROR_USAGE || err.code == ERROR_UNSAFE);
			continue;
		}
		fuzz_assert(count > 0 && format < 4);
		if (format == HOLDFAST__IMAGE_FORMAT__IMAGE_QCOW2)
			fuzz_assert(count >= 104 && !memcmp(bytes + 8, none, 8));
		if (format == HOLDFAST__IMAGE_FORMAT__IMAGE_VMDK)
			fuzz_assert(memcmp(bytes + 12, none, 8) &&
				!memmem(bytes, 512, "# Disk DescriptorFile", 21));
	}
	return 0;
}
