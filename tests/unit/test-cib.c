// SPDX-License-Identifier: GPL-3.0-or-later
// Definitions, records and constraints in a CIB file: what is written is read back, conflicts are refused, and Pacemaker finds it valid.
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "tests/unit/cib-fixture.h"

static const char *const two_vms[] = { "db", "web", NULL }, *const one_vm[] = { "db", NULL },
			 *const no_vm[] = { NULL };

static Holdfast__GroupSpec *read_group(struct cib *cib, const char *name, char **current)
{
	struct error err = ERROR_INIT;
	Holdfast__GroupSpec *spec = NULL;
	char *record = NULL;

	assert_ok(cib_read_group(cib, name, &spec, &record, &err), err);
	if (current)
		*current = record;
	else
		free(record);
	return spec;
}

static size_t occurrences(struct fixture *fixture, const char *text)
{
	struct error err = ERROR_INIT;
	cleanup_free char *xml = NULL;
	size_t count = 0;

	assert_ok(file_read(fixture->path, 1 << 20, &xml, NULL, &err), err);
	for (const char *at = xml; (at = strstr(at, text)); at++)
		count++;
	return count;
}

static void group_is_read_back(void **state)
{
	struct cib *cib = fixture_open(*state);
	struct error err = ERROR_INIT;
	cleanup_free char *current = NULL;

	fixture_add_fencing(cib);
	fixture_create(cib, "sales", two_vms);
	Holdfast__GroupSpec *spec = read_group(cib, "sales", &current);
	assert_null(current);
	assert_string_equal(spec->group->name, "sales");
	assert_int_equal(spec->n_vms, 2);
	assert_string_equal(spec->vms[1]->name, "web");
	assert_string_equal(spec->vms[1]->append, "quote=' \"x\" <&>");
	assert_true(spec->epoch > 5);
	holdfast__group_spec__free_unpacked(spec, NULL);
	assert_fails(cib_read_group(cib, "nosuch", &spec, &current, &err), err, ERROR_NOT_FOUND);
	assert_fails(cib_read_group(cib, "x'] | //*[@id='y", &spec, &current, &err), err, ERROR_USAGE);
	cib_close(cib);
	fixture_verify(*state);
}

static void create_refuses_what_is_there(void **state)
{
	static const struct {
		const char *group, *vm;
		enum error_code code;
	} cases[] = {
		{ "sales", "new", ERROR_EXISTS },
		{ "other", "db", ERROR_EXISTS },
		{ "fence-a1", "x", ERROR_USAGE },
		{ "holdfast-x", "x", ERROR_USAGE },
		{ "Sales", "x", ERROR_USAGE },
		{ "other", "a b", ERROR_USAGE },
	};
	struct cib *cib = fixture_open(*state);
	struct error err = ERROR_INIT;

	fixture_create(cib, "sales", one_vm);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Holdfast__GroupSpec *spec =
			fixture_spec(cases[i].group, (const char *const[]){ cases[i].vm, NULL });
		assert_fails(cib_create_group(cib, spec, &err), err, cases[i].code);
		holdfast__group_spec__free_unpacked(spec, NULL);
	}
	cib_close(cib);
	assert_int_equal(occurrences(*state, "<primitive"), 1);
}

static void volumes_are_unique_in_the_cluster(void **state)
{
	struct cib *cib = fixture_open(*state);
	struct error err = ERROR_INIT;
	Holdfast__Volume volume = HOLDFAST__VOLUME__INIT, *volumes[] = { &volume };
	Holdfast__GroupSpec *spec = fixture_spec("one", no_vm);

	spec->group->n_volumes = 1;
	spec->group->volumes = volumes;
	volume.minor = 7;
	spec->group->port = 7789;
	assert_ok(cib_create_group(cib, spec, &err), err);
	free(spec->group->name);
	spec->group->name = strdup("two");
	assert_fails(cib_create_group(cib, spec, &err), err, ERROR_BUSY);
	volume.minor = 8;
	assert_fails(cib_create_group(cib, spec, &err), err, ERROR_BUSY);
	spec->group->port = 7790;
	assert_ok(cib_create_group(cib, spec, &err), err);
	spec->group->n_volumes = 0;
	spec->group->volumes = NULL;
	holdfast__group_spec__free_unpacked(spec, NULL);
	cib_close(cib);
}

