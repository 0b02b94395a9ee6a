// SPDX-License-Identifier: GPL-3.0-or-later
// What a disk's definition means for its volume. Pure; the same for clusterd and hypervisord.
#ifndef PROTO_DISK_H
#define PROTO_DISK_H

#include <stdint.h>
#include "proto/definition.pb-c.h"

// The size of its volume, a multiple of 1 MiB: that of a qcow2 disk has room for checkpoints (common/qcow2.h says how much).
uint64_t disk_volume_bytes(const Holdfast__Disk *disk);

#endif
