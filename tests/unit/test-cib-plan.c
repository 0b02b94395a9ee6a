// SPDX-License-Identifier: GPL-3.0-or-later
// What Pacemaker's own scheduler makes of our constraints and operations: where a group starts, how it moves, what a failed move and
// a lost node lead to.
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "tests/unit/cib-fixture.h"

#define PLAN                  \
	(const char *const[]) \
	{                     \
		"--run", NULL \
	}
#define EXECUTE(...)                              \
	(const char *const[])                     \
	{                                         \
		"--simulate", ##__VA_ARGS__, NULL \
	}

// A cluster with fencing and the group "sales", wanted started, running on a1.
static void start_sales(struct fixture *fixture)
{
	struct error err = ERROR_INIT;
	struct cib *cib = fixture_open(fixture);

	assert_ok(cib_set_options(cib, "test", NULL, &err), err);
	fixture_add_fencing(cib);
	fixture_create(cib, "sales", (const char *const[]){ "db", NULL });
	assert_ok(cib_set_target_role(cib, "sales", true, &err), err);
	cib_close(cib);
	free(fixture_simulate(fixture, EXECUTE(), 1));
}

static void set_move(struct fixture *fixture, const char *to)
{
	struct error err = ERROR_INIT;
	struct cib *cib = fixture_open(fixture);

	assert_ok(cib_set_move(cib, "sales", to, &err), err);
	cib_close(cib);
}

static struct cib_snapshot *snapshot_of(struct fixture *fixture)
{
	struct error err = ERROR_INIT;
	struct cib *cib = fixture_open(fixture);
	struct cib_snapshot *snapshot = NULL;

	assert_ok(cib_snapshot(cib, &snapshot, &err), err);
	cib_close(cib);
	return snapshot;
}

static void assert_active_on(struct fixture *fixture, const char *node)
{
	struct cib_snapshot *snapshot = snapshot_of(fixture);
	const struct cib_group *group = cib_snapshot_group(snapshot, "sales");

	if (node)
		assert_string_equal(group->active_on[0], node);
	assert_null(group->active_on[node ? 1 : 0]);
	cib_snapshot_free(snapshot);
}

static enum cib_life life_of(struct fixture *fixture, const char *node)
{
	struct error err = ERROR_INIT;
	struct cib *cib = fixture_open(fixture);
	enum cib_life life = CIB_LIFE_LOST;

	assert_ok(cib_read_life(cib, node, &life, &err), err);
	cib_close(cib);
	return life;
}

// Whether LINE of the output names the action and the group.
static void assert_planned(const char *output, const char *action, bool expected)
{
	bool found = false;

	for (const char *line = output; line; line = strchr(line + 1, '\n')) {
		size_t length = strcspn(line + 1, "\n");
		cleanup_free char *text = strndup(line, length + 1);
		found |= strstr(text, "sales") && strstr(text, action);
	}
	if (found != expected)
		fail_msg("%s of sales is %splanned:\n%s", action, found ? "" : "not ", output);
}

static void starts_on_the_preferred_owner(void **state)
{
	start_sales(*state);
	assert_active_on(*state, "a1");
	fixture_verify(*state);
}

static void not_even_probed_on_others(void **state)
{
	struct error err = ERROR_INIT;
	struct cib *cib = fixture_open(*state);

	assert_ok(cib_set_options(cib, "test", NULL, &err), err);
	fixture_add_fencing(cib);
	fixture_create(cib, "sales", (const char *const[]){ NULL });
	assert_ok(cib_set_target_role(cib, "sales", true, &err), err);
	cib_close(cib);
	cleanup_free char *output = fixture_simulate(*state, EXECUTE(), 0);
	assert_planned(output, "monitor on b1", true);
	assert_planned(output, "on c1", false);
	cleanup_free char *lost =
		fixture_simulate(*state, EXECUTE("--node-down", "a1", "--node-down", "b1"), 0);
	assert_planned(lost, "on c1", false);
}

