// SPDX-License-Identifier: GPL-3.0-or-later
// Numbers and places for new things: the lowest free ones, replicas at two sites, owners that have a replica.
#include "tests/unit/unit.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include "clusterd/allocate.h"
#include "proto/json.h"

struct fixture {
	Holdfast__Node *nodes[4];
	Holdfast__Group *groups[2];
	struct allocate_world world;
	struct error err;
};

static void *read_json(const ProtobufCMessageDescriptor *type, const char *text)
{
	struct error err = ERROR_INIT;
	void *message = proto_from_json_text(type, text, &err);

	if (!message)
		fail_msg("%s: %s", text, err.message);
	return message;
}

static int set_up(void **state)
{
	static const char *const nodes[] = {
		"{\"name\":\"a1\",\"site\":\"a\",\"address\":\"10.0.1.11\",\"nodeid\":101}",
		"{\"name\":\"a2\",\"site\":\"a\",\"address\":\"10.0.1.12\",\"nodeid\":102}",
		"{\"name\":\"b1\",\"site\":\"b\",\"address\":\"10.0.1.21\",\"nodeid\":201}",
		"{\"name\":\"b2\",\"site\":\"b\",\"address\":\"10.0.1.22\",\"nodeid\":203}",
	};
	struct fixture *f = calloc(1, sizeof(*f));

	for (size_t i = 0; i < 4; i++)
		f->nodes[i] = read_json(&holdfast__node__descriptor, nodes[i]);
	f->groups[0] = read_json(&holdfast__group__descriptor,
		"{\"name\":\"g0\",\"storage\":\"drbd\",\"port\":7700,\"volumes\":[{\"index\":0,\"minor\":0},{"
		"\"index\":1,\"minor\":2}]}");
	f->groups[1] = read_json(&holdfast__group__descriptor,
		"{\"name\":\"g1\",\"storage\":\"file\",\"port\":0,\"volumes\":[{\"index\":0,\"minor\":1}]}");
	f->world = (struct allocate_world){ (const Holdfast__Group *const *)f->groups, 2,
		(const Holdfast__Node *const *)f->nodes, 4 };
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < 4; i++)
		holdfast__node__free_unpacked(f->nodes[i], NULL);
	for (size_t i = 0; i < 2; i++)
		holdfast__group__free_unpacked(f->groups[i], NULL);
	free(f);
	return 0;
}

static void the_lowest_free_numbers(void **state)
{
	struct fixture *f = *state;
	const uint32_t taken[] = { 1, 3 };
	uint32_t number;

	assert_ok(allocate_port(&f->world, &number, &f->err), f->err);
	assert_int_equal(number, 7701);
	assert_ok(allocate_minor(&f->world, NULL, 0, &number, &f->err), f->err);
	assert_int_equal(number, 1); // the file group's minor means nothing
	assert_ok(allocate_minor(&f->world, taken, 2, &number, &f->err), f->err);
	assert_int_equal(number, 4);
}

static void node_ids_are_grouped_by_site(void **state)
{
	struct fixture *f = *state;
	const struct allocate_world empty = { 0 };
	uint32_t nodeid;

	assert_ok(allocate_nodeid(&empty, "a", &nodeid, &f->err), f->err);
	assert_int_equal(nodeid, 101);
	assert_ok(allocate_nodeid(&f->world, "a", &nodeid, &f->err), f->err);
	assert_int_equal(nodeid, 103);
	assert_ok(allocate_nodeid(&f->world, "b", &nodeid, &f->err), f->err);
	assert_int_equal(nodeid, 202);
	assert_ok(allocate_nodeid(&f->world, "c", &nodeid, &f->err), f->err);
	assert_int_equal(nodeid, 301);
}

// What GROUP becomes: "possible | replicas".
static void expect_places(struct fixture *f, const char *group_json, const char *expected)
{
	Holdfast__Group *group = read_json(&holdfast__group__descriptor, group_json);
	g_autoptr(GString) text = g_string_new(NULL);

	error_clear(&f->err);
	assert_ok(allocate_places(&f->world, group, &f->err), f->err);
	for (size_t i = 0; i < group->n_possible; i++)
		g_string_append_printf(text, "%s ", group->possible[i]);
	g_string_append(text, "|");
	for (size_t i = 0; i < group->n_replicas; i++)
		g_string_append_printf(text, " %s=%s", group->replicas[i]->node, group->replicas[i]->address);
	assert_string_equal(text->str, expected);
	holdfast__group__free_unpacked(group, NULL);
}

