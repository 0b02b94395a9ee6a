// SPDX-License-Identifier: GPL-3.0-or-later
// A blank image as qemu-img sees it, and headers that are not opened.
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/qcow2.h"
#include "common/spawn.h"

#define MIB ((uint64_t)1 << 20)

static void blank_is_sound(uint64_t disk_bytes)
{
	struct error err = ERROR_INIT;
	cleanup_free uint8_t *bytes = NULL;
	char path[] = "/tmp/test-qcow2.XXXXXX", wanted[64];
	struct spawn_output output = { 0 };
	uint64_t size = 0;
	size_t count = 0;
	assert_ok(qcow2_blank(disk_bytes, &bytes, &count, &err), err);
	assert_ok(qcow2_check(bytes, QCOW2_CLUSTER_BYTES, &size, &err), err);
	assert_int_equal(size, disk_bytes);
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, count), (ssize_t)count);
	close(fd);
	const char *const check[] = { "qemu-img", "check", "-f", "qcow2", path, NULL };
	const char *const info[] = { "qemu-img", "info", "--output=json", "-f", "qcow2", path, NULL };
	assert_ok(spawn_run_blocking(check, 20000, NULL, &err), err); // leaks and errors are exit statuses
	assert_ok(spawn_run_blocking(info, 20000, &output, &err), err);
	snprintf(wanted, sizeof(wanted), "\"virtual-size\": %llu,", (unsigned long long)disk_bytes);
	assert_non_null(strstr(output.out, wanted));
	spawn_output_done(&output);
	unlink(path);
}

static void test_blank(void **state)
{
	blank_is_sound(MIB);
	blank_is_sound(64 * MIB);
	blank_is_sound(513 * MIB);
	blank_is_sound((uint64_t)64 << 40);
}

static void refused(size_t at, uint8_t value, const char *why)
{
	struct error err = ERROR_INIT;
	cleanup_free uint8_t *bytes = NULL;
	size_t count;
	uint64_t size;
	assert_ok(qcow2_blank(MIB, &bytes, &count, &err), err);
	bytes[at] = value;
	assert_int_equal(qcow2_check(bytes, count, &size, &err), -1);
	assert_int_equal(err.code, ERROR_UNSAFE);
	assert_non_null(strstr(err.message, why));
}

static void test_refused(void **state)
{
	struct error err = ERROR_INIT;
	uint64_t size;
	refused(0, 0, "does not begin");
	refused(7, 2, "version 2");
	refused(15, 1, "backing file");
	refused(19, 9, "backing file");
	refused(35, 1, "encrypted");
	refused(79, 1 << 2, "data file");
	refused(79, 1 << 1, "marked damaged");
	refused(72, 1, "not known");
	refused(23, 3, "damaged");
	assert_int_equal(qcow2_check((const uint8_t *)"QFI\xfb", 4, &size, &err), -1);
}

// A disk that was written once and then all over again after a checkpoint up to half has room.
static void test_room(void **state)
{
	for (uint64_t disk = MIB; disk <= (uint64_t)1 << 46; disk *= 4) {
		uint64_t volume = qcow2_volume_bytes(disk);
		assert_int_equal(volume % MIB, 0);
		assert_true(volume >= disk + disk / 2 + 50 * (disk / 8192) + MIB);
	}
	assert_int_equal(qcow2_volume_bytes(64 * MIB), 99 * MIB);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_blank),
	cmocka_unit_test(test_refused),
	cmocka_unit_test(test_room),
};

UNIT_MAIN(tests)
