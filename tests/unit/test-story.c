// SPDX-License-Identifier: GPL-3.0-or-later
// Failovers told from single events: what counts as one, and where its time went.
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "clusterd/story.h"
#include "common/cleanup.h"

struct fixture {
	char directory[32], path[64];
	struct event_store *store;
	unsigned next;
	struct error err;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->directory, sizeof(f->directory), "/tmp/test-story-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->path, sizeof(f->path), "%s/events.jsonl", f->directory);
	f->store = event_store_open(f->path, EVENT_STORE_LIMIT_BYTES, &f->err);
	*state = f;
	return f->store ? 0 : -1;
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

static void happened(struct fixture *f, const char *kind, const char *node, const char *time)
{
	Holdfast__Event event = HOLDFAST__EVENT__INIT;
	char id[32], full[64];

	snprintf(id, sizeof(id), "b1-%u", ++f->next);
	snprintf(full, sizeof(full), "2026-01-31T08:00:%sZ", time);
	event.id = id;
	event.time = full;
	event.kind = (char *)kind;
	event.node = (char *)node;
	assert_int_equal(event_store_add(f->store, &event, &f->err), 1);
}

static bool tell(const struct fixture *f, const char *node, const char *previous, enum story_fencing fencing,
	Holdfast__Event **out)
{
	Holdfast__Event started = HOLDFAST__EVENT__INIT;
	Holdfast__Step promote = HOLDFAST__STEP__INIT, spawn = HOLDFAST__STEP__INIT,
		       *steps[] = { &promote, &spawn };

	promote.name = (char *)"promote";
	promote.ms = 200;
	spawn.name = (char *)"spawn";
	spawn.ms = 300;
	started.kind = (char *)"group-started";
	started.node = (char *)node;
	started.group = (char *)"web";
	started.time = (char *)"2026-01-31T08:00:10.000Z";
	started.duration_ms = 500;
	started.steps = steps;
	started.n_steps = 2;
	*out = NULL;
	return story_failover(
		f->store, &started, previous, event_time_us("2026-01-31T08:00:00Z"), fencing, out);
}

static void a_failover_and_its_steps(void **state)
{
	struct fixture *f = *state;
	Holdfast__Event *event;

	happened(f, "node-lost", "a1", "04.000");
	assert_false(tell(f, "b1", "a1", STORY_FENCED, &event));
	happened(f, "node-fenced", "a1", "07.500");
	assert_true(tell(f, "b1", "a1", STORY_FENCED, &event));
	assert_string_equal(event->kind, "failover");
	assert_string_equal(event->node, "b1");
	assert_string_equal(event->group, "web");
	assert_true(event->duration_ms > 5999 && event->duration_ms < 6001);
	static const struct {
		const char *name;
		double ms;
	} expected[] = { { "fence", 3500 }, { "plan", 2000 }, { "promote", 200 }, { "spawn", 300 } };
	assert_int_equal(event->n_steps, 4);
	double sum = 0;
	for (size_t i = 0; i < 4; i++) {
		assert_string_equal(event->steps[i]->name, expected[i].name);
		assert_true(
			event->steps[i]->ms > expected[i].ms - 1 && event->steps[i]->ms < expected[i].ms + 1);
		sum += event->steps[i]->ms;
	}
	assert_true(sum > event->duration_ms - 1 && sum < event->duration_ms + 1);
	assert_non_null(strstr(event->text, "from a1 by b1"));
	holdfast__event__free_unpacked(event, NULL);
}

static void without_the_news_of_the_fencing(void **state)
{
	struct fixture *f = *state;
	Holdfast__Event *event;

	happened(f, "node-lost", "a1", "04.000");
	assert_true(tell(f, "b1", "a1", STORY_FENCED_OR_NOT, &event));
	assert_int_equal(event->n_steps, 3);
	assert_string_equal(event->steps[0]->name, "fence+plan");
	holdfast__event__free_unpacked(event, NULL);
}

static void what_is_no_failover(void **state)
{
	struct fixture *f = *state;
	Holdfast__Event *event;

	assert_false(tell(f, "b1", "a1", STORY_FENCED_OR_NOT, &event)); // nobody was lost
	happened(f, "node-lost", "c1", "04.000");
	assert_false(tell(f, "b1", "a1", STORY_FENCED_OR_NOT, &event)); // somebody else was
	happened(f, "node-lost", "a1", "11.000");
	assert_false(tell(f, "b1", "a1", STORY_FENCED_OR_NOT, &event)); // after the start
	happened(f, "node-lost", "b1", "05.000");
	assert_false(tell(f, "b1", "b1", STORY_FENCED_OR_NOT, &event)); // the same node again
	assert_null(event);
}

static void a_loss_before_the_group_was_there_does_not_count(void **state)
{
	struct fixture *f = *state;
	Holdfast__Event event = HOLDFAST__EVENT__INIT, *out;

	event.id = (char *)"b1-1";
	event.time = (char *)"2026-01-31T07:59:59.000Z";
	event.kind = (char *)"node-lost";
	event.node = (char *)"a1";
	assert_int_equal(event_store_add(f->store, &event, &f->err), 1);
	assert_false(tell(f, "b1", "a1", STORY_FENCED_OR_NOT, &out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_failover_and_its_steps, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_the_news_of_the_fencing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_failover, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_loss_before_the_group_was_there_does_not_count, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
