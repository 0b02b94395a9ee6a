// SPDX-License-Identifier: GPL-3.0-or-later
// Walks every pair of a VM's table: the pairs listed here lead where they say, all others are refused and change nothing.
#include "tests/unit/unit.h"

#include <string.h>
#include "hypervisor/vm-state.h"

#define S(name) HOLDFAST__VM_STATE__VM_##name

static const struct pair {
	Holdfast__VmState from;
	enum vm_event event;
	Holdfast__VmState to;
} allowed[] = {
	{ S(OFF), VM_EVENT_SPAWN, S(STARTING) },
	{ S(OFF), VM_EVENT_GIVE_UP, S(FAILED) },
	{ S(OFF), VM_EVENT_MOVE_IN, S(MOVING_IN) },
	{ S(OFF), VM_EVENT_SAVED, S(SAVED) },
	{ S(STARTING), VM_EVENT_CONTINUED, S(RUNNING) },
	{ S(STARTING), VM_EVENT_PAUSED, S(PAUSED) },
	{ S(STARTING), VM_EVENT_STOP, S(STOPPING) },
	{ S(STARTING), VM_EVENT_DIED, S(OFF) },
	{ S(RUNNING), VM_EVENT_PAUSED, S(PAUSED) },
	{ S(RUNNING), VM_EVENT_RESET, S(RUNNING) },
	{ S(RUNNING), VM_EVENT_STOP, S(STOPPING) },
	{ S(RUNNING), VM_EVENT_SAVE, S(SAVING) },
	{ S(RUNNING), VM_EVENT_DIED, S(OFF) },
	{ S(RUNNING), VM_EVENT_MOVE_OUT, S(MOVING_OUT) },
	{ S(PAUSED), VM_EVENT_CONTINUED, S(RUNNING) },
	{ S(PAUSED), VM_EVENT_RESET, S(PAUSED) },
	{ S(PAUSED), VM_EVENT_STOP, S(STOPPING) },
	{ S(PAUSED), VM_EVENT_SAVE, S(SAVING) },
	{ S(PAUSED), VM_EVENT_DIED, S(OFF) },
	{ S(PAUSED), VM_EVENT_MOVE_OUT, S(MOVING_OUT) },
	{ S(STOPPING), VM_EVENT_STOP, S(STOPPING) },
	{ S(STOPPING), VM_EVENT_CONTINUED, S(RUNNING) },
	{ S(STOPPING), VM_EVENT_PAUSED, S(PAUSED) },
	{ S(STOPPING), VM_EVENT_ENDED, S(OFF) },
	{ S(STOPPING), VM_EVENT_DIED, S(OFF) },
	{ S(SAVING), VM_EVENT_CONTINUED, S(RUNNING) },
	{ S(SAVING), VM_EVENT_PAUSED, S(PAUSED) },
	{ S(SAVING), VM_EVENT_STOP, S(STOPPING) },
	{ S(SAVING), VM_EVENT_SAVED, S(SAVED) },
	{ S(SAVING), VM_EVENT_DIED, S(OFF) },
	{ S(SAVED), VM_EVENT_SPAWN, S(STARTING) },
	{ S(SAVED), VM_EVENT_GIVE_UP, S(FAILED) },
	{ S(SAVED), VM_EVENT_ENDED, S(OFF) },
	{ S(SAVED), VM_EVENT_MOVE_IN, S(MOVING_IN) },
	{ S(MOVING_OUT), VM_EVENT_CONTINUED, S(MOVING_OUT) },
	{ S(MOVING_OUT), VM_EVENT_PAUSED, S(MOVING_OUT) },
	{ S(MOVING_OUT), VM_EVENT_STOP, S(MOVING_OUT) },
	{ S(MOVING_OUT), VM_EVENT_ENDED, S(MOVING_OUT) },
	{ S(MOVING_OUT), VM_EVENT_DIED, S(MOVING_OUT) },
	{ S(MOVING_OUT), VM_EVENT_MOVED_RUNNING, S(RUNNING) },
	{ S(MOVING_OUT), VM_EVENT_MOVED_PAUSED, S(PAUSED) },
	{ S(MOVING_OUT), VM_EVENT_MOVED_OFF, S(OFF) },
	{ S(MOVING_IN), VM_EVENT_SPAWN, S(MOVING_IN) },
	{ S(MOVING_IN), VM_EVENT_CONTINUED, S(MOVING_IN) },
	{ S(MOVING_IN), VM_EVENT_PAUSED, S(MOVING_IN) },
	{ S(MOVING_IN), VM_EVENT_STOP, S(MOVING_IN) },
	{ S(MOVING_IN), VM_EVENT_ENDED, S(MOVING_IN) },
	{ S(MOVING_IN), VM_EVENT_DIED, S(MOVING_IN) },
	{ S(MOVING_IN), VM_EVENT_MOVED_RUNNING, S(RUNNING) },
	{ S(MOVING_IN), VM_EVENT_MOVED_PAUSED, S(PAUSED) },
	{ S(MOVING_IN), VM_EVENT_MOVED_OFF, S(OFF) },
	{ S(FAILED), VM_EVENT_SPAWN, S(STARTING) },
	{ S(FAILED), VM_EVENT_GIVE_UP, S(FAILED) },
	{ S(FAILED), VM_EVENT_ENDED, S(OFF) },
	{ S(FAILED), VM_EVENT_MOVE_IN, S(MOVING_IN) },
};
#define ALLOWED (sizeof(allowed) / sizeof(allowed[0]))

