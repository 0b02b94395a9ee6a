// SPDX-License-Identifier: GPL-3.0-or-later
// A saved state as a whole: what was written comes back, zero pages take no room, and one wrong bit anywhere, or a missing byte, is found.
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/loop.h"
#include "hypervisor/guest-ram.h"
#include "hypervisor/save-stream.h"
#include "hypervisor/save-memory.h"
#include "hypervisor/saved-state.h"
#include "tests/unit/saved-directory.h"

#define MAIN_BYTES (5u * SAVE_CHUNK_BYTES + 8192)
#define DIMM_BYTES (2u * SAVE_CHUNK_BYTES)
#define DEVICES_BYTES 70001

static uint8_t devices[DEVICES_BYTES];

static int64_t soon(void)
{
	return loop_now_us() + 20000000;
}

static struct save_header example(void)
{
	struct save_header header = {
		.vm = "db", .machine = "pc-q35-7.2", .ram_kib = MAIN_BYTES / 1024, .cpus = 1
	};
	header.ram_count = 2;
	header.rams[0] = (struct save_ram_header){ "ram0", MAIN_BYTES };
	header.rams[1] = (struct save_ram_header){ "dimm1", DIMM_BYTES };
	return header;
}

static void open_memory(struct save_memory *memory, const struct save_header *header)
{
	struct error err = ERROR_INIT;
	save_memory_init(memory, header);
	for (size_t i = 0; i < header->ram_count; i++)
		assert_ok(guest_ram_create(header->rams[i].id, header->rams[i].bytes, &memory->fds[i], &err),
			err);
}

static void put_page(int fd, uint32_t page, unsigned seed)
{
	uint8_t bytes[SAVE_PAGE];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(seed ? (seed * 2654435761u + i * 40503u) >> 7 : 0);
	assert_int_equal(pwrite(fd, bytes, sizeof(bytes), (off_t)page * SAVE_PAGE), sizeof(bytes));
}

// Single pages, runs, a zero page amid data, one byte at a page's end, the last page of an odd size, a chunk that is one hole.
static void fill(const struct save_memory *memory)
{
	put_page(memory->fds[0], 0, 1);
	for (uint32_t page = 20; page < 60; page++)
		put_page(memory->fds[0], page, page == 33 ? 0 : page);
	put_page(memory->fds[0], SAVE_CHUNK_PAGES - 1, 7);
	put_page(memory->fds[0], SAVE_CHUNK_PAGES, 8);
	assert_int_equal(pwrite(memory->fds[0], "x", 1, 3 * SAVE_CHUNK_BYTES + 4095), 1);
	put_page(memory->fds[0], MAIN_BYTES / SAVE_PAGE - 1, 9);
	for (uint32_t page = 0; page < DIMM_BYTES / SAVE_PAGE; page += 3)
		put_page(memory->fds[1], page, page + 100);
	for (size_t i = 0; i < DEVICES_BYTES; i++)
		devices[i] = (uint8_t)(i * 31 >> 3);
}

static void same_memory(const struct save_memory *a, const struct save_memory *b)
{
	static uint8_t left[SAVE_CHUNK_BYTES], right[SAVE_CHUNK_BYTES];
	for (size_t i = 0; i < a->header->ram_count; i++) {
		for (uint64_t at = 0; at < a->header->rams[i].bytes; at += SAVE_CHUNK_BYTES) {
			ssize_t count = pread(a->fds[i], left, sizeof(left), (off_t)at);
			assert_true(count > 0);
			assert_int_equal(pread(b->fds[i], right, sizeof(right), (off_t)at), count);
			assert_memory_equal(left, right, (size_t)count);
		}
	}
}

static int write_devices(struct save_writer *writer, struct error *err)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) >= DEVICES_BYTES);
	assert_int_equal(write(ends[1], devices, DEVICES_BYTES), DEVICES_BYTES);
	close(ends[1]);
	struct save_stream stream = { .pipe = { ends[0], soon() }, .writer = writer };
	int result = save_stream_write(&stream, err);
	close(ends[0]);
	return result;
}

static int write_all(struct save_memory *memory, struct save_header *header, int fd, struct error *err)
{
	struct save_writer writer;
	save_writer_init(&writer, fd, save_memory_used(memory), soon());
	memory->writer = &writer;
	int result = write_devices(&writer, err) || save_memory_write(memory, err) ||
			save_writer_put_text(&writer, SAVE_DEFINITION, "{\"name\":\"db\"}", err) ||
			save_writer_finish(&writer, header, err)
		? -1
		: 0;
	save_writer_done(&writer);
	return result;
}

