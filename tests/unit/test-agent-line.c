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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answer_is_found_however_it_comes),
		cmocka_unit_test(nothing_else_is_one),
		cmocka_unit_test(a_line_without_end_costs_nothing_and_does_not_hide_the_next),
		cmocka_unit_test(the_question_is_whole_or_not_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
