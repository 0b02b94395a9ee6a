// SPDX-License-Identifier: GPL-3.0-or-later
// The error value: what its message is made of, that it never overruns, and the exit status of each code.
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

static void message_is_put_together(void **state)
{
	struct error err = ERROR_INIT, copy = ERROR_INIT;

	assert_int_equal(error_set_errno(&err, ENOENT, "cannot read %s", "x"), -1);
	assert_string_equal(err.message, "cannot read x: No such file or directory");
	assert_int_equal(err.code, ERROR_NOT_FOUND);
	assert_int_equal(err.errnum, ENOENT);
	assert_int_equal(error_prefix(&err, "group %s", "web"), -1);
	assert_string_equal(err.message, "group web: cannot read x: No such file or directory");
	assert_int_equal(err.code, ERROR_NOT_FOUND);
	error_copy(&copy, &err);
	error_clear(&err);
	assert_int_equal(err.code, ERROR_NONE);
	assert_int_equal(copy.code, ERROR_NOT_FOUND);
	assert_int_equal(error_set(&err, ERROR_UNSAFE, "no"), -1);
	assert_int_equal(err.errnum, 0);
}

static void long_messages_are_cut(void **state)
{
	struct error err = ERROR_INIT;
	char text[2000];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	error_set_errno(&err, EIO, "%s", text);
	error_prefix(&err, "%s", text);
	assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
}

static void nobody_needs_to_listen(void **state)
{
	assert_int_equal(error_set(NULL, ERROR_FAILED, "x"), -1);
	assert_int_equal(error_set_errno(NULL, EIO, "x"), -1);
	assert_int_equal(error_prefix(NULL, "x"), -1);
	assert_int_equal(error_copy(NULL, NULL), -1);
	error_clear(NULL);
}

static void codes_have_an_exit_status_and_a_name(void **state)
{
	assert_int_equal(error_exit_status(ERROR_NONE), 0);
	assert_int_equal(error_exit_status(ERROR_FAILED), 1);
	assert_int_equal(error_exit_status(ERROR_USAGE), 2);
	assert_int_equal(error_exit_status(ERROR_NOT_FOUND), 3);
	assert_int_equal(error_exit_status(ERROR_UNSAFE), 4);
	for (enum error_code code = ERROR_EXISTS; code <= ERROR_CROWDED; code++) {
		assert_int_equal(error_exit_status(code), 1);
		assert_string_not_equal(error_code_name(code), "unknown");
	}
	assert_string_equal(error_code_name(ERROR_CROWDED + 1), "unknown");
	assert_string_equal(error_code_name((enum error_code)-1), "unknown");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(message_is_put_together),
	cmocka_unit_test(long_messages_are_cut),
	cmocka_unit_test(nobody_needs_to_listen),
	cmocka_unit_test(codes_have_an_exit_status_and_a_name),
};

UNIT_MAIN(tests)