// The size of the saved state, and its path.
static off_t save(struct save_memory *memory, struct save_header *header, char path[300])
{
	struct error err = ERROR_INIT;
	struct stat info;
	*header = example();
	open_memory(memory, header);
	fill(memory);
	path_of("saving", path);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_ok(write_all(memory, header, fd, &err), err);
	assert_ok(saved_generation_next(&state_of, &header->generation, &err), err);
	assert_ok(saved_finish(&state_of, fd, header, &err), err);
	close(fd);
	path_of("saved", path);
	assert_int_equal(stat(path, &info), 0);
	return info.st_size;
}

static int read_devices(int fd, const struct save_index *index, uint8_t *bytes, struct error *err)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) >= DEVICES_BYTES);
	struct save_stream stream = { .pipe = { ends[1], soon() }, .file = fd, .index = index };
	int result = save_stream_read(&stream, err);
	close(ends[1]);
	if (!result)
		assert_int_equal(read(ends[0], bytes, DEVICES_BYTES + 1), DEVICES_BYTES);
	close(ends[0]);
	return result;
}

static int read_parts(int fd, const struct save_header *header, struct save_memory *memory, struct error *err)
{
	static uint8_t bytes[DEVICES_BYTES + 1], buffer[SAVE_CHUNK_BYTES] __attribute__((aligned(SAVE_PAGE)));
	struct save_index index;
	const struct save_chunk *chunks;
	size_t count;
	save_direct(fd);
	if (save_read_index(fd, header, &index, err))
		return -1;
	save_index_of(&index, SAVE_RAM, &memory->chunks, &memory->chunk_count);
	memory->file = fd;
	memory->deadline_us = soon();
	int result = save_memory_read(memory, err) || read_devices(fd, &index, bytes, err) ? -1 : 0;
	if (!result)
		assert_memory_equal(bytes, devices, DEVICES_BYTES);
	save_index_of(&index, SAVE_DEFINITION, &chunks, &count);
	for (size_t i = 0; i < count && !result; i++)
		result = save_read_chunk(fd, &chunks[i], buffer, err);
	save_index_done(&index);
	return result;
}

// Everything that a restore reads, into MEMORY.
static int load(struct save_memory *memory, struct save_header *header, struct error *err)
{
	struct save_header wanted = example();
	int fd = -1;
	error_clear(err);
	if (saved_open(&state_of, header, &fd, err))
		return -1;
	if (saved_match(&state_of, header, &wanted, fd, err)) {
		close(fd);
		return -1;
	}
	open_memory(memory, header);
	int result = read_parts(fd, header, memory, err);
	close(fd);
	if (result)
		save_memory_done(memory);
	return result;
}

static void what_was_saved_comes_back(void **state)
{
	struct error err = ERROR_INIT;
	struct save_header header, read;
	struct save_memory memory, again;
	char path[300];
	off_t bytes = save(&memory, &header, path);
	// 44 pages of main memory, 171 of the other, 18 of devices, one of each: definition, head, index.
	assert_int_equal(bytes, (44 + 171 + 18 + 3) * SAVE_PAGE);
	assert_ok(load(&again, &read, &err), err);
	same_memory(&memory, &again);
	save_memory_done(&memory);
	save_memory_done(&again);
}

static void flip(int fd, uint64_t bit)
{
	uint8_t byte;
	assert_int_equal(pread(fd, &byte, 1, (off_t)(bit / 8)), 1);
	byte ^= (uint8_t)(1u << bit % 8);
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
}

static void one_wrong_bit_anywhere_is_found(void **state)
{
	struct error err = ERROR_INIT;
	struct save_header header, read;
	struct save_memory memory, again;
	char path[300];
	off_t bytes = save(&memory, &header, path);
	int fd = open(path, O_RDWR);
	uint64_t seed = 1;
	for (unsigned round = 0; round < SAVE_HEADER_BYTES + 400; round++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		uint64_t bit = round < SAVE_HEADER_BYTES ? round * 8 + (seed >> 40) % 8
							 : (seed >> 20) % ((uint64_t)bytes * 8);
		if (round >= SAVE_HEADER_BYTES && round % 4 == 0) // the index, too
			bit = header.index_at * 8 + bit % (header.index_bytes * 8);
		flip(fd, bit);
		if (!load(&again, &read, &err))
			fail_msg("bit %llu is wrong and nobody sees it", (unsigned long long)bit);
		assert_int_equal(err.code, ERROR_UNSAFE);
		flip(fd, bit);
	}
	assert_ok(load(&again, &read, &err), err);
	save_memory_done(&again);
	close(fd);
	save_memory_done(&memory);
}

