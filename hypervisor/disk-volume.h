// SPDX-License-Identifier: GPL-3.0-or-later
// A disk of a VM that is off, open for a copy: its volume, and what it lies over. The group is promoted here.
#ifndef HYPERVISOR_DISK_VOLUME_H
#define HYPERVISOR_DISK_VOLUME_H

#include "hypervisor/convert.h"
#include "storage/storage.h"

enum disk_volume_use { DISK_VOLUME_READ, DISK_VOLUME_WRITE, DISK_VOLUME_OVERWRITE };

struct disk_volume {
	struct convert_image image;
	struct convert_image parents[CONVERT_PARENTS_MAX];
	size_t parent_count;
	uint64_t disk_bytes;		// as the guest sees it
	uint64_t used_bytes;		// what a copy of it may need
	bool blank;			// a qcow2 disk that nobody has used: it has no header yet
	int hold_fd;			// keeps the volume marked as used; -1: image.fd does
};

int disk_volume_open(struct hypervisor *hv, const Holdfast__Group *group, const Holdfast__Disk *disk, enum disk_volume_use use,
	struct disk_volume *volume, struct error *err) MUST_CHECK;	// waits
void disk_volume_close(struct disk_volume *volume);
// What a differencing disk lies over, read-only: an image file, checked, or a template's disk, whose group is promoted here. The caller closes fd.
int disk_parent_open(struct hypervisor *hv, const Holdfast__Group *group, const Holdfast__Disk *disk, struct convert_image *parent,
	struct error *err) MUST_CHECK;	// waits
// Makes all from byte FROM on zeros: holes if THIN. For a raw disk.
int disk_volume_zero(const struct disk_volume *volume, uint64_t from, bool thin, struct error *err) MUST_CHECK;	// waits

#endif
