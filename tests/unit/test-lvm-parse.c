// SPDX-License-Identifier: GPL-3.0-or-later
// The reports of lvs and vgs, as LVM 2.03 prints them, and what is no such report.
#include "tests/unit/unit.h"

#include <stdlib.h>
#include "common/cleanup.h"
#include "storage/lvm.h"

static void reads_volumes(void **state)
{
	struct error err = ERROR_INIT;
	cleanup_free struct lvm_volume *volumes = NULL;
	size_t count;

	assert_ok(lvm_parse_volumes(
			  "  {\n \"report\": [ { \"lv\": [\n"
			  "{\"lv_name\":\"web.0\", \"lv_size\":\"71303168\", "
			  "\"lv_tags\":\"holdfast.ready,holdfast.created.x\", \"lv_attr\":\"-wi-a-----\"},\n"
			  "{\"lv_name\":\"web.1\", \"lv_size\":\"4194304\", \"lv_tags\":\"\", "
			  "\"lv_attr\":\"-wi-------\"} ] } ]\n }",
			  &volumes, &count, &err),
		err);
	assert_int_equal(count, 2);
	assert_string_equal(volumes[0].name, "web.0");
	assert_int_equal(volumes[0].bytes, 71303168);
	assert_true(volumes[0].active && !volumes[1].active);
	assert_true(lvm_has_tag(&volumes[0], "holdfast.ready"));
	assert_true(lvm_has_tag(&volumes[0], "holdfast.created.x"));
	assert_false(lvm_has_tag(&volumes[0], "holdfast.created"));
	assert_false(lvm_has_tag(&volumes[0], "ready"));
	assert_false(lvm_has_tag(&volumes[1], "holdfast.ready"));
}

static void reads_the_pool(void **state)
{
	struct error err = ERROR_INIT;
	struct lvm_pool pool;

	assert_ok(lvm_parse_pool("{\"report\":[{\"vg\":[{\"vg_name\":\"holdfast\", "
				 "\"vg_size\":\"532676608\", \"vg_free\":\"390070272\", "
				 "\"vg_extent_size\":\"4194304\"}]}]}",
			  &pool, &err),
		err);
	assert_int_equal(pool.size_bytes, 532676608);
	assert_int_equal(pool.free_bytes, 390070272);
	assert_int_equal(pool.extent_bytes, 4194304);
	assert_fails(lvm_parse_pool("{\"report\":[{\"vg\":[]}]}", &pool, &err), err, ERROR_NOT_FOUND);
}

static void refuses_what_it_does_not_know(void **state)
{
	static const char *const bad[] = { "", "{", "[]", "{\"report\":[]}", "{\"report\":[{\"lv\":{}}]}",
		"{\"report\":[{\"lv\":[1]}]}",
		"{\"report\":[{\"lv\":[{\"lv_name\":\"x\",\"lv_tags\":\"\",\"lv_attr\":\"\",\"lv_size\":\"-"
		"1\"}]}]}",
		"{\"report\":[{\"lv\":[{\"lv_name\":\"x\",\"lv_tags\":\"\",\"lv_attr\":\"\",\"lv_size\":"
		"\"99999999999999999999\"}]}]}",
		"{\"report\":[{\"lv\":[{\"lv_name\":\"x\",\"lv_tags\":\"\",\"lv_attr\":\"\",\"lv_size\":12}]}"
		"]}" };
	struct error err = ERROR_INIT;
	struct lvm_volume *volumes;
	struct lvm_pool pool;
	size_t count;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_fails(lvm_parse_volumes(bad[i], &volumes, &count, &err), err, ERROR_PROTOCOL);
	assert_fails(lvm_parse_pool("{\"report\":[{\"vg\":[{\"vg_size\":\"1\",\"vg_free\":\"1\",\"vg_extent_"
				    "size\":\"0\"}]}]}",
			     &pool, &err),
		err, ERROR_PROTOCOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_volumes),
		cmocka_unit_test(reads_the_pool),
		cmocka_unit_test(refuses_what_it_does_not_know),
	};
	return cmocka_run_group_tests_name("lvm-parse", tests, NULL, NULL);
}
