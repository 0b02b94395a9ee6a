// SPDX-License-Identifier: GPL-3.0-or-later
// Walks every pair of the two tables of a move and holds them against the rules of migrate/PROTOCOL.md.
#include "tests/unit/unit.h"

#include <string.h>
#include "migrate/move-state.h"

static void only_listed_pairs_are_allowed(void **state)
{
	static const struct {
		enum move_side side;
		enum move_state from;
		enum move_event event;
		enum move_state to;
	} allowed[] = {
		{ MOVE_SOURCE, MOVE_NONE, MOVE_EV_PREPARE, MOVE_PREPARING },
		{ MOVE_SOURCE, MOVE_PREPARING, MOVE_EV_READY, MOVE_PREPARED },
		{ MOVE_SOURCE, MOVE_PREPARING, MOVE_EV_FAIL, MOVE_NONE },
		{ MOVE_SOURCE, MOVE_PREPARED, MOVE_EV_COPY, MOVE_PRECOPY },
		{ MOVE_SOURCE, MOVE_PREPARED, MOVE_EV_STOP, MOVE_QUIESCE },
		{ MOVE_SOURCE, MOVE_PRECOPY, MOVE_EV_STOP, MOVE_QUIESCE },
		{ MOVE_SOURCE, MOVE_PRECOPY, MOVE_EV_FAIL, MOVE_NONE },
		{ MOVE_SOURCE, MOVE_PREPARED, MOVE_EV_FAIL, MOVE_NONE },
		{ MOVE_SOURCE, MOVE_QUIESCE, MOVE_EV_RELEASE, MOVE_RELEASED },
		{ MOVE_SOURCE, MOVE_QUIESCE, MOVE_EV_FAIL, MOVE_BACK },
		{ MOVE_SOURCE, MOVE_RELEASED, MOVE_EV_PEER_RUNS, MOVE_DONE },
		{ MOVE_SOURCE, MOVE_RELEASED, MOVE_EV_PEER_ABORTED, MOVE_BACK },
		{ MOVE_SOURCE, MOVE_RELEASED, MOVE_EV_PEER_LOST, MOVE_DEAD },
		{ MOVE_SOURCE, MOVE_DONE, MOVE_EV_END, MOVE_NONE },
		{ MOVE_SOURCE, MOVE_BACK, MOVE_EV_END, MOVE_NONE },
		{ MOVE_SOURCE, MOVE_DEAD, MOVE_EV_END, MOVE_NONE },
		{ MOVE_TARGET, MOVE_NONE, MOVE_EV_PREPARE, MOVE_PREPARING },
		{ MOVE_TARGET, MOVE_NONE, MOVE_EV_FAIL, MOVE_ABORTED },
		{ MOVE_TARGET, MOVE_PREPARING, MOVE_EV_READY, MOVE_PREPARED },
		{ MOVE_TARGET, MOVE_PREPARING, MOVE_EV_FAIL, MOVE_ABORTED },
		{ MOVE_TARGET, MOVE_PREPARED, MOVE_EV_COPY, MOVE_PRECOPY },
		{ MOVE_TARGET, MOVE_PREPARED, MOVE_EV_TAKE, MOVE_TAKING },
		{ MOVE_TARGET, MOVE_PRECOPY, MOVE_EV_TAKE, MOVE_TAKING },
		{ MOVE_TARGET, MOVE_PRECOPY, MOVE_EV_FAIL, MOVE_ABORTED },
		{ MOVE_TARGET, MOVE_PREPARED, MOVE_EV_FAIL, MOVE_ABORTED },
		{ MOVE_TARGET, MOVE_TAKING, MOVE_EV_COMMIT, MOVE_COMMITTED },
		{ MOVE_TARGET, MOVE_TAKING, MOVE_EV_FAIL, MOVE_ABORTED },
		{ MOVE_TARGET, MOVE_COMMITTED, MOVE_EV_RUN, MOVE_RUNNING },
		{ MOVE_TARGET, MOVE_RUNNING, MOVE_EV_END, MOVE_NONE },
		{ MOVE_TARGET, MOVE_ABORTED, MOVE_EV_END, MOVE_NONE },
	};

	for (int side = 0; side < MOVE_SIDES; side++) {
		for (int from = 0; from < MOVE_STATES; from++) {
			for (int event = 0; event < MOVE_EVENTS; event++) {
				int want = -1;
				for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
					if ((int)allowed[i].side == side && (int)allowed[i].from == from &&
						(int)allowed[i].event == event)
						want = allowed[i].to;
				}
				if (move_state_next(side, from, event) != want)
					fail_msg("side %d, %s, %s: %d instead of %d", side,
						move_state_name(from), move_event_name(event),
						move_state_next(side, from, event), want);
			}
		}
	}
}

