// SPDX-License-Identifier: GPL-3.0-or-later
// Which features of its processor a guest would lose on another node.
#include "tests/unit/unit.h"

#include <stdlib.h>
#include "migrate/cpu-check.h"

static void what_a_model_lacks_is_found(void **state)
{
	json_t *answer = json_pack("[{s:s, s:[s, s]}, {s:s, s:[]}, {s:s}]", "name", "Skylake-Server",
		"unavailable-features", "avx512f", "pcid", "name", "qemu64", "unavailable-features", "name",
		"host");
	static const struct {
		const char *model, *lacks;
	} cases[] = { { "Skylake-Server", "avx512f,pcid" }, { "Skylake-Server,-pcid", "avx512f,pcid" },
		{ "qemu64", "" }, { "host", "" }, { "Skylake", "" } };

	assert_non_null(answer);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *words = cpu_unavailable_in(answer, cases[i].model);
		assert_string_equal(words, cases[i].lacks);
		free(words);
	}
	json_decref(answer);
}

static void only_what_is_new_is_lost(void **state)
{
	char lost[64];

	assert_false(cpu_lost("", "", lost, sizeof(lost)));
	assert_false(cpu_lost("avx,pcid", "pcid", lost, sizeof(lost)));
	assert_true(cpu_lost("", "avx,pcid", lost, sizeof(lost)));
	assert_string_equal(lost, "avx pcid");
	assert_true(cpu_lost("avx,pcid", "avx2,pcid,avx", lost, sizeof(lost)));
	assert_string_equal(lost, "avx2");
	assert_true(cpu_lost("", "a-very-long-name,x", lost, 8)); // what has no room is left out
	assert_string_equal(lost, "x");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_a_model_lacks_is_found),
	cmocka_unit_test(only_what_is_new_is_lost),
};

UNIT_MAIN(tests)
