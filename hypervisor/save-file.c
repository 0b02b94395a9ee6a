// SPDX-License-Identifier: GPL-3.0-or-later
// Chunks to and from a saved state's file. Every read and write is of whole pages at page boundaries, as direct I/O wants it. Sums are XXH3's 64
// bits, faster than memory can be read.
#include "hypervisor/save-file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "common/cleanup.h"
#include "common/loop.h"

static unsigned long long in_mib(uint64_t bytes)
{
	return (bytes + (1u << 20) - 1) >> 20;
}

static void set_direct(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags >= 0 && fcntl(fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT))
		return; // a file system without it, as tmpfs: the page cache does it
}

void save_direct(int fd)
{
	set_direct(fd, true);
}

uint8_t *save_buffer(void)
{
	return aligned_alloc(SAVE_PAGE, SAVE_CHUNK_BYTES);
}

// ---- writing

void save_writer_init(struct save_writer *writer, int fd, uint64_t expected_bytes, int64_t deadline_us)
{
	*writer = (struct save_writer){ .fd = fd, .deadline_us = deadline_us };
	pthread_mutex_init(&writer->lock, NULL);
	atomic_store(&writer->end, SAVE_HEADER_BYTES);
	set_direct(fd, true);
	// A file that need not grow is written faster. If there is not so much room, less may do: zero pages take none.
	if (expected_bytes && fallocate(fd, 0, 0, (off_t)(expected_bytes + SAVE_HEADER_BYTES)) &&
		ftruncate(fd, 0))
		return; // the first write will say what is wrong
}

void save_writer_done(struct save_writer *writer)
{
	save_index_done(&writer->index);
	pthread_mutex_destroy(&writer->lock);
}

static int write_at(
	struct save_writer *writer, const uint8_t *bytes, size_t count, uint64_t at, struct error *err)
{
	if (loop_now_us() >= writer->deadline_us)
		return error_set(err, ERROR_TIMEOUT, "its time was up");
	while (count) {
		if (atomic_load(&writer->missing)) {
			atomic_fetch_add(&writer->missing, count);
			return 0;
		}
		ssize_t written = pwrite(writer->fd, bytes, count, (off_t)at);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0 && errno == EINVAL && (fcntl(writer->fd, F_GETFL) & O_DIRECT)) {
			set_direct(writer->fd, false);
			continue;
		}
		if (written < 0 && (errno == ENOSPC || errno == EDQUOT)) {
			atomic_fetch_add(&writer->missing, count);
			return 0;
		}
		if (written < 0)
			return error_set_errno(err, errno, "cannot write the saved state");
		bytes += written;
		count -= (size_t)written;
		at += (uint64_t)written;
	}
	return 0;
}

static int add_to_index(struct save_writer *writer, const struct save_chunk *chunk, struct error *err)
{
	int result = 0;
	pthread_mutex_lock(&writer->lock);
	if (writer->index.count == writer->size) {
		size_t size = writer->size ? 2 * writer->size : 256;
		struct save_chunk *more = reallocarray(writer->index.chunks, size, sizeof(*more));
		if (more) {
			writer->index.chunks = more;
			writer->size = size;
		}
	}
	if (writer->index.count < writer->size)
		writer->index.chunks[writer->index.count++] = *chunk;
	else
		result = error_set(err, ERROR_FAILED, "no memory for the index of a saved state");
	pthread_mutex_unlock(&writer->lock);
	return result;
}

int save_writer_put(
	struct save_writer *writer, struct save_chunk *chunk, const uint8_t *bytes, struct error *err)
{
	chunk->sum = XXH3_64bits(bytes, chunk->bytes);
	chunk->at = atomic_fetch_add(&writer->end, chunk->bytes);
	return write_at(writer, bytes, chunk->bytes, chunk->at, err) ? -1 : add_to_index(writer, chunk, err);
}

int save_writer_put_text(struct save_writer *writer, enum save_kind kind, const char *text, struct error *err)
{
	cleanup_free uint8_t *buffer = save_buffer();
	size_t left = strlen(text);
	if (!buffer)
		return error_set(err, ERROR_FAILED, "no memory for a saved state");
	for (uint32_t number = 0; left; number++) {
		size_t part = left < SAVE_CHUNK_BYTES ? left : SAVE_CHUNK_BYTES;
		struct save_chunk chunk = { .kind = kind, .number = number, .content = (uint32_t)part };
		chunk.bytes = (uint32_t)((part + SAVE_PAGE - 1) / SAVE_PAGE * SAVE_PAGE);
		memset(buffer, 0, chunk.bytes);
		memcpy(buffer, text, part);
		if (save_writer_put(writer, &chunk, buffer, err))
			return -1;
		text += part;
		left -= part;
	}
	return 0;
}

