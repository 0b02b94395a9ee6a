// SPDX-License-Identifier: GPL-3.0-or-later
// Small files: limits, atomic replacement, and nothing left behind when a write fails.
#include "tests/unit/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/file.h"

static int enter_scratch(void **state)
{
	char *directory = strdup("/tmp/holdfast-test-file.XXXXXX");

	*state = directory;
	return mkdtemp(directory) ? chdir(directory) : -1;
}

static int leave_scratch(void **state)
{
	static const char *const paths[] = { "f", "d/e/f", "d/e", "d", "x/y", "x" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		(void)remove(paths[i]);
	int result = rmdir(*state); // fails if anything else is left
	free(*state);
	return result;
}

static void writes_and_reads_back(void **state)
{
	struct error err = ERROR_INIT;
	cleanup_free char *text = NULL;
	struct stat st;
	size_t bytes;

	assert_ok(file_write_atomic("f", "one", 3, 0600, &err), err);
	assert_ok(file_write_atomic("f", "tw\0o", 4, 0640, &err), err);
	assert_ok(file_read("f", 4, &text, &bytes, &err), err);
	assert_int_equal(bytes, 4);
	assert_memory_equal(text, "tw\0o", 5);
	assert_int_equal(stat("f", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void reads_within_the_limit_only(void **state)
{
	struct error err = ERROR_INIT;
	char *text = NULL;
	char large[10000];

	memset(large, 'x', sizeof(large));
	assert_ok(file_write_atomic("f", large, sizeof(large), 0600, &err), err);
	assert_fails(file_read("f", sizeof(large) - 1, &text, NULL, &err), err, ERROR_NO_SPACE);
	assert_null(text);
	assert_ok(file_read("f", sizeof(large), &text, NULL, &err), err);
	assert_int_equal(strlen(text), sizeof(large));
	free(text);
	assert_ok(file_read("/proc/self/status", 65536, &text, NULL, &err), err);
	assert_non_null(strstr(text, "Pid:"));
	free(text);
}

static void missing_and_wrong_files_are_told(void **state)
{
	struct error err = ERROR_INIT;
	char *text = NULL;

	assert_fails(file_read("f", 10, &text, NULL, &err), err, ERROR_NOT_FOUND);
	assert_non_null(strstr(err.message, "cannot read f"));
	assert_fails(file_read("/", 10, &text, NULL, &err), err, ERROR_FAILED);
	assert_fails(file_write_atomic("d/f", "x", 1, 0600, &err), err, ERROR_NOT_FOUND);
	assert_ok(file_remove("f", &err), err);
}

static void failed_write_leaves_nothing(void **state)
{
	struct error err = ERROR_INIT;
	int entries = 0;

	assert_ok(file_make_directory("d", 0700, &err), err);
	assert_fails(
		file_write_atomic("d", "x", 1, 0600, &err), err, ERROR_FAILED); // a directory is in the way
	DIR *dir = opendir(".");
	while (readdir(dir))
		entries++;
	closedir(dir);
	assert_int_equal(entries, 3); // . .. d
}

static void removes_durably(void **state)
{
	struct error err = ERROR_INIT;

	assert_ok(file_write_atomic("f", "x", 1, 0600, &err), err);
	assert_ok(file_remove("f", &err), err);
	assert_int_equal(access("f", F_OK), -1);
	assert_ok(file_remove("f", &err), err);
	assert_fails(file_remove("/proc/self/status", &err), err, ERROR_DENIED);
}

static void makes_directories_with_parents(void **state)
{
	struct error err = ERROR_INIT;
	struct stat st;

	assert_ok(file_make_directory("d//e/", 0700, &err), err);
	assert_ok(file_make_directory("d/e", 0755, &err), err);
	assert_int_equal(stat("d/e", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_ok(file_make_directory("/tmp", 0700, &err), err);
	assert_ok(file_write_atomic("d/e/f", "x", 1, 0600, &err), err);
	assert_fails(file_make_directory("d/e/f", 0700, &err), err, ERROR_FAILED);
	assert_fails(file_make_directory("d/e/f/g", 0700, &err), err, ERROR_FAILED);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(writes_and_reads_back, enter_scratch, leave_scratch),
	cmocka_unit_test_setup_teardown(reads_within_the_limit_only, enter_scratch, leave_scratch),
	cmocka_unit_test_setup_teardown(missing_and_wrong_files_are_told, enter_scratch, leave_scratch),
	cmocka_unit_test_setup_teardown(failed_write_leaves_nothing, enter_scratch, leave_scratch),
	cmocka_unit_test_setup_teardown(removes_durably, enter_scratch, leave_scratch),
	cmocka_unit_test_setup_teardown(makes_directories_with_parents, enter_scratch, leave_scratch),
};

UNIT_MAIN(tests)
