// SPDX-License-Identifier: GPL-3.0-or-later
// See checkpoint-pump.h.
#include "hypervisor/checkpoint-pump.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK_BYTES (1u << 20)
#define WINDOW_BYTES (4u << 20)

struct running {
	struct checkpoint_pump *pump;
	EVP_MD_CTX *digest;
	uint8_t *chunk;
};

static int begin(struct running *running, struct checkpoint_pump *pump, struct error *err)
{
	*running = (struct running){ pump, EVP_MD_CTX_new(), malloc(CHUNK_BYTES) };
	if (!running->digest || !running->chunk || !EVP_DigestInit_ex(running->digest, EVP_sha256(), NULL))
		return error_set(err, ERROR_FAILED, "no memory for a checkpoint");
	return 0;
}

static int end(struct running *running, int result)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned length = 0;
	if (!result && EVP_DigestFinal_ex(running->digest, digest, &length))
		for (unsigned i = 0; i < length && i < 32; i++)
			snprintf(running->pump->sha256 + 2 * i, 3, "%02x", digest[i]);
	EVP_MD_CTX_free(running->digest);
	free(running->chunk);
	return result;
}

static int put(int fd, const uint8_t *bytes, size_t count, struct error *err)
{
	while (count) {
		ssize_t now = write(fd, bytes, count);
		if (now < 0 && errno == EINTR)
			continue;
		if (now < 0)
			return error_set(err, errno == ENOSPC ? ERROR_NO_SPACE : ERROR_FAILED,
				"its memory cannot be written: %s",
				errno == ENOSPC ? "the state volume is full: delete checkpoints, or grow it" : "I/O error");
		bytes += now;
		count -= (size_t)now;
	}
	return 0;
}

// What is written is on its way to the disk soon: the guest's disks are flushed at the instant when it stands still, and would wait for all of it.
static void pace(const struct checkpoint_pump *pump, uint64_t before)
{
	uint64_t window = pump->bytes / WINDOW_BYTES * WINDOW_BYTES;
	if (window == before / WINDOW_BYTES * WINDOW_BYTES)
		return;
	off_t last = (off_t)(window - WINDOW_BYTES);
	// Only a hint: fsync tells of errors.
	if (sync_file_range(pump->file, last, WINDOW_BYTES, SYNC_FILE_RANGE_WRITE) == 0 && last >= WINDOW_BYTES)
		sync_file_range(pump->file, last - WINDOW_BYTES, WINDOW_BYTES,
			SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
}

int checkpoint_pump_out(void *data, struct error *err)
{
	struct checkpoint_pump *pump = data;
	struct running running;
	struct error why = ERROR_INIT;
	int result = begin(&running, pump, err);
	pump->bytes = 0;
	while (!result) {
		ssize_t count = qemu_pipe_take(&pump->pipe, running.chunk, CHUNK_BYTES, err);
		if (count <= 0) {
			result = (int)count;
			break;
		}
		if (why.code)
			continue; // what has no room is read all the same: QEMU must not stand still
		EVP_DigestUpdate(running.digest, running.chunk, (size_t)count);
		pump->bytes += (uint64_t)count;
		if (put(pump->file, running.chunk, (size_t)count, &why))
			continue;
		pace(pump, pump->bytes - (uint64_t)count);
	}
	if (!result && why.code)
		result = error_copy(err, &why);
	if (!result && fsync(pump->file))
		result = error_set_errno(err, errno, "its memory cannot be written");
	return end(&running, result);
}

int checkpoint_pump_in(void *data, struct error *err)
{
	struct checkpoint_pump *pump = data;
	struct running running;
	uint64_t left = pump->bytes;
	int result = begin(&running, pump, err);
	while (!result && left) {
		ssize_t count = read(pump->file, running.chunk, left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES);
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0) {
			result = count < 0 ? error_set_errno(err, errno, "its memory cannot be read")
					   : error_set(err, ERROR_UNSAFE, "its memory is cut off");
			break;
		}
		EVP_DigestUpdate(running.digest, running.chunk, (size_t)count);
		left -= (uint64_t)count;
		if (pump->pipe.fd >= 0)
			result = qemu_pipe_give(&pump->pipe, running.chunk, (size_t)count, err);
	}
	return end(&running, result);
}