int save_writer_finish(struct save_writer *writer, struct save_header *header, struct error *err)
{
	uint8_t *bytes = NULL;
	size_t size;
	if (save_index_encode(&writer->index, &bytes, &size, err))
		return -1;
	header->index_at = atomic_fetch_add(&writer->end, size);
	header->index_bytes = size;
	header->index_sum = XXH3_64bits(bytes, size);
	int result = write_at(writer, bytes, size, header->index_at, err);
	free(bytes);
	if (result)
		return -1;
	if (atomic_load(&writer->missing))
		return error_set(err, ERROR_NO_SPACE,
			"its memory takes %llu MiB and %llu MiB are missing on the group's state volume: "
			"make room there, or create the group with a larger one",
			in_mib(atomic_load(&writer->end)), in_mib(atomic_load(&writer->missing)));
	// The disk has it before the head says so.
	if (ftruncate(writer->fd, (off_t)(header->index_at + size)) || fdatasync(writer->fd))
		return error_set_errno(err, errno, "cannot write the saved state");
	return 0;
}

// ---- reading

static int read_at(int fd, uint8_t *bytes, size_t count, uint64_t at, struct error *err)
{
	while (count) {
		ssize_t got = pread(fd, bytes, count, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EINVAL && (fcntl(fd, F_GETFL) & O_DIRECT)) {
			set_direct(fd, false);
			continue;
		}
		if (got < 0)
			return error_set_errno(err, errno, "cannot read the saved state");
		if (got == 0)
			return error_set(err, ERROR_UNSAFE, "the saved state is too short");
		bytes += got;
		count -= (size_t)got;
		at += (uint64_t)got;
	}
	return 0;
}

int save_read_index(int fd, const struct save_header *header, struct save_index *index, struct error *err)
{
	*index = (struct save_index){ 0 };
	cleanup_free uint8_t *bytes = header->index_bytes < SIZE_MAX / 2
		? aligned_alloc(SAVE_PAGE, (size_t)header->index_bytes)
		: NULL;
	if (!bytes)
		return error_set(err, ERROR_FAILED, "no memory for the index of a saved state");
	if (read_at(fd, bytes, (size_t)header->index_bytes, header->index_at, err))
		return -1;
	if (XXH3_64bits(bytes, (size_t)header->index_bytes) != header->index_sum)
		return error_set(err, ERROR_UNSAFE, "its index is damaged");
	return save_index_decode(bytes, (size_t)header->index_bytes, header, index, err);
}

int save_read_chunk(int fd, const struct save_chunk *chunk, uint8_t *bytes, struct error *err)
{
	if (read_at(fd, bytes, chunk->bytes, chunk->at, err))
		return -1;
	if (XXH3_64bits(bytes, chunk->bytes) != chunk->sum)
		return error_set(err, ERROR_UNSAFE, "its content is damaged at byte %llu",
			(unsigned long long)chunk->at);
	return 0;
}

#define TEXT_MAX (16u << 20)

int save_read_text(
	int fd, const struct save_index *index, enum save_kind kind, char **text, struct error *err)
{
	const struct save_chunk *chunks;
	size_t count, used = 0;
	save_index_of(index, kind, &chunks, &count);
	if (count > TEXT_MAX / SAVE_CHUNK_BYTES)
		return error_set(err, ERROR_UNSAFE, "its index makes no sense");
	cleanup_free uint8_t *buffer = save_buffer();
	cleanup_free char *all = malloc(count * SAVE_CHUNK_BYTES + 1);
	if (!buffer || !all)
		return error_set(err, ERROR_FAILED, "no memory for a saved state");
	for (size_t i = 0; i < count; i++) {
		if (save_read_chunk(fd, &chunks[i], buffer, err))
			return -1;
		memcpy(all + used, buffer, chunks[i].content);
		used += chunks[i].content;
	}
	all[used] = '\0';
	*text = steal_ptr(all);
	return 0;
}