static void a_cut_state_is_found(void **state)
{
	struct error err = ERROR_INIT;
	struct save_header header, read;
	struct save_memory memory, again;
	char path[300];
	off_t bytes = save(&memory, &header, path);
	for (off_t size = bytes - 1; size > 0; size -= 40009) {
		assert_int_equal(truncate(path, size), 0);
		assert_fails(load(&again, &read, &err), err, ERROR_UNSAFE);
	}
	save_memory_done(&memory);
}

static void what_is_missing_is_counted(void **state)
{
	struct error err = ERROR_INIT;
	struct save_header header = example();
	struct save_memory memory;
	open_memory(&memory, &header);
	fill(&memory);
	int full = open("/dev/full", O_RDWR);
	assert_fails(write_all(&memory, &header, full, &err), err, ERROR_NO_SPACE);
	assert_non_null(strstr(err.message, "1 MiB are missing"));
	close(full);
	save_memory_done(&memory);
}

static void a_stream_that_stops_ends_at_its_deadline(void **state)
{
	struct error err = ERROR_INIT;
	struct save_writer writer;
	int ends[2], null = open("/dev/null", O_WRONLY);
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	save_writer_init(&writer, null, 0, soon());
	struct save_stream stream = { .pipe = { ends[0], loop_now_us() + 50000 }, .writer = &writer };
	assert_fails(save_stream_write(&stream, &err), err, ERROR_TIMEOUT);
	save_writer_done(&writer);
	close(ends[0]);
	close(ends[1]);
	close(null);
}

// Chunks that are each right, but not together.
static void an_index_that_makes_no_sense_is_refused(void **state)
{
	struct error err = ERROR_INIT;
	struct save_header header = example();
	header.index_at = SAVE_HEADER_BYTES + 3 * SAVE_PAGE;
	struct save_chunk good[] = {
		{ .kind = SAVE_RAM, .number = 1, .at = 8192, .bytes = 4096, .content = 4096, .pages = { 2 } },
		{ .kind = SAVE_RAM,
			.backend = 1,
			.at = 4096,
			.bytes = 4096,
			.content = 4096,
			.pages = { 1 } },
		{ .kind = SAVE_DEVICES, .at = 12288, .bytes = 4096, .content = 17 },
	};
	struct save_chunk chunks[3];
	struct save_index index = { chunks, 3 }, read;
	uint8_t *bytes;
	size_t size;
#define TRY(change, expected)                                                      \
	do {                                                                       \
		memcpy(chunks, good, sizeof(good));                                \
		change;                                                            \
		assert_ok(save_index_encode(&index, &bytes, &size, &err), err);    \
		int result = save_index_decode(bytes, size, &header, &read, &err); \
		free(bytes);                                                       \
		assert_int_equal(result, expected);                                \
		save_index_done(&read);                                            \
	} while (0)
	TRY((void)0, 0);
	TRY(chunks[0].kind = SAVE_KINDS, -1);
	TRY(chunks[0].backend = 2, -1);
	TRY(chunks[0].number = MAIN_BYTES / SAVE_CHUNK_BYTES, 0);
	TRY((chunks[0].number = MAIN_BYTES / SAVE_CHUNK_BYTES, chunks[0].pages[0] = 4), -1);
	TRY(chunks[0].pages[0] = 3, -1);
	TRY(chunks[0].at = 4096, -1);
	TRY(chunks[1].at = 16384, -1);
	TRY(chunks[2].number = 1, -1);
	TRY(chunks[2].content = 4097, -1);
	TRY(chunks[2].content = 0, -1);
	TRY((chunks[1].backend = 0, chunks[1].number = 1), -1);
	TRY(chunks[2].bytes = 0, -1);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)
static const struct CMUnitTest tests[] = {
	EACH(what_was_saved_comes_back),
	EACH(one_wrong_bit_anywhere_is_found),
	EACH(a_cut_state_is_found),
	cmocka_unit_test(what_is_missing_is_counted),
	cmocka_unit_test(a_stream_that_stops_ends_at_its_deadline),
	cmocka_unit_test(an_index_that_makes_no_sense_is_refused),
};
UNIT_MAIN(tests)
