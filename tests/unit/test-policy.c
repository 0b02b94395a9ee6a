// SPDX-License-Identifier: GPL-3.0-or-later
// What clusterd does by itself with a group, and, as important, what it leaves alone.
#include "tests/unit/unit.h"

#include "clusterd/policy.h"

static char a1[] = "a1", b1[] = "b1", migrate_failed[] = "migrate_to on a1 failed: no answer",
	    start_failed[] = "start on b1 failed: old data";

static struct policy_facts calm(void)
{
	return (struct policy_facts){
		.own_node = "a1", .coordinates = true, .target_online = true, .same_ms = 15000
	};
}

static void a_healthy_group_is_left_alone(void **state)
{
	struct cib_group group = { .wanted_started = true, .active_on = { a1 } };
	struct policy_facts facts = calm();

	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
}

static void a_move_of_this_clusterd_is_its_own_business(void **state)
{
	struct cib_group group = { .wanted_started = true, .active_on = { a1 }, .move_to = b1 };
	struct policy_facts facts = calm();

	facts.own_move = true;
	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
}

static void a_move_that_is_done_is_ended_on_its_target(void **state)
{
	struct cib_group group = { .wanted_started = true, .active_on = { b1 }, .move_to = b1 };
	struct policy_facts facts = calm();

	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE); // b1's clusterd does it
	facts.own_node = b1;
	assert_int_equal(policy_decide(&group, &facts), POLICY_DROP_MOVE);
	facts.same_ms = 100;
	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
	facts.same_ms = 60000;
	group.pending = true;
	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
	group.pending = false;
	group.active_on[1] = a1;
	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
}

static void an_abandoned_move_is_settled_by_its_source(void **state)
{
	struct cib_group group = { .wanted_started = true,
		.active_on = { a1 },
		.move_to = b1,
		.blocked = true,
		.failure = migrate_failed };
	struct policy_facts facts = calm();

	assert_int_equal(policy_decide(&group, &facts), POLICY_SETTLE_MOVE);
	facts.same_ms = 1000;
	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
	facts.same_ms = 60000;
	facts.own_node = "c1";
	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
}

static void a_lost_target_frees_the_group_at_once(void **state)
{
	struct cib_group group = {
		.wanted_started = true, .active_on = { a1 }, .move_to = b1, .pending = true
	};
	struct policy_facts facts = calm();

	facts.target_online = false;
	facts.same_ms = 0;
	assert_int_equal(policy_decide(&group, &facts), POLICY_DROP_MOVE);
	facts.coordinates = false;
	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
}

static void a_failed_move_is_forgotten_where_the_group_is(void **state)
{
	struct cib_group group = { .wanted_started = true,
		.active_on = { a1 },
		.blocked = true,
		.failed = true,
		.failure = migrate_failed };
	struct policy_facts facts = calm();

	assert_int_equal(policy_decide(&group, &facts), POLICY_FORGET_MOVE);
	facts.own_node = b1;
	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
	group.active_on[1] = b1; // Pacemaker does not know on which of the two: each looks for itself
	assert_int_equal(policy_decide(&group, &facts), POLICY_FORGET_MOVE);
	facts.own_node = a1;
	assert_int_equal(policy_decide(&group, &facts), POLICY_FORGET_MOVE);
	group.active_on[1] = NULL;
	facts.same_ms = 60000; // nobody has the guests
	assert_int_equal(policy_decide(&group, &facts), POLICY_FORGET_BLOCK);
	facts.coordinates = false;
	assert_int_equal(policy_decide(&group, &facts), POLICY_FORGET_MOVE);
	facts = calm();
	group.failure = start_failed; // something else has blocked it
	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
}

static void a_finished_move_is_taken_out_of_the_history(void **state)
{
	struct cib_group group = { .wanted_started = true, .active_on = { b1 }, .moved_from = a1 };
	struct policy_facts facts = calm();

	facts.left_online = true;
	assert_int_equal(policy_decide(&group, &facts), POLICY_FORGET_HISTORY);
	group.move_to = a1; // it goes back there: not in its way
	facts.own_move = true;
	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
	group.move_to = NULL;
	facts.left_online = false;
	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
	facts.left_online = true;
	facts.coordinates = false;
	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
}

static void a_start_is_tried_again_when_its_replica_has_come(void **state)
{
	struct cib_group group = { .wanted_started = true, .failed = true, .failure = start_failed };
	struct policy_facts facts = calm();

	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
	facts.replica_ready = true;
	assert_int_equal(policy_decide(&group, &facts), POLICY_RETRY_START);
	group.active_on[0] =
		(char *)"b1"; // a failure counted on the node whose replica has come would keep it from taking over
	assert_int_equal(policy_decide(&group, &facts), POLICY_RETRY_START);
	group.active_on[0] = NULL;
	facts.replica_was_ready = true; // so that was not what it lacked
	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
	facts.replica_was_ready = false;
	facts.coordinates = false;
	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
	facts.coordinates = true;
	group.wanted_started = false;
	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
}

static void a_record_that_no_resync_clears_is_cleared(void **state)
{
	struct cib_group group = { .wanted_started = true, .active_on = { a1 }, .current = a1 };
	struct policy_facts facts = calm();

	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
	facts.in_sync = true;
	assert_int_equal(policy_decide(&group, &facts), POLICY_CLEAR_RECORD);
	facts.same_ms = 1000; // a resync's handler may still come
	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
	facts = calm();
	facts.in_sync = true;
	facts.coordinates = false;
	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
	facts.coordinates = true;
	group.pending = true;
	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
	group.pending = false;
	group.current = NULL;
	assert_int_equal(policy_decide(&group, &facts), POLICY_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_healthy_group_is_left_alone),
		cmocka_unit_test(a_move_of_this_clusterd_is_its_own_business),
		cmocka_unit_test(a_move_that_is_done_is_ended_on_its_target),
		cmocka_unit_test(an_abandoned_move_is_settled_by_its_source),
		cmocka_unit_test(a_lost_target_frees_the_group_at_once),
		cmocka_unit_test(a_failed_move_is_forgotten_where_the_group_is),
		cmocka_unit_test(a_finished_move_is_taken_out_of_the_history),
		cmocka_unit_test(a_start_is_tried_again_when_its_replica_has_come),
		cmocka_unit_test(a_record_that_no_resync_clears_is_cleared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
