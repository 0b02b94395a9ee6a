// SPDX-License-Identifier: GPL-3.0-or-later
// What every unit test includes: cmocka with the headers it wants before it, and the error value in assertions.
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "common/error.h"

// CALL is an expression that takes &err; on failure its message is shown.
#define assert_ok(call, err)                                      \
	do {                                                      \
		if ((call) < 0)                                   \
			fail_msg("%s: %s", #call, (err).message); \
	} while (0)

#define assert_fails(call, err, expected)                                                  \
	do {                                                                               \
		error_clear(&(err));                                                       \
		assert_int_equal((call), -1);                                              \
		if ((err).code != (expected))                                              \
			fail_msg("%s: %s, not %s: %s", #call, error_code_name((err).code), \
				error_code_name(expected), (err).message);                 \
	} while (0)

#define UNIT_MAIN(tests)                                          \
	int main(void)                                            \
	{                                                         \
		return cmocka_run_group_tests(tests, NULL, NULL); \
	}

#endif