static void update_replaces_vms_and_owners(void **state)
{
	struct cib *cib = fixture_open(*state);
	struct error err = ERROR_INIT;

	fixture_add_fencing(cib);
	fixture_create(cib, "sales", two_vms);
	Holdfast__GroupSpec *read = read_group(cib, "sales", NULL), *spec = fixture_spec("sales", one_vm);
	spec->epoch = read->epoch;
	spec->vms[0]->memory_mib = 2048;
	free(spec->group->possible[1]);
	spec->group->possible[1] = strdup("c1"); // instead of a1
	assert_ok(cib_update_group(cib, spec, &err), err);
	holdfast__group_spec__free_unpacked(read, NULL);
	holdfast__group_spec__free_unpacked(spec, NULL);
	read = read_group(cib, "sales", NULL);
	assert_int_equal(read->n_vms, 1);
	assert_int_equal(read->vms[0]->memory_mib, 2048);
	holdfast__group_spec__free_unpacked(read, NULL);
	cib_close(cib);
	assert_int_equal(occurrences(*state, "holdfast-vm-web"), 0);
	assert_int_equal(occurrences(*state, "id=\"holdfast-possible-sales.c1\""), 1);
	assert_int_equal(occurrences(*state, "id=\"holdfast-possible-sales.a1\""), 0);
	fixture_verify(*state);
}

static void update_refuses_an_old_view_of_this_group_only(void **state)
{
	struct cib *cib = fixture_open(*state);
	struct error err = ERROR_INIT;

	fixture_create(cib, "sales", one_vm);
	Holdfast__GroupSpec *first = read_group(cib, "sales", NULL), *second = read_group(cib, "sales", NULL);
	fixture_create(cib, "other", no_vm); // the CIB's epoch is another now, the group is not
	first->vms[0]->cpus = 3;
	assert_ok(cib_update_group(cib, first, &err), err);
	second->vms[0]->cpus = 4;
	assert_fails(cib_update_group(cib, second, &err), err, ERROR_BUSY);
	holdfast__group_spec__free_unpacked(second, NULL);
	second = read_group(cib, "sales", NULL);
	assert_int_equal(second->vms[0]->cpus, 3);
	second->vms[0]->cpus = 4;
	assert_ok(cib_update_group(cib, second, &err), err);
	first->epoch = 0; // never read
	assert_fails(cib_update_group(cib, first, &err), err, ERROR_BUSY);
	holdfast__group_spec__free_unpacked(first, NULL);
	holdfast__group_spec__free_unpacked(second, NULL);
	cib_close(cib);
}

static void record_stands_until_cleared(void **state)
{
	struct cib *cib = fixture_open(*state);
	struct error err = ERROR_INIT;
	cleanup_free char *current = NULL, *none = NULL;

	fixture_add_fencing(cib);
	fixture_create(cib, "sales", no_vm);
	assert_fails(cib_set_current(cib, "nosuch", "a1", &err), err, ERROR_NOT_FOUND);
	assert_ok(cib_set_current(cib, "sales", "b1", &err), err);
	assert_ok(cib_set_current(cib, "sales", "b1", &err), err);
	assert_fails(cib_set_current(cib, "sales", "a1", &err), err, ERROR_UNSAFE);
	assert_fails(cib_set_move(cib, "sales", "a1", &err), err, ERROR_UNSAFE);
	assert_ok(cib_set_move(cib, "sales", "b1", &err), err);
	holdfast__group_spec__free_unpacked(read_group(cib, "sales", &current), NULL);
	assert_string_equal(current, "b1");
	assert_ok(cib_set_current(cib, "sales", NULL, &err), err);
	assert_ok(cib_set_current(cib, "sales", NULL, &err), err); // nothing to clear is fine
	holdfast__group_spec__free_unpacked(read_group(cib, "sales", &none), NULL);
	assert_null(none);
	assert_ok(cib_set_current(cib, "sales", "a1", &err), err);
	cib_close(cib);
	fixture_verify(*state);
}

