// SPDX-License-Identifier: GPL-3.0-or-later
// Copies one disk image into another, whatever their formats: by the block layer of a QEMU without a machine, as a user without rights, in
// QEMU's sandbox, with every file passed as a descriptor, so that no path is opened for what an image says. It dies with hypervisord. Knows
// neither volumes nor VMs.
#ifndef HYPERVISOR_CONVERT_H
#define HYPERVISOR_CONVERT_H

#include <stdbool.h>
#include "hypervisor/group.h"

#define CONVERT_PARENTS_MAX 8

struct convert_image {
	int fd;				// stays the caller's; a source may be read-only
	bool device;			// a block device
	Holdfast__ImageFormat format;
};

// PERCENT from 0 to 100, as often as it changes.
typedef void convert_progress_cb(double percent, void *data);

struct convert_params {
	struct hypervisor *hv;
	const char *name;		// of the work, for files and messages: VM.DISK
	struct convert_image source;
	const struct convert_image *parents;	// what SOURCE (qcow2) lies over, the nearest first
	size_t parent_count;
	uint64_t source_bytes;		// of a raw source only so much is copied; 0: all
	struct convert_image target;
	uint64_t create_bytes;		// the target is made anew as an image of this size; 0: it is raw and there
	uint64_t most_bytes;		// a source with more is refused; 0: no limit
	bool sparse;			// zeros of the source are holes in the target; else they stay allocated
	convert_progress_cb *progress;	// may be NULL
	void *data;
};

// Until all of it is in the target and flushed; *bytes (may be NULL) is the source's size as a disk. ERROR_NO_SPACE if the target's file system
// is full or the source is too large. Its images were checked by image_check.
int convert_run(const struct convert_params *params, uint64_t *bytes, struct error *err) MUST_CHECK;	// waits
// Gives the qcow2 image in IMAGE, open for writing, another size as a disk.
int convert_resize(struct hypervisor *hv, const char *name, const struct convert_image *image, uint64_t bytes,
	struct error *err) MUST_CHECK;	// waits

#endif