// Whatever failed: once released, the source never gets to run the guest by itself, and once committed the target never gives it back.
static void a_failure_never_takes_the_decision_from_the_decider(void **state)
{
	assert_int_equal(move_state_next(MOVE_SOURCE, MOVE_RELEASED, MOVE_EV_FAIL), -1);
	assert_int_equal(move_state_next(MOVE_SOURCE, MOVE_RELEASED, MOVE_EV_END), -1);
	assert_int_equal(move_state_next(MOVE_TARGET, MOVE_COMMITTED, MOVE_EV_FAIL), -1);
	assert_int_equal(move_state_next(MOVE_TARGET, MOVE_RUNNING, MOVE_EV_FAIL), -1);
	assert_int_equal(move_state_owner(MOVE_SOURCE, MOVE_RELEASED), MOVE_OWNER_ASK);
	assert_int_equal(move_state_owner(MOVE_SOURCE, MOVE_PRECOPY), MOVE_OWNER_SOURCE);
	assert_int_equal(move_state_owner(MOVE_TARGET, MOVE_PRECOPY), MOVE_OWNER_SOURCE);
	assert_int_equal(move_state_owner(MOVE_SOURCE, MOVE_QUIESCE), MOVE_OWNER_SOURCE);
	assert_int_equal(move_state_owner(MOVE_TARGET, MOVE_TAKING), MOVE_OWNER_SOURCE);
	assert_int_equal(move_state_owner(MOVE_TARGET, MOVE_COMMITTED), MOVE_OWNER_TARGET);
}

// A state in which a crash must be told apart from "nothing happened" is on the disk.
static void states_that_matter_are_journaled(void **state)
{
	assert_true(move_state_journaled(MOVE_SOURCE, MOVE_PRECOPY));
	assert_true(move_state_journaled(MOVE_SOURCE, MOVE_QUIESCE));
	assert_true(move_state_journaled(MOVE_SOURCE, MOVE_RELEASED));
	assert_true(move_state_journaled(MOVE_TARGET, MOVE_PREPARED));
	assert_true(move_state_journaled(MOVE_TARGET, MOVE_PRECOPY));
	assert_false(move_state_journaled(MOVE_TARGET, MOVE_TAKING)); // recovered from as the two above are
	assert_true(move_state_journaled(MOVE_TARGET, MOVE_COMMITTED));
	assert_false(move_state_journaled(MOVE_SOURCE, MOVE_PREPARED));
}

static void names_are_read_back(void **state)
{
	for (int s = MOVE_NONE; s < MOVE_STATES; s++)
		assert_int_equal(move_state_parse(move_state_name(s)), s);
	assert_int_equal(move_state_parse("no such state"), MOVE_NONE);
	assert_int_equal(move_state_next(MOVE_SIDES, MOVE_NONE, MOVE_EV_PREPARE), -1);
	assert_int_equal(move_state_next(MOVE_SOURCE, MOVE_STATES, MOVE_EV_PREPARE), -1);
	assert_int_equal(move_state_next(MOVE_SOURCE, MOVE_NONE, MOVE_EVENTS), -1);
}

static void a_guest_does_not_go_to_an_older_qemu(void **state)
{
	assert_true(move_qemu_takes("7.2.22", "7.2.1"));
	assert_true(move_qemu_takes("7.2.22", "8.0.0"));
	assert_true(move_qemu_takes("7.2.22", "10.0.0"));
	assert_false(move_qemu_takes("8.0.0", "7.2.22"));
	assert_false(move_qemu_takes("7.10.0", "7.2.0"));
	assert_true(move_qemu_takes("", "7.2.22"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(only_listed_pairs_are_allowed),
	cmocka_unit_test(a_failure_never_takes_the_decision_from_the_decider),
	cmocka_unit_test(states_that_matter_are_journaled),
	cmocka_unit_test(names_are_read_back),
	cmocka_unit_test(a_guest_does_not_go_to_an_older_qemu),
};

UNIT_MAIN(tests)