static void record_is_cleared_only_as_it_was_seen(void **state)
{
	struct cib *cib = fixture_open(*state);
	struct error err = ERROR_INIT;
	char *current = NULL;

	fixture_create(cib, "sales", no_vm);
	assert_ok(cib_set_current(cib, "sales", "b1", &err), err);
	Holdfast__GroupSpec *seen = read_group(cib, "sales", NULL);
	fixture_create(cib, "other", no_vm); // anything may be a new record
	assert_fails(cib_clear_current(cib, "sales", seen->epoch, &err), err, ERROR_BUSY);
	holdfast__group_spec__free_unpacked(seen, NULL);
	seen = read_group(cib, "sales", &current);
	assert_string_equal(current, "b1");
	assert_ok(cib_clear_current(cib, "sales", seen->epoch, &err), err);
	holdfast__group_spec__free_unpacked(seen, NULL);
	free(current);
	holdfast__group_spec__free_unpacked(read_group(cib, "sales", &current), NULL);
	assert_null(current);
	cib_close(cib);
}

// Both constraints with different nodes would leave no node at all: Pacemaker would stop the group.
static void record_turns_a_move_round(void **state)
{
	struct cib *cib = fixture_open(*state);
	struct error err = ERROR_INIT;
	struct cib_snapshot *snapshot = NULL;

	fixture_create(cib, "sales", no_vm);
	assert_ok(cib_set_move(cib, "sales", "b1", &err), err);
	assert_ok(cib_set_current(cib, "sales", "a1", &err), err);
	assert_ok(cib_snapshot(cib, &snapshot, &err), err);
	assert_string_equal(cib_snapshot_group(snapshot, "sales")->move_to, "a1");
	assert_string_equal(cib_snapshot_group(snapshot, "sales")->current, "a1");
	cib_snapshot_free(snapshot);
	cib_close(cib);
}

static void snapshot_has_everything(void **state)
{
	struct cib *cib = fixture_open(*state);
	struct error err = ERROR_INIT;
	struct cib_snapshot *snapshot = NULL;
	Holdfast__Node node = HOLDFAST__NODE__INIT;

	node.name = (char *)"a1";
	node.site = (char *)"a";
	node.nodeid = 1;
	assert_ok(cib_set_options(cib, "test", "192.0.2.9", &err), err);
	assert_ok(cib_set_node(cib, &node, &err), err);
	fixture_add_fencing(cib);
	fixture_create(cib, "sales", two_vms);
	assert_ok(cib_set_target_role(cib, "sales", true, &err), err);
	assert_fails(cib_set_target_role(cib, "nosuch", true, &err), err, ERROR_NOT_FOUND);
	assert_ok(cib_snapshot(cib, &snapshot, &err), err);
	assert_string_equal(snapshot->cluster_name, "test");
	assert_string_equal(snapshot->witness, "192.0.2.9");
	assert_true(snapshot->quorate);
	assert_int_equal(snapshot->node_count, 3);
	assert_string_equal(snapshot->nodes[0].node->site, "a");
	assert_string_equal(snapshot->nodes[0].fence_device, "fence-a1");
	assert_true(snapshot->nodes[0].online && snapshot->nodes[0].clean);
	assert_string_equal(snapshot->dc, "a1");
	assert_int_equal(snapshot->fence_device_count, 3);
	const struct cib_group *group = cib_snapshot_group(snapshot, "sales");
	assert_true(group->wanted_started);
	assert_null(group->active_on[0]);
	assert_null(group->failure);
	assert_false(group->failed || group->blocked || group->pending);
	assert_non_null(cib_snapshot_vm(snapshot, "web"));
	assert_null(cib_snapshot_vm(snapshot, "nosuch"));
	cib_snapshot_free(snapshot);
	cib_close(cib);
	fixture_verify(*state);
}

