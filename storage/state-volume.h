// SPDX-License-Identifier: GPL-3.0-or-later
// The file system on a replicated state volume (volume 0): made once, mounted only while the group is Primary here. Blocking.
#ifndef STORAGE_STATE_VOLUME_H
#define STORAGE_STATE_VOLUME_H

#include <stdbool.h>
#include "common/error.h"

// What is on the volume, by the mark that state_volume_mark wrote. GROWN: made, and the volume is larger than its file system now.
enum state_volume_phase { STATE_VOLUME_BLANK, STATE_VOLUME_MAKING, STATE_VOLUME_MADE, STATE_VOLUME_GROWN };

// DEVICE is Primary here. *fs_kib is the size for mkfs, and to grow to: the mark at the end is not part of the file system.
int state_volume_inspect(const char *device, enum state_volume_phase *phase, unsigned long long *fs_kib, struct error *err) MUST_CHECK;
int state_volume_mark(const char *device, enum state_volume_phase phase, struct error *err) MUST_CHECK;	// durable when it returns
// WHERE is made, mode 0700. Mounted already is fine.
int state_volume_mount(const char *device, const char *where, struct error *err) MUST_CHECK;
int state_volume_unmount(const char *where, struct error *err) MUST_CHECK;	// not mounted is fine; ERROR_BUSY

#endif
