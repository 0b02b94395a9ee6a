// SPDX-License-Identifier: GPL-3.0-or-later
// A saved state is restored once, whole, and only beside the disks that it belongs to.
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "hypervisor/saved-state.h"
#include "tests/unit/saved-directory.h"

static struct save_header example(void)
{
	struct save_header header = { .vm = "db",
		.uuid = "12345678-1234-1234-1234-12345678abcd",
		.qemu = "7.2.22",
		.machine = "pc-q35-7.2",
		.ram_kib = 196616,
		.cpus = 2,
		.generation = 5,
		.paused = true,
		.rams = { { "ram0", 196616 * 1024 }, { "ram1", 4096 } },
		.ram_count = 2,
		.index_at = SAVE_HEADER_BYTES,
		.index_bytes = 4096,
		.index_sum = 0x0123456789abcdef,
		.time = "2026-01-01T00:00:00.000Z" };
	return header;
}

// A complete saved state of generation 1 whose index is a page of something.
static void save(struct save_header *header)
{
	struct error err = ERROR_INIT;
	char path[300];
	*header = example();
	path_of("saving", path);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 2 * SAVE_HEADER_BYTES), 0);
	assert_ok(saved_generation_next(&state_of, &header->generation, &err), err);
	assert_ok(saved_finish(&state_of, fd, header, &err), err);
	close(fd);
}

static int open_saved(struct error *err)
{
	struct save_header wanted = example(), header;
	int fd = -1;
	error_clear(err);
	if (saved_open(&state_of, &header, &fd, err))
		return -1;
	int result = saved_match(&state_of, &header, &wanted, fd, err);
	close(fd);
	return result;
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
	assert_int_equal(truncate(path, 2 * SAVE_HEADER_BYTES - 1), 0);
	assert_fails(open_saved(&err), err, ERROR_UNSAFE);
	assert_int_equal(truncate(path, 2 * SAVE_HEADER_BYTES + 1), 0);
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
	assert_ok(save_header_match(&header, &wanted, 2 * SAVE_HEADER_BYTES, &err), err);
#define OTHER(change)                                                                               \
	do {                                                                                        \
		wanted = example();                                                                 \
		change;                                                                             \
		assert_fails(save_header_match(&header, &wanted, 2 * SAVE_HEADER_BYTES, &err), err, \
			ERROR_UNSAFE);                                                              \
	} while (0)
	OTHER(wanted.generation++);
	OTHER(wanted.generation--);
	OTHER(wanted.ram_kib++);
	OTHER(wanted.cpus++);
	OTHER(wanted.machine[0] = 'x');
	OTHER(wanted.uuid[0] = 'x');
	OTHER(wanted.vm[0] = 'x');
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)
static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_head_is_read_back),
	cmocka_unit_test(every_flipped_bit_of_a_head_is_seen),
	EACH(a_state_is_restored_once),
	EACH(a_cold_boot_ends_a_state),
	EACH(a_cut_or_grown_state_is_refused),
	cmocka_unit_test(a_state_of_another_machine_is_refused),
};
UNIT_MAIN(tests)
