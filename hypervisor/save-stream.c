// SPDX-License-Identifier: GPL-3.0-or-later
// The pump of a save and a restore. Touches nothing but its struct.
#include "hypervisor/save-stream.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/cleanup.h"

// Fills BUFFER from the pipe as far as it goes: the count, less than a chunk only at the stream's end.
static ssize_t fill(const struct save_stream *stream, uint8_t *buffer, struct error *err)
{
	size_t used = 0;
	while (used < SAVE_CHUNK_BYTES) {
		ssize_t count = qemu_pipe_take(&stream->pipe, buffer + used, SAVE_CHUNK_BYTES - used, err);
		if (count < 0)
			return -1;
		if (count == 0)
			break;
		used += (size_t)count;
	}
	return (ssize_t)used;
}

int save_stream_write(void *data, struct error *err)
{
	struct save_stream *stream = data;
	cleanup_free uint8_t *buffer = save_buffer();
	if (!buffer)
		return error_set(err, ERROR_FAILED, "no memory for a saved state");
	for (uint32_t number = 0;; number++) {
		ssize_t count = fill(stream, buffer, err);
		if (count <= 0)
			return (int)count;
		struct save_chunk chunk = {
			.kind = SAVE_DEVICES, .number = number, .content = (uint32_t)count
		};
		chunk.bytes = (uint32_t)(((size_t)count + SAVE_PAGE - 1) / SAVE_PAGE * SAVE_PAGE);
		memset(buffer + count, 0, chunk.bytes - (size_t)count);
		if (save_writer_put(stream->writer, &chunk, buffer, err))
			return -1;
		if ((size_t)count < SAVE_CHUNK_BYTES)
			return 0;
	}
}

int save_stream_read(void *data, struct error *err)
{
	struct save_stream *stream = data;
	const struct save_chunk *chunks;
	size_t count;
	cleanup_free uint8_t *buffer = save_buffer();
	if (!buffer)
		return error_set(err, ERROR_FAILED, "no memory for a saved state");
	save_index_of(stream->index, SAVE_DEVICES, &chunks, &count);
	for (size_t i = 0; i < count; i++)
		if (save_read_chunk(stream->file, &chunks[i], buffer, err) ||
			qemu_pipe_give(&stream->pipe, buffer, chunks[i].content, err))
			return -1;
	return 0;
}