static void fence_device_is_replaced(void **state)
{
	struct cib *cib = fixture_open(*state);
	struct error err = ERROR_INIT;
	char *options[] = { (char *)"port=7" };
	Holdfast__FenceDevice device = HOLDFAST__FENCE_DEVICE__INIT;

	fixture_add_fencing(cib);
	device.node = (char *)"a1";
	device.agent = (char *)"fence_ipmilan";
	device.n_options = 1;
	device.options = options;
	assert_ok(cib_set_fence_device(cib, &device, &err), err);
	options[0] = (char *)"no value";
	assert_fails(cib_set_fence_device(cib, &device, &err), err, ERROR_USAGE);
	device.agent = (char *)"../x";
	assert_fails(cib_set_fence_device(cib, &device, &err), err, ERROR_USAGE);
	assert_ok(cib_delete_fence_device(cib, "b1", &err), err);
	assert_fails(cib_delete_fence_device(cib, "b1", &err), err, ERROR_NOT_FOUND);
	cib_close(cib);
	assert_int_equal(occurrences(*state, "class=\"stonith\""), 2);
	assert_int_equal(occurrences(*state, "name=\"ip\""), 1); // c1's: a1's old option is gone
	fixture_verify(*state);
}

static void delete_leaves_nothing(void **state)
{
	struct cib *cib = fixture_open(*state);
	struct error err = ERROR_INIT;

	fixture_create(cib, "sales", two_vms);
	assert_ok(cib_set_current(cib, "sales", "a1", &err), err);
	assert_ok(cib_set_move(cib, "sales", "a1", &err), err);
	fixture_create(cib, "sales-two", no_vm);
	assert_ok(cib_delete_group(cib, "sales", &err), err);
	assert_fails(cib_delete_group(cib, "sales", &err), err, ERROR_NOT_FOUND);
	cib_close(cib);
	assert_int_equal(occurrences(*state, "\"sales\""), 0);
	assert_int_equal(occurrences(*state, "holdfast-vm-"), 0);
	assert_int_equal(occurrences(*state, "<rsc_location"), 2); // the other group's owners
}

static void unreadable_definition_is_one_failed_group(void **state)
{
	struct fixture *fixture = *state;
	const char *const argv[] = { "cibadmin", "--modify", "--xml-text",
		"<nvpair id=\"holdfast-group-bad.definition\" name=\"holdfast-group-bad\" "
		"value=\"{nonsense\"/>",
		NULL };
	struct cib *cib = fixture_open(fixture);
	struct error err = ERROR_INIT;
	struct cib_snapshot *snapshot = NULL;
	Holdfast__GroupSpec *spec = NULL;
	char *current = NULL;

	fixture_create(cib, "bad", no_vm);
	fixture_create(cib, "good", no_vm);
	cib_close(cib);
	assert_ok(spawn_run_blocking(argv, 30000, NULL, &err), err);
	cib = fixture_open(fixture);
	assert_fails(cib_read_group(cib, "bad", &spec, &current, &err), err, ERROR_USAGE);
	assert_ok(cib_snapshot(cib, &snapshot, &err), err);
	assert_true(cib_snapshot_group(snapshot, "bad")->failed);
	assert_non_null(cib_snapshot_group(snapshot, "bad")->failure);
	assert_false(cib_snapshot_group(snapshot, "good")->failed);
	cib_snapshot_free(snapshot);
	cib_close(cib);
}

#define CIB_TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

static const struct CMUnitTest tests[] = {
	CIB_TEST(group_is_read_back),
	CIB_TEST(create_refuses_what_is_there),
	CIB_TEST(volumes_are_unique_in_the_cluster),
	CIB_TEST(update_replaces_vms_and_owners),
	CIB_TEST(update_refuses_an_old_view_of_this_group_only),
	CIB_TEST(record_stands_until_cleared),
	CIB_TEST(record_is_cleared_only_as_it_was_seen),
	CIB_TEST(record_turns_a_move_round),
	CIB_TEST(snapshot_has_everything),
	CIB_TEST(fence_device_is_replaced),
	CIB_TEST(delete_leaves_nothing),
	CIB_TEST(unreadable_definition_is_one_failed_group),
};

UNIT_MAIN(tests)
