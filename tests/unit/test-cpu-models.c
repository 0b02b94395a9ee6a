// SPDX-License-Identifier: GPL-3.0-or-later
// What QEMU says of its CPU models: those of which something is missing, versions, and those that are no processor of their own, are left out.
#include "tests/unit/unit.h"

#include "hypervisor/cpu-models.h"

static void whole_models_are_taken(void **state)
{
	static const char output[] =
		"{\"QMP\": {\"version\": {}}}\r\n{\"return\": {}}\r\n"
		"{\"return\": [{\"name\": \"max\", \"unavailable-features\": []},"
		"{\"name\": \"Westmere-v1\", \"unavailable-features\": []},"
		"{\"name\": \"Westmere\", \"unavailable-features\": []},"
		"{\"name\": \"Haswell\", \"unavailable-features\": [\"pcid\"]},"
		"{\"name\": \"host\", \"unavailable-features\": []}, {\"name\": \"odd\"}, 7,"
		"{\"name\": \"Haswell-noTSX-IBRS\", \"unavailable-features\": []}]}\r\n{\"return\": {}}\r\n";
	struct cpu_models models = { .count = 0 };
	struct error err = ERROR_INIT;

	assert_ok(cpu_models_parse(output, &models, &err), err);
	assert_int_equal(models.count, 2);
	assert_string_equal(models.names[0], "Westmere");
	assert_string_equal(models.names[1], "Haswell-noTSX-IBRS");
	cpu_models_done(&models);
	assert_int_equal(models.count, 0);
}

static void nothing_is_made_of_nonsense(void **state)
{
	static const char *const texts[] = { "", "\n\n", "{\"return\": {}}\n", "{\"return\": [", "no JSON\n",
		"{\"error\": {\"desc\": \"no\"}}\n" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct cpu_models models = { .count = 0 };
		struct error err = ERROR_INIT;
		assert_fails(cpu_models_parse(texts[i], &models, &err), err, ERROR_PROTOCOL);
		cpu_models_done(&models);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_models_are_taken),
		cmocka_unit_test(nothing_is_made_of_nonsense),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