static void move_is_a_migration_and_needs_no_score(void **state)
{
	start_sales(*state);
	set_move(*state, "b1");
	cleanup_free char *plan = fixture_simulate(*state, PLAN, 0);
	assert_planned(plan, "Migrate", true);
	cleanup_free char *output = fixture_simulate(*state, EXECUTE(), 1);
	assert_planned(output, "migrate_to on a1", true);
	assert_planned(output, "migrate_from on b1", true);
	assert_active_on(*state, "b1");
	set_move(*state, NULL); // it stays there, although a1 is preferred
	cleanup_free char *after = fixture_simulate(*state, PLAN, 0);
	assert_planned(after, "->", false);
	assert_active_on(*state, "b1");
}

// A failure is counted on a1, so that it may not have the group: a move there is not acted on, and stops nothing.
static void move_to_where_it_may_not_run_leaves_it_where_it_is(void **state)
{
	start_sales(*state);
	free(fixture_simulate(*state, EXECUTE("--op-inject", "sales_monitor_10000@a1=7"), 1));
	assert_active_on(*state, "b1");
	struct cib_snapshot *snapshot = snapshot_of(*state);
	assert_non_null(cib_snapshot_group(snapshot, "sales")->failure);
	assert_null(cib_snapshot_group(snapshot, "sales")->move_failed);
	cib_snapshot_free(snapshot);
	set_move(*state, "a1");
	cleanup_free char *output = fixture_simulate(*state, EXECUTE(), 1);
	assert_planned(output, "stop", false);
	assert_planned(output, "Stop ", false);
	assert_planned(output, "Migrate", false);
	assert_active_on(*state, "b1");
}

static void failed_move_leaves_the_guest_alone(void **state)
{
	start_sales(*state);
	set_move(*state, "b1");
	free(fixture_simulate(*state, EXECUTE("--op-fail", "sales_migrate_to_0@a1=1"), 1));
	struct cib_snapshot *snapshot = snapshot_of(*state);
	const struct cib_group *group = cib_snapshot_group(snapshot, "sales");
	assert_true(group->blocked && group->failed);
	assert_non_null(strstr(group->failure, "migrate_to on a1"));
	assert_string_equal(group->move_failed, "a1");
	assert_true(group->failed_at > 0);
	assert_null(group->leaving);
	assert_null(group->moved_from);
	cib_snapshot_free(snapshot);
	for (int constraint = 1; constraint >= 0; constraint--) {
		cleanup_free char *output = fixture_simulate(*state, EXECUTE(), 0);
		assert_planned(output, "stop", false);
		assert_planned(output, "Stop ", false);
		assert_planned(output, "start ", false);
		set_move(*state, NULL);
	}
}

#define FOUND_ON_B1 EXECUTE("--op-fail", "sales_monitor_0@b1=0")

// OPERATIONS: an XPath below the group's history on NODE; "" is all of it.
static void drop_history(const char *node, const char *operations)
{
	struct error err = ERROR_INIT;
	cleanup_free char *xpath = NULL;

	assert_true(asprintf(&xpath, "//node_state[@uname='%s']//lrm_resource[@id='sales']%s", node,
			    operations) > 0);
	const char *const argv[] = { "cibadmin", "--delete", "--force", "--xpath", xpath, NULL };
	assert_ok(spawn_run_blocking(argv, 30000, NULL, &err), err);
}

static char *moved_from(struct fixture *fixture)
{
	struct cib_snapshot *snapshot = snapshot_of(fixture);
	const char *node = cib_snapshot_group(snapshot, "sales")->moved_from;
	char *copy = node ? strdup(node) : NULL;

	cib_snapshot_free(snapshot);
	return copy;
}

