// SPDX-License-Identifier: GPL-3.0-or-later
// As much of the qcow2 format as a volume needs: how large it has to be, a blank image, and whether a header is one that we open. What is
// in a header comes from a guest's QEMU and is hostile: it never names a file. Pure.
#ifndef COMMON_QCOW2_H
#define COMMON_QCOW2_H

#include <stddef.h>
#include <stdint.h>
#include "common/error.h"

#define QCOW2_CLUSTER_BYTES ((uint64_t)65536)

// What a volume needs for a disk of DISK_BYTES: one and a half times the disk (half of it may be overwritten after a checkpoint before the
// volume has to grow), and metadata for 50 checkpoints. A multiple of 1 MiB.
uint64_t qcow2_volume_bytes(uint64_t disk_bytes);
// The first *COUNT bytes (whole clusters) of a blank image; the rest does not matter. The same for the same size. The caller frees *bytes.
int qcow2_blank(uint64_t disk_bytes, uint8_t **bytes, size_t *count, struct error *err) MUST_CHECK;
// Whether an image that begins with these COUNT bytes (a cluster is enough) is one to open: version 3, no backing or data file, no
// encryption, not marked damaged. *disk_bytes is its virtual size. ERROR_UNSAFE says what is wrong.
int qcow2_check(const uint8_t *bytes, size_t count, uint64_t *disk_bytes, struct error *err) MUST_CHECK;

#endif
