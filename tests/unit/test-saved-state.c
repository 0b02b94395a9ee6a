// SPDX-License-Identifier: GPL-3.0-or-later
// A saved state is restored once, whole, and only beside the disks that it belongs to.
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/loop.h"
#include "hypervisor/save-stream.h"
#include "hypervisor/saved-state.h"

static char directory[] = "/tmp/test-saved.XXXXXX";
static const struct saved_state state_of = { directory, "db" };

static struct save_header example(void)
{
	struct save_header header = { .vm = "db",
		.uuid = "12345678-1234-1234-1234-12345678abcd",
		.qemu = "7.2.22",
		.machine = "pc-q35-7.2",
		.ram_kib = 196616,
		.cpus = 2,
		.generation = 5,
		.stream_bytes = 10,
		.time = "2026-01-01T00:00:00.000Z" };
	memset(header.stream_sha256, 'a', 64);
	return header;
}

static void path_of(const char *suffix, char path[300])
{
	snprintf(path, 300, "%s/db.%s", directory, suffix);
}

static int make_directory(void **state)
{
	snprintf(directory, sizeof(directory), "/tmp/test-saved.XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	static const char *const suffixes[] = { "saved", "saving", "used", "refused", "generation" };
	char path[300];
	for (size_t i = 0; i < 5; i++) {
		path_of(suffixes[i], path);
		unlink(path);
	}
	return rmdir(directory);
}

// A complete saved state of generation 1, with ten bytes of stream.
static void save(struct save_header *header)
{
	struct error err = ERROR_INIT;
	char path[300];
	*header = example();
	path_of("saving", path);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "0123456789", 10, SAVE_HEADER_BYTES), 10);
	assert_ok(saved_generation_next(&state_of, &header->generation, &err), err);
	assert_ok(saved_finish(&state_of, fd, header, &err), err);
	close(fd);
}

static int open_saved(struct error *err)
{
	struct save_header wanted = example(), header;
	int fd = -1;
	error_clear(err);
	if (saved_open(&state_of, &wanted, &header, &fd, err))
		return -1;
	char bytes[11] = "";
	assert_int_equal(read(fd, bytes, 10), 10); // it stands at the stream
	assert_string_equal(bytes, "0123456789");
	close(fd);
	return 0;
}

static void a_head_is_read_back(void **state)
{
	struct error err = ERROR_INIT;
	struct save_header header = example(), read;
	uint8_t bytes[SAVE_HEADER_BYTES];
	assert_ok(save_header_encode(&header, bytes, &err), err);
	assert_ok(save_header_decode(bytes, &read, &err), err);
	assert_memory_equal(&header, &read, sizeof(header));
}

static void every_flipped_bit_of_a_head_is_seen(void **state)
{
	struct error err = ERROR_INIT;
	struct save_header header = example(), read;
	uint8_t bytes[SAVE_HEADER_BYTES];
	assert_ok(save_header_encode(&header, bytes, &err), err);
	for (size_t bit = 0; bit < SAVE_HEADER_BYTES * 8; bit += 3) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_fails(save_header_decode(bytes, &read, &err), err, ERROR_FAILED);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	memset(bytes, 0, sizeof(bytes));
	assert_fails(save_header_decode(bytes, &read, &err), err, ERROR_FAILED);
}

static void a_state_is_restored_once(void **state)
{
	struct error err = ERROR_INIT;
	struct save_header header;
	assert_fails(open_saved(&err), err, ERROR_NOT_FOUND);
	save(&header);
	assert_int_equal(header.generation, 1);
	assert_int_equal(saved_exists(&state_of), 1);
	assert_ok(open_saved(&err), err);
	assert_ok(saved_mark_used(&state_of, &err), err);
	assert_fails(open_saved(&err), err, ERROR_NOT_FOUND);
	assert_int_equal(saved_exists(&state_of), 0);
	// Even if the file came back: the disks have gone on.
	char used[300], saved[300];
	path_of("used", used);
	path_of("saved", saved);
	assert_int_equal(rename(used, saved), 0);
	assert_fails(open_saved(&err), err, ERROR_UNSAFE);
}

