// SPDX-License-Identifier: GPL-3.0-or-later
// The pump of a save and a restore. Every wait for QEMU has the deadline, so that the thread always ends. Touches nothing but its struct.
#include "hypervisor/save-stream.h"
#include <errno.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/loop.h"

#define CHUNK_BYTES (1u << 20)

struct pump {
	struct save_stream *stream;
	EVP_MD_CTX *digest;
	uint8_t *chunk;
};

static int pump_begin(struct pump *pump, struct save_stream *stream, struct error *err)
{
	pump->stream = stream;
	pump->digest = EVP_MD_CTX_new();
	pump->chunk = malloc(CHUNK_BYTES);
	if (!pump->digest || !pump->chunk || !EVP_DigestInit_ex(pump->digest, EVP_sha256(), NULL))
		return error_set(err, ERROR_FAILED, "no memory for a saved state");
	return 0;
}

static int pump_end(struct pump *pump, int result)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned length = 0;
	if (!result && EVP_DigestFinal_ex(pump->digest, digest, &length))
		for (unsigned i = 0; i < length && i < 32; i++)
			snprintf(pump->stream->sha256 + 2 * i, 3, "%02x", digest[i]);
	EVP_MD_CTX_free(pump->digest);
	free(pump->chunk);
	return result;
}

static int wait_for(const struct save_stream *stream, short events, struct error *err)
{
	for (;;) {
		int64_t left_ms = (stream->deadline_us - loop_now_us()) / 1000;
		struct pollfd fd = { .fd = stream->pipe, .events = events };
		int ready = left_ms > 0 ? poll(&fd, 1, (int)(left_ms > 60000 ? 60000 : left_ms)) : 0;
		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return error_set_errno(err, errno, "cannot wait for QEMU's stream");
		if (left_ms <= 0)
			return error_set(err, ERROR_TIMEOUT, "its time was up");
	}
}

// 0: written, or counted as missing.
static int put(struct save_stream *stream, const uint8_t *bytes, size_t count, struct error *err)
{
	while (count) {
		if (stream->missing) {
			stream->missing += count;
			return 0;
		}
		ssize_t written = write(stream->file, bytes, count);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0 && (errno == ENOSPC || errno == EDQUOT)) {
			stream->missing = count;
			return 0;
		}
		if (written < 0)
			return error_set_errno(err, errno, "cannot write the saved state");
		bytes += written;
		count -= (size_t)written;
		stream->bytes += (uint64_t)written;
	}
	return 0;
}

static unsigned long long in_mib(uint64_t bytes)
{
	return (bytes + (1u << 20) - 1) >> 20;
}

static int write_all(struct pump *pump, struct error *err)
{
	struct save_stream *stream = pump->stream;
	for (;;) {
		if (wait_for(stream, POLLIN, err))
			return -1;
		ssize_t count = read(stream->pipe, pump->chunk, CHUNK_BYTES);
		if (count < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (count < 0)
			return error_set_errno(err, errno, "cannot read QEMU's stream");
		if (count == 0)
			break;
		EVP_DigestUpdate(pump->digest, pump->chunk, (size_t)count);
		if (put(stream, pump->chunk, (size_t)count, err))
			return -1;
	}
	if (stream->missing)
		return error_set(err, ERROR_NO_SPACE,
			"its memory takes %llu MiB and %llu MiB are missing on the group's state volume: "
			"make room there, or "
			"create the group with a larger one",
			in_mib(stream->bytes + stream->missing), in_mib(stream->missing));
	// The disk has it before the head says so.
	return fsync(stream->file) ? error_set_errno(err, errno, "cannot write the saved state") : 0;
}

int save_stream_write(void *data, struct error *err)
{
	struct pump pump = { 0 };
	struct save_stream *stream = data;
	stream->bytes = stream->missing = 0;
	int result = pump_begin(&pump, stream, err);
	if (!result)
		result = write_all(&pump, err);
	return pump_end(&pump, result);
}

static int feed(struct save_stream *stream, const uint8_t *bytes, size_t count, struct error *err)
{
	while (count) {
		if (wait_for(stream, POLLOUT, err))
			return -1;
		ssize_t written = write(stream->pipe, bytes, count);
		if (written < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (written < 0)
			return error_set_errno(err, errno, "QEMU does not take the saved state");
		bytes += written;
		count -= (size_t)written;
	}
	return 0;
}

static int read_all(struct pump *pump, struct error *err)
{
	struct save_stream *stream = pump->stream;
	for (uint64_t left = stream->bytes; left;) {
		ssize_t count =
			read(stream->file, pump->chunk, left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return error_set_errno(err, errno, "cannot read the saved state");
		if (count == 0)
			return error_set(err, ERROR_FAILED, "the saved state is too short");
		EVP_DigestUpdate(pump->digest, pump->chunk, (size_t)count);
		if (feed(stream, pump->chunk, (size_t)count, err))
			return -1;
		left -= (uint64_t)count;
	}
	return 0;
}

int save_stream_read(void *data, struct error *err)
{
	struct pump pump = { 0 };
	int result = pump_begin(&pump, data, err);
	if (!result)
		result = read_all(&pump, err);
	return pump_end(&pump, result);
}
