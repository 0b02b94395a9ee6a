// SPDX-License-Identifier: GPL-3.0-or-later
// What a live move makes of the figures of a copy: when it holds, what it does with a guest that writes too fast, under each policy.
#include "tests/unit/unit.h"

#include <string.h>
#include "migrate/copy-rule.h"

#define MIB (1ull << 20)

// A guest of 2048 MiB over a stream of LINK MiB/s; a look every 10 ms, until the rule says something else than to go on. Each pass copies what was
// dirtied in the one before.
static enum copy_verdict copy(struct copy_view *view, double dirty, double link, Holdfast__LivePolicy policy,
	unsigned max_pause_ms, unsigned passes_max)
{
	struct copy_sample sample = { COPY_ACTIVE, 2048 * MIB, 2048 * MIB, 0, 1, 0, 0 };
	double pass_ms = 0, step = link * (double)MIB / 100;

	*view = (struct copy_view){ .dirty_bytes_s = dirty * (double)MIB };
	for (double now_ms = 1000; sample.passes < passes_max; now_ms += 10) {
		copy_note(view, &sample, now_ms);
		enum copy_verdict verdict = copy_judge(view, policy, max_pause_ms);
		if (verdict != COPY_GO_ON)
			return verdict;
		if ((double)sample.remaining > step) {
			sample.remaining -= (uint64_t)step;
			sample.transferred += (uint64_t)step;
			pass_ms += 10;
			continue;
		}
		double dirtied = dirty * pass_ms / 1000;
		sample.remaining = (uint64_t)(dirtied < 2048 ? dirtied : 2048) * MIB;
		sample.dirty_bytes_s = dirty * (double)MIB;
		sample.passes++;
		pass_ms = 0;
	}
	return COPY_GO_ON;
}

static void a_quiet_guest_is_held_in_its_first_pass(void **state)
{
	struct copy_view view;

	assert_int_equal(copy(&view, 4, 500, HOLDFAST__LIVE_POLICY__LIVE_GIVE_UP, 0, 50), COPY_HOLD);
	assert_int_equal(view.now.passes, 1);
	assert_true(view.now.remaining > 0); // QEMU would end the copy, and stop the guest, at 0
	assert_true(view.now.remaining <= copy_hold_bytes(&view));
	assert_true(view.link_bytes_s > 400 * (double)MIB && view.link_bytes_s < 600 * (double)MIB);
}

static void a_hold_is_seen_before_a_pass_ends(void **state)
{
	struct copy_view view = { .drain_bytes_s = 4096.0 * (double)MIB };

	view.now.total = 2048 * MIB;
	assert_true(copy_hold_bytes(&view) >= 4096 * MIB * 50 / 1000);
	view.now.total = 16 * MIB;
	assert_int_equal(copy_hold_bytes(&view), 8 * MIB); // never the whole of it
	view.now.total = 2048 * MIB;
	view.limit_bytes_s = MIB; // what is left after it must not take long
	assert_int_equal(copy_hold_bytes(&view), 10 * MIB);
}

static void a_copy_that_has_not_begun_is_not_held(void **state)
{
	struct copy_view view = { 0 };
	struct copy_sample sample = { .status = COPY_ACTIVE };

	copy_note(&view, &sample, 1000);
	assert_int_equal(copy_judge(&view, HOLDFAST__LIVE_POLICY__LIVE_THROTTLE, 0), COPY_GO_ON);
	sample.total = 2048 * MIB;
	copy_note(&view, &sample, 1010);
	assert_int_equal(copy_judge(&view, HOLDFAST__LIVE_POLICY__LIVE_THROTTLE, 0), COPY_GO_ON);
}

static void a_guest_that_writes_too_fast_is_treated_as_the_policy_says(void **state)
{
	struct copy_view view;
	char text[200];

	assert_int_equal(copy(&view, 600, 500, HOLDFAST__LIVE_POLICY__LIVE_GIVE_UP, 0, 50), COPY_GIVE_UP);
	assert_int_equal(view.now.passes, 3);
	copy_explain(&view, text, sizeof(text));
	assert_non_null(strstr(text, "600.0 MiB/s"));
	assert_int_equal(copy(&view, 600, 500, HOLDFAST__LIVE_POLICY__LIVE_KEEP_TRYING, 0, 50), COPY_GO_ON);
	assert_int_equal(copy(&view, 600, 500, HOLDFAST__LIVE_POLICY__LIVE_THROTTLE, 0, 30), COPY_GO_ON);
	assert_int_equal(copy(&view, 600, 500, HOLDFAST__LIVE_POLICY__LIVE_THROTTLE, 0, 50), COPY_GIVE_UP);
	assert_int_equal(
		copy(&view, 600, 500, HOLDFAST__LIVE_POLICY__LIVE_QUICK, 10000, 50), COPY_HOLD_QUICK);
	assert_int_equal(copy(&view, 600, 500, HOLDFAST__LIVE_POLICY__LIVE_QUICK, 100, 50), COPY_GIVE_UP);
}

static void a_pause_is_what_is_left_over_what_the_stream_carries(void **state)
{
	struct copy_view view = { .link_bytes_s = 100.0 * (double)MIB, .now_ms = 1000, .pass_ms = 500 };

	view.now.total = 512 * MIB;
	view.now.remaining = 10 * MIB;
	assert_true(copy_pause_ms(&view) > 99 && copy_pause_ms(&view) < 101);
	view.dirty_bytes_s = 20.0 * (double)MIB; // half a second of that came on top
	assert_true(copy_pause_ms(&view) > 199 && copy_pause_ms(&view) < 201);
	view.link_bytes_s = 0;
	assert_true(copy_pause_ms(&view) < 0);
}

static void an_unknown_rate_is_no_reason_to_give_up(void **state)
{
	struct copy_view view = { .dirty_bytes_s = 1e9 };

	assert_true(copy_converges(&view));
	view.link_bytes_s = 1e9;
	assert_false(copy_converges(&view));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_quiet_guest_is_held_in_its_first_pass),
	cmocka_unit_test(a_hold_is_seen_before_a_pass_ends),
	cmocka_unit_test(a_copy_that_has_not_begun_is_not_held),
	cmocka_unit_test(a_guest_that_writes_too_fast_is_treated_as_the_policy_says),
	cmocka_unit_test(a_pause_is_what_is_left_over_what_the_stream_carries),
	cmocka_unit_test(an_unknown_rate_is_no_reason_to_give_up),
};

UNIT_MAIN(tests)
