// SPDX-License-Identifier: GPL-3.0-or-later
// Where images may be: below the node's image-directory, whoever asks. hypervisord reads and writes them as root, for callers who are not: any other
// file of the node would be theirs through it. No link leads out of it. The functions block: for worker threads.
#ifndef HYPERVISOR_IMAGE_PLACE_H
#define HYPERVISOR_IMAGE_PLACE_H

#include "hypervisor/group.h"

#define IMAGE_PATH_BYTES 1024

struct image_place {
	int directory;			// the one that it is in; -1: none
	char name[256];			// in there
	const char *path;		// for messages; the caller's
};

// An image, for reading: a file or a block device.
int image_open(const struct hypervisor *hv, const char *path, int *fd, bool *device, struct error *err) MUST_CHECK;
// Where something is, or is to be made. The caller ends it in any case.
int image_place_find(const struct hypervisor *hv, const char *path, struct image_place *place, struct error *err) MUST_CHECK;
void image_place_done(struct image_place *place);

#endif
