// SPDX-License-Identifier: GPL-3.0-or-later
// Moves a QEMU's stream between a pipe and a file on a worker thread, with its SHA-256. Owns its descriptors while it runs and nothing else.
#ifndef HYPERVISOR_SAVE_STREAM_H
#define HYPERVISOR_SAVE_STREAM_H

#include <stdint.h>
#include "common/error.h"

struct save_stream {
	int pipe, file;
	uint64_t bytes;			// in: how many to read from the file. Out: how many went through
	uint64_t missing;		// out, writing: bytes that the file had no room for
	int64_t deadline_us;		// loop_now_us
	char sha256[65];		// out
};

// task_work_fn: from the pipe's end until its other end is closed, to the file. ENOSPC: the rest is read and counted, then ERROR_NO_SPACE.
int save_stream_write(void *stream, struct error *err);
// task_work_fn: `bytes` from the file to the pipe.
int save_stream_read(void *stream, struct error *err);

#endif