// b1, where the group was moved to, loses its history and is asked what runs there: with the old move still in a1's history Pacemaker would
// recover from a move that it takes for half done.
static void finished_move_is_no_reason_for_recovery(void **state)
{
	start_sales(*state);
	assert_null(moved_from(*state));
	set_move(*state, "b1");
	free(fixture_simulate(*state, EXECUTE(), 1));
	set_move(*state, NULL);
	cleanup_free char *node = moved_from(*state);
	assert_string_equal(node, "a1");
	drop_history("b1", "");
	free(fixture_simulate(*state, FOUND_ON_B1, 1));
	cleanup_free char *recovery = fixture_simulate(*state, PLAN, 0);
	assert_planned(recovery, "Restart", true);
	drop_history("b1", "");
	drop_history("a1", "");
	assert_null(moved_from(*state));
	free(fixture_simulate(*state, FOUND_ON_B1, 1));
	cleanup_free char *calm = fixture_simulate(*state, EXECUTE(), 1);
	assert_planned(calm, "Restart", false);
	assert_planned(calm, "stop", false);
	assert_active_on(*state, "b1");
}

// Between the end of migrate_from and the stop on the node that was left Pacemaker has nothing in flight for an instant.
static void a_move_is_not_over_before_the_stop(void **state)
{
	start_sales(*state);
	set_move(*state, "b1");
	free(fixture_simulate(*state, EXECUTE(), 1));
	drop_history("a1", "/lrm_rsc_op[@operation='stop']");
	struct cib_snapshot *snapshot = snapshot_of(*state);
	const struct cib_group *group = cib_snapshot_group(snapshot, "sales");
	assert_non_null(group->leaving);
	assert_string_equal(group->leaving, "a1");
	assert_null(group->moved_from);
	assert_true(group->pending);
	cib_snapshot_free(snapshot);
}

// What a1 remembers last of the group, as XML attributes of the operation.
static void remember_on_a1(const char *operation)
{
	struct error err = ERROR_INIT;
	cleanup_free char *xml = NULL;

	assert_true(asprintf(&xml,
			    "<node_state id=\"1\" uname=\"a1\"><lrm id=\"1\"><lrm_resources><lrm_resource id=\"sales\">"
			    "<lrm_rsc_op %s crm_feature_set=\"3.16.1\" "
			    "transition-key=\"1:9:7:7e3617f4-fd0b-49ee-ba53-ee0519d81b27\" "
			    "transition-magic=\"0:7;1:9:7:7e3617f4-fd0b-49ee-ba53-ee0519d81b27\"/>"
			    "</lrm_resource></lrm_resources></lrm></node_state>",
			    operation) > 0);
	const char *const argv[] = { "cibadmin", "--modify", "--xml-text", xml, NULL };
	assert_ok(spawn_run_blocking(argv, 30000, NULL, &err), err);
}

// The coordinator dies in the middle of a move: the next one finds the group by probes. The old move must be known for one that is over, to
// be forgotten: with it Pacemaker recovers the group again and again.
static void a_move_that_ends_in_probes_is_over(void **state)
{
	start_sales(*state);
	set_move(*state, "b1");
	free(fixture_simulate(*state, EXECUTE(), 1));
	set_move(*state, NULL);
	drop_history("a1", "/lrm_rsc_op[@operation='stop']");
	remember_on_a1("id=\"sales_last_0\" operation_key=\"sales_monitor_0\" operation=\"monitor\" call-id=\"99\" "
		       "rc-code=\"7\" op-status=\"0\" interval=\"0\"");
	struct cib_snapshot *snapshot = snapshot_of(*state);
	const struct cib_group *group = cib_snapshot_group(snapshot, "sales");
	assert_null(group->leaving);
	assert_non_null(group->moved_from);
	assert_string_equal(group->moved_from, "a1");
	cib_snapshot_free(snapshot);
}

static bool is_pending(struct fixture *fixture)
{
	struct cib_snapshot *snapshot = snapshot_of(fixture);
	bool pending = cib_snapshot_group(snapshot, "sales")->pending;

	cib_snapshot_free(snapshot);
	return pending;
}

