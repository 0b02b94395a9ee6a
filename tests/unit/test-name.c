// SPDX-License-Identifier: GPL-3.0-or-later
// The rule for names, at its edges.
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include "common/name.h"

static const char sixty_three[] = "a23456789-123456789-123456789-123456789-123456789-123456789-123";

static void good_names_pass(void **state)
{
	static const char *const good[] = { "a", "db1", "web-2-x", "z-", sixty_three };
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(name_valid(good[i]));
		assert_ok(name_check("group", good[i], &err), err);
	}
}

static void bad_names_are_refused_in_one_line(void **state)
{
	static const char *const bad[] = { "", "1a", "-a", "A", "aB", "a_b", "a.b", "a/b", "a b", "a\n",
		"\xc3\xa4", "../x", NULL };
	struct error err = ERROR_INIT;
	char long_name[5000];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(name_valid(bad[i]));
		assert_fails(name_check("group", bad[i], &err), err, ERROR_USAGE);
		assert_null(strchr(err.message, '\n'));
		assert_non_null(strstr(err.message, "group"));
	}
	snprintf(long_name, sizeof(long_name), "%s4", sixty_three);
	assert_false(name_valid(long_name));
	memset(long_name, 'a', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	assert_fails(name_check("VM", long_name, &err), err, ERROR_USAGE);
	assert_true(strlen(err.message) < 200);
	assert_non_null(strstr(err.message, "aaa...\" cannot"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(good_names_pass),
	cmocka_unit_test(bad_names_are_refused_in_one_line),
};

UNIT_MAIN(tests)
