// SPDX-License-Identifier: GPL-3.0-or-later
// Moves QEMU's own stream (devices, and what memory is not shared) between a pipe and a saved state, on a worker thread. Owns its descriptors
// while it runs and nothing else.
#ifndef HYPERVISOR_SAVE_STREAM_H
#define HYPERVISOR_SAVE_STREAM_H

#include "hypervisor/qemu-pipe.h"
#include "hypervisor/save-file.h"

struct save_stream {
	struct qemu_pipe pipe;
	struct save_writer *writer;	// of a save
	int file;			// of a restore
	const struct save_index *index;
};

// task_work_fn: from the pipe until its other end is closed, as chunks. What the file has no room for is read and counted.
int save_stream_write(void *stream, struct error *err);
// task_work_fn: the chunks of the stream to the pipe, each after its sum was found right.
int save_stream_read(void *stream, struct error *err);

#endif
