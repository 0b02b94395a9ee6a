// SPDX-License-Identifier: GPL-3.0-or-later
// A saved state's file under several threads: chunks are written wherever there is room next, and read in any order. Direct I/O where the file
// system has it. Blocking: for worker threads. The head is not its business (hypervisor/saved-state.h).
#ifndef HYPERVISOR_SAVE_FILE_H
#define HYPERVISOR_SAVE_FILE_H

#include <pthread.h>
#include <stdatomic.h>
#include "hypervisor/save-index.h"

struct save_writer {
	int fd;
	_Atomic uint64_t end;		// of what is written or being written
	_Atomic uint64_t missing;	// bytes that the file system had no room for; once there are some, the rest is only counted
	pthread_mutex_t lock;		// index
	struct save_index index;
	size_t size;			// allocated, of index
	int64_t deadline_us;		// loop_now_us; past it everything is ERROR_TIMEOUT
};

// FD is the caller's. EXPECTED_BYTES: room that is taken at once if there is so much.
void save_writer_init(struct save_writer *writer, int fd, uint64_t expected_bytes, int64_t deadline_us);
void save_writer_done(struct save_writer *writer);
// Writes BYTES (aligned to SAVE_PAGE, chunk->bytes of them) and takes chunk, with `at` and `sum` filled in, into the index. Any thread.
int save_writer_put(struct save_writer *writer, struct save_chunk *chunk, const uint8_t *bytes, struct error *err) MUST_CHECK;
// A piece of memory as chunks of a stream, for what is small.
int save_writer_put_text(struct save_writer *writer, enum save_kind kind, const char *text, struct error *err) MUST_CHECK;
// After the last chunk: the index is written, the file cut to its length, and the head filled in. ERROR_NO_SPACE says how much is missing.
int save_writer_finish(struct save_writer *writer, struct save_header *header, struct error *err) MUST_CHECK;

// Reads and checks the index. ERROR_UNSAFE: it is damaged.
int save_read_index(int fd, const struct save_header *header, struct save_index *index, struct error *err) MUST_CHECK;
// Reads a chunk to BYTES (aligned) and checks its sum: ERROR_UNSAFE. Any thread.
int save_read_chunk(int fd, const struct save_chunk *chunk, uint8_t *bytes, struct error *err) MUST_CHECK;
// The pieces of a kind as text, which is the caller's to free.
int save_read_text(int fd, const struct save_index *index, enum save_kind kind, char **text, struct error *err) MUST_CHECK;
void save_direct(int fd);		// direct I/O on FD from now on, if its file system has it
uint8_t *save_buffer(void);		// of SAVE_CHUNK_BYTES, aligned; NULL without memory; free it

#endif
