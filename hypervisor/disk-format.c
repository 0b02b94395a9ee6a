// SPDX-License-Identifier: GPL-3.0-or-later
// Reads and writes past the page cache where the volume can do that, as QEMU does, and on a worker thread. The header is written last: a volume
// whose formatting was interrupted is still blank.
#include "hypervisor/disk-format.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/qcow2.h"
#include "common/task.h"

#define ALIGNMENT 4096

struct formatting {
	int fd;
	uint64_t disk_bytes, volume_bytes;
};

static int all_zero(const uint8_t *bytes, size_t count)
{
	return count == 0 || (bytes[0] == 0 && !memcmp(bytes, bytes + 1, count - 1));
}

static int read_at(int fd, uint8_t *bytes, size_t count, off_t at, struct error *err)
{
	for (size_t done = 0; done < count;) {
		ssize_t now = pread(fd, bytes + done, count - done, at + (off_t)done);
		if (now < 0 && errno == EINTR)
			continue;
		if (now <= 0)
			return error_set_errno(err, now ? errno : EIO, "its volume cannot be read");
		done += (size_t)now;
	}
	return 0;
}

static int write_at(int fd, const uint8_t *bytes, size_t count, off_t at, struct error *err)
{
	for (size_t done = 0; done < count;) {
		ssize_t now = pwrite(fd, bytes + done, count - done, at + (off_t)done);
		if (now < 0 && errno == EINTR)
			continue;
		if (now <= 0)
			return error_set_errno(err, now ? errno : EIO, "its volume cannot be written");
		done += (size_t)now;
	}
	return fdatasync(fd) ? error_set_errno(err, errno, "its volume cannot be written") : 0;
}

// THERE has the first clusters of the volume, as many as BLANK. Blank, or left by a formatting that was interrupted: anything else is data.
static int format(int fd, const uint8_t *there, const uint8_t *blank, size_t count, struct error *err)
{
	for (size_t at = QCOW2_CLUSTER_BYTES; at < count; at += QCOW2_CLUSTER_BYTES)
		if (!all_zero(there + at, QCOW2_CLUSTER_BYTES) &&
			memcmp(there + at, blank + at, QCOW2_CLUSTER_BYTES))
			return error_set(err, ERROR_UNSAFE,
				"its qcow2 header is gone and there is data behind it: it is left as it is");
	if (write_at(fd, blank + QCOW2_CLUSTER_BYTES, count - QCOW2_CLUSTER_BYTES, QCOW2_CLUSTER_BYTES, err))
		return -1;
	return write_at(fd, blank, QCOW2_CLUSTER_BYTES, 0, err);
}

static int look(const struct formatting *formatting, struct error *err)
{
	cleanup_free uint8_t *blank = NULL;
	void *aligned = NULL;
	uint64_t disk_bytes;
	size_t count;
	if (qcow2_blank(formatting->disk_bytes, &blank, &count, err))
		return -1;
	if (posix_memalign(&aligned, ALIGNMENT, 2 * count))
		return error_set_errno(err, ENOMEM, "a disk's header");
	cleanup_free uint8_t *there = aligned;
	if (count > formatting->volume_bytes)
		return error_set(err, ERROR_UNSAFE, "its volume of %" PRIu64 " bytes is too small for qcow2",
			formatting->volume_bytes);
	if (read_at(formatting->fd, there, count, 0, err))
		return -1;
	if (!all_zero(there, QCOW2_CLUSTER_BYTES))
		return qcow2_check(there, QCOW2_CLUSTER_BYTES, &disk_bytes, err);
	memcpy(there + count, blank, count);
	return format(formatting->fd, there, there + count, count, err);
}

static int work(void *data, struct error *err)
{
	const struct formatting *formatting = data;
	int flags = fcntl(formatting->fd, F_GETFL);
	bool direct = flags >= 0 && !fcntl(formatting->fd, F_SETFL, flags | O_DIRECT);
	int result = look(formatting, err);
	if (direct && fcntl(formatting->fd, F_SETFL, flags) && !result)
		result = error_set_errno(err, errno, "its volume");
	return result;
}

int disk_format_ready(int fd, uint64_t disk_bytes, uint64_t volume_bytes, struct error *err)
{
	struct formatting formatting = { fd, disk_bytes, volume_bytes };
	return task_offload(work, &formatting, err);
}
