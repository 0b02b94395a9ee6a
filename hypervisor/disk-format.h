// SPDX-License-Identifier: GPL-3.0-or-later
// What is on a disk's volume before QEMU gets it: a blank volume becomes a blank qcow2 image, and a header that names other files is refused.
// The format comes from the definition; it is never probed.
#ifndef HYPERVISOR_DISK_FORMAT_H
#define HYPERVISOR_DISK_FORMAT_H

#include <stdint.h>
#include "common/error.h"

// FD is a volume of VOLUME_BYTES for a qcow2 disk of DISK_BYTES. Only a volume whose first clusters are blank is formatted.
int disk_format_ready(int fd, uint64_t disk_bytes, uint64_t volume_bytes, struct error *err) MUST_CHECK;	// waits

#endif
