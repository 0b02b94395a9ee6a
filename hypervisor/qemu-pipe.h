// SPDX-License-Identifier: GPL-3.0-or-later
// Our end of a pipe that carries QEMU's stream, on a worker thread: every wait for QEMU has the deadline, so that the thread always ends.
#ifndef HYPERVISOR_QEMU_PIPE_H
#define HYPERVISOR_QEMU_PIPE_H

#include <stdint.h>
#include <sys/types.h>
#include "common/error.h"

struct qemu_pipe {
	int fd;			// never blocks; the caller's
	int64_t deadline_us;	// loop_now_us
};

// At most SIZE bytes into BUFFER: the count, 0 at the stream's end, -1.
ssize_t qemu_pipe_take(const struct qemu_pipe *pipe, uint8_t *buffer, size_t size, struct error *err) MUST_CHECK;
// All of it.
int qemu_pipe_give(const struct qemu_pipe *pipe, const uint8_t *bytes, size_t count, struct error *err) MUST_CHECK;

#endif
