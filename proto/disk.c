// SPDX-License-Identifier: GPL-3.0-or-later
// See disk.h.
#include "proto/disk.h"

#include "common/qcow2.h"

#define MIB ((uint64_t)1 << 20)

uint64_t disk_volume_bytes(const Holdfast__Disk *disk)
{
	if (disk->format == HOLDFAST__DISK_FORMAT__FORMAT_QCOW2)
		return qcow2_volume_bytes(disk->size_bytes);
	return (disk->size_bytes + MIB - 1) / MIB * MIB;
}
