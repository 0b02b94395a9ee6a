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

#define THREADS_MIN 4 // they wait for the disk more than they compute
#define THREADS_MAX 16

typedef int chunk_fn(struct save_memory *memory, uint64_t number, uint8_t *buffer, struct error *err);

struct crew { // the threads at one job
	struct save_memory *memory;
	chunk_fn *work;
	uint64_t count;
	_Atomic uint64_t next;
	_Atomic bool failed;
	pthread_mutex_t lock; // err
	struct error err; // of the first that failed
};

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

static void *crew_member(void *data)
{
	struct crew *crew = data;
	struct error err = ERROR_INIT;
	cleanup_free uint8_t *buffer = save_buffer();
	int result = buffer ? 0 : error_set(&err, ERROR_FAILED, "no memory for a saved state");
	while (!result && !atomic_load(&crew->failed)) {
		uint64_t number = atomic_fetch_add(&crew->next, 1);
		if (number >= crew->count)
			break;
		result = crew->work(crew->memory, number, buffer, &err);
	}
	if (result) {
		pthread_mutex_lock(&crew->lock);
		if (!atomic_exchange(&crew->failed, true))
			crew->err = err;
		pthread_mutex_unlock(&crew->lock);
	}
	return NULL;
}

static int crew_run(struct save_memory *memory, chunk_fn *work, uint64_t count, struct error *err)
{
	struct crew crew = {
		.memory = memory, .work = work, .count = count, .lock = PTHREAD_MUTEX_INITIALIZER
	};
	pthread_t threads[THREADS_MAX];
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t wanted = cpus < THREADS_MIN ? THREADS_MIN : cpus > THREADS_MAX ? THREADS_MAX : (size_t)cpus;
	size_t started = 0;
	// This thread is one of them: it is done even if no other can be had.
	while (started + 1 < wanted && started + 1 < count &&
		!pthread_create(&threads[started], NULL, crew_member, &crew))
		started++;
	crew_member(&crew);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	return crew.failed ? error_copy(err, &crew.err) : 0;
}

// ---- out

static uint64_t chunks_of(const struct save_ram_header *ram)
{
	return (ram->bytes + SAVE_CHUNK_BYTES - 1) / SAVE_CHUNK_BYTES;
}

// Which backend and chunk of it the job's chunk NUMBER is.
static size_t backend_of(const struct save_header *header, uint64_t *number)
{
	size_t backend = 0;
	while (*number >= chunks_of(&header->rams[backend]))
		*number -= chunks_of(&header->rams[backend++]);
	return backend;
}

static bool is_zero(const uint8_t *page)
{
	uint64_t first;
	memcpy(&first, page, sizeof(first));
	return !first && !memcmp(page, page + sizeof(first), SAVE_PAGE - sizeof(first));
}

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

static int write_chunk(struct save_memory *memory, uint64_t number, uint8_t *buffer, struct error *err)
{
	struct save_chunk chunk = { .kind = SAVE_RAM };
	size_t backend = backend_of(memory->header, &number);
	uint64_t at = number * SAVE_CHUNK_BYTES, left = memory->header->rams[backend].bytes - at;
	uint32_t bytes = left < SAVE_CHUNK_BYTES ? (uint32_t)left : SAVE_CHUNK_BYTES;
	int any = read_data(memory->fds[backend], at, bytes, buffer, err);
	if (any <= 0)
		return any;
	for (unsigned page = 0; page * SAVE_PAGE < bytes; page++) {
		const uint8_t *from = buffer + page * SAVE_PAGE;
		if (is_zero(from))
			continue;
		if (from != buffer + chunk.bytes)
			memcpy(buffer + chunk.bytes, from, SAVE_PAGE);
		chunk.pages[page / 8] |= (uint8_t)(1u << page % 8);
		chunk.bytes += SAVE_PAGE;
	}
	if (!chunk.bytes)
		return 0;
	chunk.backend = (uint8_t)backend;
	chunk.number = (uint32_t)number;
	chunk.content = chunk.bytes;
	return save_writer_put(memory->writer, &chunk, buffer, err);
}

int save_memory_write(void *data, struct error *err)
{
	struct save_memory *memory = data;
	uint64_t count = 0;
	for (size_t i = 0; i < memory->header->ram_count; i++)
		count += chunks_of(&memory->header->rams[i]);
	return crew_run(memory, write_chunk, count, err);
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

static int read_chunk(struct save_memory *memory, uint64_t number, uint8_t *buffer, struct error *err)
{
	size_t used = 0;
	const struct save_chunk *chunk = &memory->chunks[number];
	uint64_t at = (uint64_t)chunk->number * SAVE_CHUNK_BYTES;
	if (loop_now_us() >= memory->deadline_us)
		return error_set(err, ERROR_TIMEOUT, "its time was up");
	if (save_read_chunk(memory->file, chunk, buffer, err))
		return -1;
	for (unsigned page = 0; page < SAVE_CHUNK_PAGES;) {
		unsigned run = 0;
		while (page + run < SAVE_CHUNK_PAGES && save_page_has(chunk->pages, page + run))
			run++;
		if (run &&
			put_run(memory->fds[chunk->backend], buffer + used, run * SAVE_PAGE,
				at + page * SAVE_PAGE, err))
			return -1;
		used += run * SAVE_PAGE;
		page += run + 1;
	}
	return 0;
}

int save_memory_read(void *data, struct error *err)
{
	struct save_memory *memory = data;
	return crew_run(memory, read_chunk, memory->chunk_count, err);
}
