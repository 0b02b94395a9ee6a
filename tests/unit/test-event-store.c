// SPDX-License-Identifier: GPL-3.0-or-later
// The event store: order, duplicates, marks, since, rotation, and files that were torn or damaged.
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "clusterd/event-store.h"
#include "common/cleanup.h"

struct fixture {
	char directory[32], path[64];
	struct event_store *store;
	struct error err;
};

static void open_store(struct fixture *f, size_t limit)
{
	event_store_close(f->store);
	f->store = event_store_open(f->path, limit, &f->err);
	if (!f->store)
		fail_msg("%s", f->err.message);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->directory, sizeof(f->directory), "/tmp/test-events-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->path, sizeof(f->path), "%s/events.jsonl", f->directory);
	open_store(f, EVENT_STORE_LIMIT_BYTES);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	event_store_close(f->store);
	unlink(f->path);
	rmdir(f->directory);
	free(f);
	return 0;
}

static int add(struct fixture *f, const char *node, uint64_t number, int second)
{
	Holdfast__Event event = HOLDFAST__EVENT__INIT;
	char id[96], time[64];

	snprintf(id, sizeof(id), "%s-%" PRIu64, node, number);
	snprintf(time, sizeof(time), "2026-01-31T08:%02d:%02d.500Z", second / 60, second % 60);
	event.id = id;
	event.time = time;
	event.kind = (char *)"test";
	event.node = (char *)node;
	event.text = (char *)"something happened";
	error_clear(&f->err);
	return event_store_add(f->store, &event, &f->err);
}

static void expect_ids(const struct fixture *f, const char *expected)
{
	char ids[512] = "";

	for (size_t i = 0; i < event_store_count(f->store); i++) {
		strncat(ids, i ? " " : "", sizeof(ids) - strlen(ids) - 1);
		strncat(ids, event_store_at(f->store, i)->id, sizeof(ids) - strlen(ids) - 1);
	}
	assert_string_equal(ids, expected);
}

static void expect_mark(const struct fixture *f, const char *node, uint64_t floor, uint64_t known)
{
	uint64_t real_floor, real_known;

	event_store_mark(f->store, node, &real_floor, &real_known);
	assert_int_equal(real_floor, floor);
	assert_int_equal(real_known, known);
}

static void events_are_in_the_order_of_their_times(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, "a1", 1, 10), 1);
	assert_int_equal(add(f, "b1", 1, 30), 1);
	assert_int_equal(add(f, "a1", 2, 20), 1);
	assert_int_equal(add(f, "node-with-dashes", 1, 5), 1);
	expect_ids(f, "node-with-dashes-1 a1-1 a1-2 b1-1");
	open_store(f, EVENT_STORE_LIMIT_BYTES);
	expect_ids(f, "node-with-dashes-1 a1-1 a1-2 b1-1");
}

static void a_known_event_is_not_taken_again(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, "a1", 1, 10), 1);
	assert_int_equal(add(f, "a1", 1, 10), 0);
	open_store(f, EVENT_STORE_LIMIT_BYTES);
	assert_int_equal(add(f, "a1", 1, 10), 0);
	expect_ids(f, "a1-1");
}

static void a_mark_stops_before_a_gap_and_closes_it(void **state)
{
	struct fixture *f = *state;

	add(f, "a1", 1, 1);
	add(f, "a1", 2, 2);
	add(f, "a1", 4, 4);
	expect_mark(f, "a1", 0, 2);
	assert_int_equal(event_store_next(f->store, "a1"), 5);
	add(f, "a1", 3, 3);
	expect_mark(f, "a1", 0, 4);
	event_store_raise_floor(f->store, "b1", 7);
	expect_mark(f, "b1", 7, 7);
	assert_int_equal(add(f, "b1", 7, 9), 0);
	assert_int_equal(event_store_next(f->store, "b1"), 8);
	open_store(f, EVENT_STORE_LIMIT_BYTES);
	expect_mark(f, "b1", 7, 7);
	event_store_reserve(f->store, "a1", 9);
	assert_int_equal(event_store_next(f->store, "a1"), 10);
}