// The target of a move was lost at its end: Pacemaker took the group for active where it had been, looked there again, and stopped it. The monitor
// stays in the history as pending, and the failure that it found must be forgotten nevertheless.
static void a_monitor_left_behind_is_not_pending(void **state)
{
	start_sales(*state);
	set_move(*state, "b1");
	free(fixture_simulate(*state, EXECUTE(), 1));
	set_move(*state, NULL);
	assert_false(is_pending(*state));
	remember_on_a1("id=\"sales_monitor_10000\" operation_key=\"sales_monitor_10000\" operation=\"monitor\" call-id=\"-1\" "
		       "rc-code=\"193\" op-status=\"-1\" interval=\"10000\"");
	assert_false(is_pending(*state));
	cleanup_free char *node = moved_from(*state);
	assert_string_equal(node, "a1");
	remember_on_a1("id=\"sales_last_0\" operation_key=\"sales_start_0\" operation=\"start\" call-id=\"-1\" "
		       "rc-code=\"193\" op-status=\"-1\" interval=\"0\"");
	assert_true(is_pending(*state));
}

static void lost_owner_is_fenced_first(void **state)
{
	start_sales(*state);
	assert_int_equal(life_of(*state, "a1"), CIB_LIFE_MEMBER);
	cleanup_free char *output = fixture_simulate(*state, EXECUTE("--node-fail", "a1"), 1);
	const char *fenced = strstr(output, "Fencing a1"),
		   *started = strstr(output, "sales           start on b1");
	assert_non_null(fenced);
	assert_non_null(started);
	assert_true(fenced < started);
	assert_active_on(*state, "b1");
}

static void record_keeps_it_from_the_other_node(void **state)
{
	struct error err = ERROR_INIT;

	start_sales(*state);
	struct cib *cib = fixture_open(*state);
	assert_ok(cib_set_current(cib, "sales", "a1", &err), err);
	cib_close(cib);
	cleanup_free char *quiet = fixture_simulate(*state, EXECUTE(), 0);
	assert_planned(quiet, "stop", false);
	cleanup_free char *output = fixture_simulate(*state, EXECUTE("--node-fail", "a1"), 1);
	assert_planned(output, "start on b1", false);
	assert_active_on(*state, NULL);
}

static void failure_goes_to_the_other_node_at_once(void **state)
{
	start_sales(*state);
	cleanup_free char *output =
		fixture_simulate(*state, EXECUTE("--op-inject", "sales_monitor_10000@a1=7"), 1);
	assert_planned(output, "start on b1", true);
	assert_active_on(*state, "b1");
}

static void nothing_starts_without_fencing(void **state)
{
	struct error err = ERROR_INIT;
	struct cib *cib = fixture_open(*state);

	assert_ok(cib_set_options(cib, "test", NULL, &err), err);
	fixture_create(cib, "sales", (const char *const[]){ NULL });
	assert_ok(cib_set_target_role(cib, "sales", true, &err), err);
	cib_close(cib);
	free(fixture_simulate(*state, EXECUTE(), 1));
	assert_active_on(*state, NULL);
}

#define CIB_TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

static const struct CMUnitTest tests[] = {
	CIB_TEST(starts_on_the_preferred_owner),
	CIB_TEST(not_even_probed_on_others),
	CIB_TEST(move_is_a_migration_and_needs_no_score),
	CIB_TEST(move_to_where_it_may_not_run_leaves_it_where_it_is),
	CIB_TEST(failed_move_leaves_the_guest_alone),
	CIB_TEST(finished_move_is_no_reason_for_recovery),
	CIB_TEST(a_move_is_not_over_before_the_stop),
	CIB_TEST(a_move_that_ends_in_probes_is_over),
	CIB_TEST(a_monitor_left_behind_is_not_pending),
	CIB_TEST(lost_owner_is_fenced_first),
	CIB_TEST(record_keeps_it_from_the_other_node),
	CIB_TEST(failure_goes_to_the_other_node_at_once),
	CIB_TEST(nothing_starts_without_fencing),
};

UNIT_MAIN(tests)
