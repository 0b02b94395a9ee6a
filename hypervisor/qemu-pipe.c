// SPDX-License-Identifier: GPL-3.0-or-later
// See qemu-pipe.h.
#include "hypervisor/qemu-pipe.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>
#include "common/loop.h"

#define POLL_MS 60000

static int wait_for(const struct qemu_pipe *pipe, short events, struct error *err)
{
	for (;;) {
		int64_t left_ms = (pipe->deadline_us - loop_now_us()) / 1000;
		struct pollfd fd = { .fd = pipe->fd, .events = events };
		int ready = left_ms > 0 ? poll(&fd, 1, (int)(left_ms > POLL_MS ? POLL_MS : left_ms)) : 0;
		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return error_set_errno(err, errno, "cannot wait for QEMU's stream");
		if (left_ms <= 0)
			return error_set(err, ERROR_TIMEOUT, "its time was up");
	}
}

ssize_t qemu_pipe_take(const struct qemu_pipe *pipe, uint8_t *buffer, size_t size, struct error *err)
{
	for (;;) {
		ssize_t count = read(pipe->fd, buffer, size);
		if (count >= 0)
			return count;
		int result = errno == EAGAIN ? wait_for(pipe, POLLIN, err)
			: errno == EINTR	 ? 0
						 : error_set_errno(err, errno, "cannot read QEMU's stream");
		if (result)
			return -1;
	}
}

int qemu_pipe_give(const struct qemu_pipe *pipe, const uint8_t *bytes, size_t count, struct error *err)
{
	while (count) {
		ssize_t now = write(pipe->fd, bytes, count);
		if (now >= 0) {
			bytes += now;
			count -= (size_t)now;
			continue;
		}
		int result = errno == EAGAIN ? wait_for(pipe, POLLOUT, err)
			: errno == EINTR	 ? 0
						 : error_set_errno(err, errno, "QEMU does not take its stream");
		if (result)
			return -1;
	}
	return 0;
}
