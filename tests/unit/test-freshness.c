// SPDX-License-Identifier: GPL-3.0-or-later
// No start on old data: every combination of what is known, against the rules of DESIGN.md section 5 written down a second time, and the
// memory of the moment when the peer vanished.
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include "storage/freshness.h"

struct walk {
	unsigned combinations, allowed;
};

// The rules as sentences; each returns whether it alone proves that the data is current.
static bool peer_says_so(const struct freshness_input *in)
{
	return in->connected && in->disk == DISK_UP_TO_DATE;
}

static bool saw_the_loss(const struct freshness_input *in)
{
	return in->current_at_loss && in->disk == DISK_UP_TO_DATE && in->record != RECORD_OTHER_NODE;
}

static bool is_on_record(const struct freshness_input *in)
{
	return in->record == RECORD_THIS_NODE && in->changes_peer_lacks && in->disk >= DISK_CONSISTENT;
}

static void check(const struct freshness_input *in, struct walk *walk)
{
	enum freshness_verdict verdict = freshness_decide(in);
	bool allowed = freshness_allows(verdict);

	walk->combinations++;
	walk->allowed += allowed;
	if (in->already_primary) {
		assert_true(allowed);
		return;
	}
	if (in->peer_primary || in->disk == DISK_NONE || in->disk == DISK_INCONSISTENT) {
		assert_false(allowed); // not even by force
		return;
	}
	bool proved = peer_says_so(in) || saw_the_loss(in) || is_on_record(in);
	assert_int_equal(allowed, proved || in->force_old_data);
	if (allowed && !proved)
		assert_int_equal(verdict, FRESH_FORCED);
	if (proved)
		assert_int_not_equal(verdict, FRESH_FORCED);
}

static void every_combination_follows_the_rules(void **state)
{
	struct walk walk = { 0 };

	for (unsigned bits = 0; bits < 64; bits++)
		for (int record = RECORD_NONE; record <= RECORD_OTHER_NODE; record++)
			for (int disk = DISK_NONE; disk <= DISK_UP_TO_DATE; disk++)
				check(&(struct freshness_input){ .record = record,
					      .disk = disk,
					      .connected = bits & 1,
					      .peer_primary = bits & 2,
					      .already_primary = bits & 4,
					      .current_at_loss = bits & 8,
					      .changes_peer_lacks = bits & 16,
					      .force_old_data = bits & 32 },
					&walk);
	assert_int_equal(walk.combinations, 64 * 3 * 5);
	assert_true(walk.allowed > 0 && walk.allowed < walk.combinations);
}

// What a node knows when it has just booted alone: nothing but its disk and an old CIB.
static void a_node_that_boots_alone_waits(void **state)
{
	struct freshness_input in = { .disk = DISK_CONSISTENT };

	assert_int_equal(freshness_decide(&in), STALE_UNKNOWN);
	in.disk = DISK_UP_TO_DATE; // DRBD says so too when its metadata has "peer outdated"
	assert_int_equal(freshness_decide(&in), STALE_UNKNOWN);
	in.record = RECORD_THIS_NODE; // of an episode that is over: the resync has cleared the bitmap UUID
	assert_int_equal(freshness_decide(&in), STALE_RECORD_DOUBTED);
	in.changes_peer_lacks = true;
	assert_int_equal(freshness_decide(&in), FRESH_RECORD);
	in.record = RECORD_OTHER_NODE;
	assert_int_equal(freshness_decide(&in), STALE_OTHER_CURRENT);
	in.disk = DISK_OUTDATED;
	assert_int_equal(freshness_decide(&in), STALE_OUTDATED);
}

static struct drbd_minor minor(bool connected, const char *disk)
{
	struct drbd_minor now = { .connected = connected };

	snprintf(now.disk, sizeof(now.disk), "%s", disk);
	return now;
}

static struct freshness_seen see(struct freshness_seen before, bool connected, const char *disk)
{
	struct drbd_minor now = minor(connected, disk);

	return freshness_see(before, &now);
}

static void the_moment_of_the_loss_is_remembered(void **state)
{
	struct freshness_seen seen = { 0 };

	seen = see(seen, false, "Consistent"); // booted
	assert_false(seen.current_at_loss);
	seen = see(seen, true, "UpToDate");
	assert_false(seen.current_at_loss);
	seen = see(seen, false, "UpToDate");
	assert_true(seen.current_at_loss);
	seen = see(seen, false, "UpToDate");
	assert_true(seen.current_at_loss);
	seen = see(seen, true, "Inconsistent"); // it is back, with newer data
	assert_false(seen.current_at_loss);
	seen = see(seen, false, "Inconsistent"); // and lost in the middle of the resync
	assert_false(seen.current_at_loss);
	seen = see(see(seen, true, "UpToDate"), false, "Outdated");
	assert_false(seen.current_at_loss);
}

static void up_to_date_without_a_loss_proves_nothing(void **state)
{
	struct freshness_seen seen = { 0 };

	seen = see(seen, false, "UpToDate");
	assert_false(seen.current_at_loss);
	// Taken down and attached again: what was seen before is forgotten.
	seen = see(see(seen, true, "UpToDate"), false, "UpToDate");
	assert_true(seen.current_at_loss);
	seen = freshness_see(seen, NULL);
	assert_false(seen.up);
	seen = see(seen, false, "UpToDate");
	assert_false(seen.current_at_loss);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_combination_follows_the_rules),
		cmocka_unit_test(a_node_that_boots_alone_waits),
		cmocka_unit_test(the_moment_of_the_loss_is_remembered),
		cmocka_unit_test(up_to_date_without_a_loss_proves_nothing),
	};
	return cmocka_run_group_tests_name("freshness", tests, NULL, NULL);
}
