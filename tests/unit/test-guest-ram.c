// SPDX-License-Identifier: GPL-3.0-or-later
// A guest's memory is found again in its process, and nothing else is taken for it.
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "hypervisor/guest-ram.h"

#define BYTES (200u * 4096)

static void found_again(void **state)
{
	struct error err = ERROR_INIT;
	int made = -1, found = -1;
	char text[6] = "";
	assert_ok(guest_ram_create("ram0", BYTES, &made, &err), err);
	assert_int_equal(pwrite(made, "hello", 5, BYTES - 5), 5);
	assert_ok(guest_ram_open(getpid(), "ram0", BYTES, &found, &err), err);
	assert_int_equal(pread(found, text, 5, BYTES - 5), 5);
	assert_string_equal(text, "hello");
	assert_int_equal(ftruncate(made, BYTES / 2), -1);
	assert_int_equal(errno, EPERM);
	close(found);
	assert_int_equal(guest_ram_open(getpid(), "ram1", BYTES, &found, &err), -1);
	assert_int_equal(err.code, ERROR_NOT_FOUND);
	error_clear(&err);
	assert_int_equal(guest_ram_open(getpid(), "ram0", BYTES + 4096, &found, &err), -1);
	assert_int_equal(err.code, ERROR_NOT_FOUND);
	close(made);
}

static void unsealed_is_not_ours(void **state)
{
	struct error err = ERROR_INIT;
	int found = -1, fd = memfd_create("holdfast-ram0", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, BYTES), 0);
	assert_int_equal(guest_ram_open(getpid(), "ram0", BYTES, &found, &err), -1);
	assert_int_equal(err.code, ERROR_NOT_FOUND);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_again),
		cmocka_unit_test(unsealed_is_not_ours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
