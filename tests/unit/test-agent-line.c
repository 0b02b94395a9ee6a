// SPDX-License-Identifier: GPL-3.0-or-later
// What of a guest agent's bytes is an answer: the right one however it is cut, and nothing of what a hostile guest may send.
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include "hypervisor/agent-line.h"

static bool feed(struct agent_line *line, const char *text, int64_t id)
{
	return agent_line_feed(line, text, strlen(text), id);
}

static void the_answer_is_found_however_it_comes(void **state)
{
	const char answer[] = "\xff{\"return\": 4711}\n";
	for (size_t cut = 0; cut < sizeof(answer); cut++) {
		struct agent_line line = { .used = 0 };
		bool first = agent_line_feed(&line, answer, cut, 4711);
		bool second = agent_line_feed(&line, answer + cut, sizeof(answer) - 1 - cut, 4711);
		assert_true(first || second);
	}
	struct agent_line line = { .used = 0 };
	assert_true(feed(
		&line, "rest of something\n{\"return\": {}}\n{\"half\": \xff{\"return\":4711}\r\n", 4711));
}

static void nothing_else_is_one(void **state)
{
	static const char *const texts[] = { "\n", "{}\n", "\xff{\"return\": 4712}\n",
		"\xff{\"return\": \"4711\"}\n", "\xff{\"return\": 4711.0}\n", "\xff[4711]\n",
		"\xff{\"return\": 4711, \"return\": 1}\n", "\xff{\"return\": 4711", "4711\n",
		"\xff{\"error\": {\"class\": \"GenericError\", \"desc\": \"4711\"}}\n" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct agent_line line = { .used = 0 };
		assert_false(feed(&line, texts[i], 4711));
	}
}

static void a_line_without_end_costs_nothing_and_does_not_hide_the_next(void **state)
{
	struct agent_line line = { .used = 0 };
	char chatter[4096];
	memset(chatter, '{', sizeof(chatter));
	for (int i = 0; i < 1000; i++)
		assert_false(agent_line_feed(&line, chatter, sizeof(chatter), 7));
	assert_false(feed(&line, "{\"return\": 7}\n", 7)); // the end of the long one
	assert_true(feed(&line, "{\"return\": 7}\n", 7));
	// A limit's length of anything before an answer in the same line is no answer.
	memset(chatter, ' ', AGENT_LINE_MAX);
	assert_false(agent_line_feed(&line, chatter, AGENT_LINE_MAX, 7));
	assert_false(feed(&line, "{\"return\": 7}\n", 7));
}

static void the_question_is_whole_or_not_there(void **state)
{
	char text[128];
	size_t length = agent_line_question(text, sizeof(text), 42);
	assert_int_equal((unsigned char)text[0], 0xff);
	assert_string_equal(text + 1, "{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":42}}\n");
	assert_int_equal(length, strlen(text));
	assert_int_equal(agent_line_question(text, 20, 42), 0);
}

static enum agent_answer answer(struct agent_line *line, const char *text, char why[32])
{
	return agent_line_answer(line, text, strlen(text), why, 32);
}

static void a_command_is_done_or_refused(void **state)
{
	struct agent_line line = { .used = 0 };
	char why[32];
	assert_int_equal(answer(&line, "{\"return\"", why), AGENT_SILENT);
	assert_int_equal(answer(&line, ": {}}\n", why), AGENT_DONE);
	assert_int_equal(
		answer(&line, "nonsense\n{}\n{\"error\": {\"desc\": \"no hwclock\"}}\n", why), AGENT_REFUSED);
	assert_string_equal(why, "no hwclock");
	assert_int_equal(answer(&line, "{\"error\": 7}\n", why), AGENT_REFUSED);
	assert_string_equal(why, "");
	assert_int_equal(answer(&line, "[]\n7\n\n", why), AGENT_SILENT);
}

static void the_time_is_said_or_left_to_the_machine(void **state)
{
	char text[128];
	size_t length = agent_line_set_time(text, sizeof(text), 0);
	assert_int_equal(length, strlen(text));
	assert_string_equal(text, "{\"execute\":\"guest-set-time\"}\n");
	length = agent_line_set_time(text, sizeof(text), 1700000000123456789);
	assert_int_equal(length, strlen(text));
	assert_string_equal(
		text, "{\"execute\":\"guest-set-time\",\"arguments\":{\"time\":1700000000123456789}}\n");
	assert_int_equal(agent_line_set_time(text, 20, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answer_is_found_however_it_comes),
		cmocka_unit_test(nothing_else_is_one),
		cmocka_unit_test(a_line_without_end_costs_nothing_and_does_not_hide_the_next),
		cmocka_unit_test(the_question_is_whole_or_not_there),
		cmocka_unit_test(a_command_is_done_or_refused),
		cmocka_unit_test(the_time_is_said_or_left_to_the_machine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