static void replicas_are_at_two_sites(void **state)
{
	struct fixture *f = *state;

	expect_places(f, "{\"name\":\"g\"}", "a1 b1 | a1=10.0.1.11 b1=10.0.1.21");
	expect_places(f, "{\"name\":\"g\",\"preferred\":[\"b2\"]}", "b2 a1 | b2=10.0.1.22 a1=10.0.1.11");
	expect_places(
		f, "{\"name\":\"g\",\"preferred\":[\"a2\",\"b2\"]}", "a2 b2 | a2=10.0.1.12 b2=10.0.1.22");
	expect_places(f, "{\"name\":\"g\",\"possible\":[\"b1\",\"a2\"],\"preferred\":[\"a2\"]}",
		"b1 a2 | a2=10.0.1.12 b1=10.0.1.21");
	expect_places(f,
		"{\"name\":\"g\",\"replicas\":[{\"node\":\"b2\"},{\"node\":\"a2\",\"address\":\"10.9.9.9\"}]"
		"}",
		"a2 b2 | b2=10.0.1.22 a2=10.9.9.9");
	expect_places(f, "{\"name\":\"g\",\"storage\":\"file\"}", "a1 a2 b1 b2 |");
}

static void expect_refused(struct fixture *f, const char *group_json, enum error_code code, const char *word)
{
	Holdfast__Group *group = read_json(&holdfast__group__descriptor, group_json);

	assert_fails(allocate_places(&f->world, group, &f->err), f->err, code);
	assert_non_null(strstr(f->err.message, word));
	holdfast__group__free_unpacked(group, NULL);
}

static void impossible_places_are_refused(void **state)
{
	struct fixture *f = *state;

	expect_refused(f, "{\"name\":\"g\",\"possible\":[\"z9\"]}", ERROR_NOT_FOUND, "z9");
	expect_refused(f, "{\"name\":\"g\",\"preferred\":[\"z9\"]}", ERROR_NOT_FOUND, "z9");
	expect_refused(f, "{\"name\":\"g\",\"preferred\":[\"a1\",\"a1\"]}", ERROR_USAGE, "twice");
	expect_refused(
		f, "{\"name\":\"g\",\"possible\":[\"a1\",\"b1\"],\"preferred\":[\"b2\"]}", ERROR_USAGE, "b2");
	expect_refused(f, "{\"name\":\"g\",\"possible\":[\"a1\",\"a2\"]}", ERROR_USAGE, "second site");
	expect_refused(f, "{\"name\":\"g\",\"possible\":[\"a1\",\"a2\",\"b1\"]}", ERROR_USAGE, "a2");
	expect_refused(f, "{\"name\":\"g\",\"replicas\":[{\"node\":\"a1\"}]}", ERROR_USAGE, "two");
	expect_refused(f, "{\"name\":\"g\",\"replicas\":[{\"node\":\"a1\"},{\"node\":\"a2\"}]}", ERROR_USAGE,
		"site a");
	expect_refused(f, "{\"name\":\"g\",\"replicas\":[{\"node\":\"a1\"},{\"node\":\"z9\"}]}",
		ERROR_NOT_FOUND, "z9");
}

static void the_state_volume_must_hold_all_memory(void **state)
{
	Holdfast__GroupSpec *spec = read_json(&holdfast__group_spec__descriptor,
		"{\"group\":{\"name\":\"g\",\"storage\":\"drbd\",\"volumes\":[{\"index\":0,\"name\":"
		"\"state\",\"size_bytes\":268435456}]},"
		"\"vms\":[{\"name\":\"v\",\"memory_mib\":100},{\"name\":\"w\",\"memory_mib\":50,\"disks\":[{\"name\":\"d\","
		"\"format\":\"qcow2\"}]}]}");

	assert_int_equal(allocate_state_need(spec, ALLOCATE_STATE_TO_SAVE), (16 + 108 + 58) << 20);
	// One that can have checkpoints, and one that cannot.
	assert_int_equal(allocate_state_need(spec, ALLOCATE_STATE_AMPLE), (16 + 108 + 58 + 58) << 20);
	assert_int_equal(allocate_state_has(spec), 256 << 20);
	spec->group->storage = HOLDFAST__STORAGE_KIND__STORAGE_FILE;
	assert_true(allocate_state_has(spec) == UINT64_MAX);
	assert_int_equal(allocate_round_up(1), 1 << 20);
	assert_int_equal(allocate_round_up(1 << 20), 1 << 20);
	holdfast__group_spec__free_unpacked(spec, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_lowest_free_numbers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(node_ids_are_grouped_by_site, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replicas_are_at_two_sites, set_up, tear_down),
		cmocka_unit_test_setup_teardown(impossible_places_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_state_volume_must_hold_all_memory, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