static const struct pair *find(Holdfast__VmState from, enum vm_event event)
{
	for (size_t i = 0; i < ALLOWED; i++)
		if (allowed[i].from == from && allowed[i].event == event)
			return &allowed[i];
	return NULL;
}

static void every_pair_does_what_is_listed(void **state)
{
	size_t possible = 0;
	for (int from = 0; from < VM_STATE_COUNT; from++) {
		for (int event = 0; event < VM_EVENT_COUNT; event++) {
			const struct pair *pair = find((Holdfast__VmState)from, (enum vm_event)event);
			Holdfast__VmState next = (Holdfast__VmState)99;
			struct error err = ERROR_INIT;
			int result =
				vm_state_next((Holdfast__VmState)from, (enum vm_event)event, &next, &err);
			if (!pair) {
				assert_int_equal(result, -1);
				assert_int_equal(err.code, ERROR_BUSY);
				assert_int_equal(next, 99);
				continue;
			}
			assert_ok(result, err);
			assert_int_equal(next, pair->to);
			possible++;
		}
	}
	assert_int_equal(possible, ALLOWED);
}

// What may not happen whatever the list says.
static void the_table_keeps_the_rules(void **state)
{
	for (int from = 0; from < VM_STATE_COUNT; from++) {
		Holdfast__VmState next;
		// While a move has it only the move gives it back.
		if (from == S(MOVING_IN) || from == S(MOVING_OUT))
			for (int event = 0; event < VM_EVENT_MOVED_RUNNING; event++)
				if (!vm_state_next(
					    (Holdfast__VmState)from, (enum vm_event)event, &next, NULL))
					assert_int_equal(next, from);
		// A second QEMU is never spawned beside one that may live.
		if (!vm_state_next((Holdfast__VmState)from, VM_EVENT_SPAWN, &next, NULL))
			assert_true(from == S(OFF) || from == S(SAVED) || from == S(FAILED) ||
				from == S(MOVING_IN));
	}
}

static void what_is_out_of_range_is_refused(void **state)
{
	struct error err = ERROR_INIT;
	Holdfast__VmState next;
	assert_fails(vm_state_next((Holdfast__VmState)VM_STATE_COUNT, VM_EVENT_STOP, &next, &err), err,
		ERROR_BUSY);
	assert_fails(vm_state_next((Holdfast__VmState)-1, VM_EVENT_STOP, &next, &err), err, ERROR_BUSY);
	assert_fails(vm_state_next(S(OFF), VM_EVENT_COUNT, &next, &err), err, ERROR_BUSY);
}

static void all_have_names(void **state)
{
	for (int i = 0; i < VM_STATE_COUNT; i++)
		assert_non_null(vm_state_name((Holdfast__VmState)i));
	for (int i = 0; i < VM_EVENT_COUNT; i++)
		assert_non_null(vm_event_name((enum vm_event)i));
	assert_string_equal(vm_state_name(S(MOVING_OUT)), "moving-out");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_pair_does_what_is_listed),
	cmocka_unit_test(the_table_keeps_the_rules),
	cmocka_unit_test(what_is_out_of_range_is_refused),
	cmocka_unit_test(all_have_names),
};
UNIT_MAIN(tests)
