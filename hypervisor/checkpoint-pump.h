// SPDX-License-Identifier: GPL-3.0-or-later
// Bytes between QEMU's pipe and a checkpoint's file, on a worker thread, with their SHA-256. Owns its descriptors while it runs and nothing else.
#ifndef HYPERVISOR_CHECKPOINT_PUMP_H
#define HYPERVISOR_CHECKPOINT_PUMP_H

#include <stdint.h>
#include "hypervisor/qemu-pipe.h"

struct checkpoint_pump {
	struct qemu_pipe pipe;	// fd -1: the file is only read
	int file;
	uint64_t bytes;		// in: how many to read from the file. Out: how many went through
	char sha256[65];	// out
};

// task_work_fn: from the pipe until its other end is closed, to the file, durably. What does not fit is read and thrown away: ERROR_NO_SPACE.
int checkpoint_pump_out(void *pump, struct error *err);
// task_work_fn: `bytes` from the file to the pipe. ERROR_UNSAFE if the file is shorter.
int checkpoint_pump_in(void *pump, struct error *err);

#endif
