// SPDX-License-Identifier: GPL-3.0-or-later
// The workers of a save and a restore. Guest memory is copied through a buffer with read and write, not mapped: holes stay holes, a hostile QEMU that
// changes it meanwhile cannot part sum and content, and a page that is written whole need not be cleared first.
#include "hypervisor/save-memory.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/loop.h"
#include "hypervisor/crew.h"
#include "hypervisor/ram-chunk.h"

#define THREADS_MIN 4 // they wait for the disk more than they compute
#define THREADS_MAX 16

static size_t threads_wanted(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	return cpus < THREADS_MIN ? THREADS_MIN : cpus > THREADS_MAX ? THREADS_MAX : (size_t)cpus;
}

void save_memory_init(struct save_memory *memory, const struct save_header *header)
{
	*memory = (struct save_memory){ .header = header, .file = -1 };
	for (size_t i = 0; i < SAVE_RAMS_MAX; i++)
		memory->fds[i] = -1;
}

void save_memory_done(struct save_memory *memory)
{
	for (size_t i = 0; i < SAVE_RAMS_MAX; i++)
		cleanup_fd_p(&memory->fds[i]);
}

uint64_t save_memory_used(const struct save_memory *memory)
{
	uint64_t bytes = 0;
	struct stat info;
	for (size_t i = 0; i < memory->header->ram_count; i++)
		if (!fstat(memory->fds[i], &info))
			bytes += (uint64_t)info.st_blocks * 512;
	return bytes;
}

// ---- out

// Reads [at, at + bytes) from its first page that is no hole on; what is before is zero in BUFFER. Holes behind it read as zero and stay holes.
// (Looking for their beginning, SEEK_HOLE, would walk over all memory up to the next one.) 1: there is something.
static int read_data(int fd, uint64_t at, uint32_t bytes, uint8_t *buffer, struct error *err)
{
	uint64_t end = at + bytes;
	off_t data = lseek(fd, (off_t)at, SEEK_DATA);
	if (data < 0 && errno != ENXIO)
		return error_set_errno(err, errno, "cannot read the guest's memory");
	if (data < 0 || (uint64_t)data >= end)
		return 0;
	memset(buffer, 0, (uint64_t)data - at);
	for (uint64_t from = (uint64_t)data; from < end;) {
		ssize_t got = pread(fd, buffer + (from - at), end - from, (off_t)from);
		if (got <= 0)
			return error_set_errno(err, got ? errno : EIO, "cannot read the guest's memory");
		from += (uint64_t)got;
	}
	return 1;
}

static int write_chunk(void *data, uint64_t number, uint8_t *buffer, struct error *err)
{
	struct save_memory *memory = data;
	struct save_chunk chunk = { .kind = SAVE_RAM };
	size_t backend = ram_chunk_backend(memory->header, &number);
	uint32_t bytes = ram_chunk_bytes(memory->header->rams[backend].bytes, number);
	int any = read_data(memory->fds[backend], number * SAVE_CHUNK_BYTES, bytes, buffer, err);
	if (any <= 0 || !ram_pages_note(buffer, bytes, 0, chunk.pages))
		return any < 0 ? -1 : 0;
	unsigned page = 0, run;
	for (ram_pages_run(chunk.pages, &page, &run); run; ram_pages_run(chunk.pages, &page, &run)) {
		memmove(buffer + chunk.bytes, buffer + page * SAVE_PAGE, run * SAVE_PAGE);
		chunk.bytes += run * SAVE_PAGE;
		page += run;
	}
	chunk.backend = (uint8_t)backend;
	chunk.number = (uint32_t)number;
	chunk.content = chunk.bytes;
	return save_writer_put(memory->writer, &chunk, buffer, err);
}

int save_memory_write(void *data, struct error *err)
{
	const struct save_memory *memory = data;
	return crew_run(write_chunk, data, ram_chunks(memory->header), threads_wanted(), save_buffer, err);
}

// ---- in

static int put_run(int fd, const uint8_t *bytes, size_t count, uint64_t at, struct error *err)
{
	while (count) {
		ssize_t written = pwrite(fd, bytes, count, (off_t)at);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return error_set_errno(err, written ? errno : EIO, "cannot write the guest's memory");
		bytes += written;
		count -= (size_t)written;
		at += (uint64_t)written;
	}
	return 0;
}

static int read_chunk(void *data, uint64_t number, uint8_t *buffer, struct error *err)
{
	struct save_memory *memory = data;
	size_t used = 0;
	const struct save_chunk *chunk = &memory->chunks[number];
	uint64_t at = (uint64_t)chunk->number * SAVE_CHUNK_BYTES;
	unsigned page = 0, run;
	if (loop_now_us() >= memory->deadline_us)
		return error_set(err, ERROR_TIMEOUT, "its time was up");
	if (save_read_chunk(memory->file, chunk, buffer, err))
		return -1;
	for (ram_pages_run(chunk->pages, &page, &run); run; ram_pages_run(chunk->pages, &page, &run)) {
		if (put_run(memory->fds[chunk->backend], buffer + used, run * SAVE_PAGE,
			    at + page * SAVE_PAGE, err))
			return -1;
		used += run * SAVE_PAGE;
		page += run;
	}
	return 0;
}

int save_memory_read(void *data, struct error *err)
{
	const struct save_memory *memory = data;
	return crew_run(read_chunk, data, memory->chunk_count, threads_wanted(), save_buffer, err);
}