static void since_takes_ids_and_times(void **state)
{
	struct fixture *f = *state;
	size_t first;

	for (int i = 1; i <= 4; i++)
		add(f, "a1", (uint64_t)i, i * 10);
	assert_ok(event_store_since(f->store, "", &first, &f->err), f->err);
	assert_int_equal(first, 0);
	assert_ok(event_store_since(f->store, "a1-2", &first, &f->err), f->err);
	assert_int_equal(first, 2);
	assert_ok(event_store_since(f->store, "2026-01-31T08:00:30.500Z", &first, &f->err), f->err);
	assert_int_equal(first, 3);
	assert_ok(event_store_since(f->store, "2026-01-31T09:00:20+01:00", &first, &f->err), f->err);
	assert_int_equal(first, 1);
	assert_ok(event_store_since(f->store, "2026-01-31", &first, &f->err), f->err);
	assert_int_equal(first, 0);
	assert_fails(event_store_since(f->store, "a1-77", &first, &f->err), f->err, ERROR_NOT_FOUND);
	assert_fails(event_store_since(f->store, "yesterday", &first, &f->err), f->err, ERROR_NOT_FOUND);
}

static void append(const struct fixture *f, const char *text)
{
	cleanup_fd int fd = open(f->path, O_WRONLY | O_APPEND);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void a_torn_last_line_is_cut_off(void **state)
{
	struct fixture *f = *state;

	add(f, "a1", 1, 1);
	append(f, "{\"id\":\"a1-2\",\"time\":\"2026-01-31T08:0");
	open_store(f, EVENT_STORE_LIMIT_BYTES);
	expect_ids(f, "a1-1");
	assert_int_equal(add(f, "a1", 2, 2), 1);
	open_store(f, EVENT_STORE_LIMIT_BYTES);
	expect_ids(f, "a1-1 a1-2");
}

static void damaged_lines_are_skipped(void **state)
{
	struct fixture *f = *state;

	add(f, "a1", 1, 1);
	append(f, "garbage\n{}\n{\"id\":\"noid\"}\n\n{\"floor\":{\"c1\":-4,\"d1\":\"x\",\"e1\":3}}\n");
	add(f, "a1", 2, 2);
	open_store(f, EVENT_STORE_LIMIT_BYTES);
	expect_ids(f, "a1-1 a1-2");
	expect_mark(f, "c1", 0, 0);
	expect_mark(f, "e1", 3, 3);
}

static void rotation_forgets_the_oldest_half(void **state)
{
	struct fixture *f = *state;
	const size_t limit = 8192;
	uint64_t floor, known;

	open_store(f, limit);
	for (int i = 1; i <= 200; i++)
		assert_int_equal(add(f, "a1", (uint64_t)i, i), 1);
	assert_true(event_store_count(f->store) < 100);
	event_store_mark(f->store, "a1", &floor, &known);
	assert_int_equal(known, 200);
	assert_int_equal(floor, 200 - event_store_count(f->store));
	size_t count = event_store_count(f->store);
	open_store(f, limit);
	assert_int_equal(event_store_count(f->store), count);
	expect_mark(f, "a1", floor, 200);
	assert_int_equal(add(f, "a1", 1, 1), 0);
	// A node whose events were all forgotten does not start again at 1.
	for (int i = 0; i < 5; i++)
		add(f, "b1", (uint64_t)i + 1, i);
	for (int i = 201; i <= 400; i++)
		add(f, "a1", (uint64_t)i, i);
	open_store(f, limit);
	assert_int_equal(event_store_next(f->store, "b1"), 6);
}

static void bad_ids_are_refused(void **state)
{
	struct fixture *f = *state;
	char node[64];
	uint64_t number;
	Holdfast__Event event = HOLDFAST__EVENT__INIT;

	assert_true(event_id_parse("a-1-18446744073709551614", node, &number));
	assert_string_equal(node, "a-1");
	assert_false(event_id_parse("a1", node, &number));
	assert_false(event_id_parse("-1", node, &number));
	assert_false(event_id_parse("a1-", node, &number));
	assert_false(event_id_parse("a1-0", node, &number));
	assert_false(event_id_parse("a1-+3", node, &number));
	assert_false(event_id_parse("a1-18446744073709551615", node, &number));
	assert_false(event_id_parse(
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-1", node, &number));
	assert_fails(event_store_add(f->store, &event, &f->err), f->err, ERROR_PROTOCOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(events_are_in_the_order_of_their_times, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_known_event_is_not_taken_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_mark_stops_before_a_gap_and_closes_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(since_takes_ids_and_times, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_torn_last_line_is_cut_off, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damaged_lines_are_skipped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rotation_forgets_the_oldest_half, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bad_ids_are_refused, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