static void a_cold_boot_ends_a_state(void **state)
{
	struct error err = ERROR_INIT;
	struct save_header header;
	save(&header);
	assert_ok(saved_discard(&state_of, &err), err);
	assert_fails(open_saved(&err), err, ERROR_NOT_FOUND);
	uint64_t generation;
	assert_ok(saved_generation(&state_of, &generation, &err), err);
	assert_true(generation > header.generation);
}

static void a_cut_or_grown_state_is_refused(void **state)
{
	struct error err = ERROR_INIT;
	struct save_header header;
	char path[300];
	save(&header);
	path_of("saved", path);
	assert_int_equal(truncate(path, SAVE_HEADER_BYTES + 9), 0);
	assert_fails(open_saved(&err), err, ERROR_UNSAFE);
	assert_int_equal(truncate(path, SAVE_HEADER_BYTES + 11), 0);
	assert_fails(open_saved(&err), err, ERROR_UNSAFE);
	assert_int_equal(truncate(path, 100), 0);
	assert_fails(open_saved(&err), err, ERROR_UNSAFE);
	assert_ok(saved_refuse(&state_of, &err), err);
	assert_fails(open_saved(&err), err, ERROR_NOT_FOUND);
}

static void a_state_of_another_machine_is_refused(void **state)
{
	struct error err = ERROR_INIT;
	struct save_header header = example(), wanted = example();
	assert_ok(save_header_match(&header, &wanted, SAVE_HEADER_BYTES + 10, &err), err);
#define OTHER(change)                                                                                \
	do {                                                                                         \
		wanted = example();                                                                  \
		change;                                                                              \
		assert_fails(save_header_match(&header, &wanted, SAVE_HEADER_BYTES + 10, &err), err, \
			ERROR_UNSAFE);                                                               \
	} while (0)
	OTHER(wanted.generation++);
	OTHER(wanted.generation--);
	OTHER(wanted.ram_kib++);
	OTHER(wanted.cpus++);
	OTHER(wanted.machine[0] = 'x');
	OTHER(wanted.uuid[0] = 'x');
	OTHER(wanted.vm[0] = 'x');
}

static void a_stream_says_what_is_missing(void **state)
{
	struct error err = ERROR_INIT;
	int ends[2], full = open("/dev/full", O_WRONLY);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "0123456789", 10), 10);
	close(ends[1]);
	struct save_stream stream = { .pipe = ends[0], .file = full, .deadline_us = loop_now_us() + 5000000 };
	assert_fails(save_stream_write(&stream, &err), err, ERROR_NO_SPACE);
	assert_int_equal(stream.missing, 10);
	close(ends[0]);
	close(full);
}

static void a_stream_that_stops_ends_at_its_deadline(void **state)
{
	struct error err = ERROR_INIT;
	int ends[2], null = open("/dev/null", O_WRONLY);
	assert_int_equal(pipe(ends), 0);
	struct save_stream stream = { .pipe = ends[0], .file = null, .deadline_us = loop_now_us() + 50000 };
	assert_fails(save_stream_write(&stream, &err), err, ERROR_TIMEOUT);
	close(ends[0]);
	close(ends[1]);
	close(null);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)
static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_head_is_read_back),
	cmocka_unit_test(every_flipped_bit_of_a_head_is_seen),
	EACH(a_state_is_restored_once),
	EACH(a_cold_boot_ends_a_state),
	EACH(a_cut_or_grown_state_is_refused),
	cmocka_unit_test(a_state_of_another_machine_is_refused),
	cmocka_unit_test(a_stream_says_what_is_missing),
	cmocka_unit_test(a_stream_that_stops_ends_at_its_deadline),
};
UNIT_MAIN(tests)
