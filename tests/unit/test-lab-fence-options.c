// SPDX-License-Identifier: GPL-3.0-or-later
// How fence_holdfast_lab takes its options: from the command line and from stdin, the same ones.
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include "fence/lab-metadata.h"
#include "fence/lab-options.h"

static int from_stdin(struct fence_options *options, const char *text, struct error *err)
{
	char *argv[] = { (char *)"fence_holdfast_lab", NULL };
	FILE *input = fmemopen((void *)text, strlen(text), "r");
	int result;

	assert_non_null(input);
	result = fence_options_parse(options, 1, argv, input, err);
	fclose(input);
	return result;
}

static int from_words(struct fence_options *options, const char *const *words, struct error *err)
{
	char *argv[16] = { (char *)"fence_holdfast_lab" };
	int argc = 1;

	while (words[argc - 1]) {
		argv[argc] = (char *)words[argc - 1];
		argc++;
	}
	return fence_options_parse(options, argc, argv, NULL, err);
}

static void lines_are_taken_as_the_cluster_sends_them(void **state)
{
	struct error err = ERROR_INIT;
	struct fence_options options;

	assert_ok(
		from_stdin(&options,
			"# comment\naction=off\nip=10.0.2.121\nkey=abc=d\nnodename=b1\nport=plug\nnovel=1\n",
			&err),
		err);
	assert_int_equal(options.action, FENCE_ACTION_OFF);
	assert_string_equal(options.ip, "10.0.2.121");
	assert_string_equal(options.key, "abc=d");
	assert_string_equal(options.plug, "plug");
	assert_int_equal(options.timeout_s, FENCE_TIMEOUT_DEFAULT_S);
	assert_ok(from_stdin(&options, "port=plug\nnodename=b1\nipaddr=10.0.2.121\nkey=k\ntimeout=7\n", &err),
		err);
	assert_int_equal(options.action, FENCE_ACTION_REBOOT);
	assert_string_equal(options.plug, "plug");
	assert_int_equal(options.timeout_s, 7);
}

static void words_are_taken_in_every_form(void **state)
{
	static const char *const forms[][8] = {
		{ "-o", "status", "-a", "10.0.2.121", "-k", "k", NULL },
		{ "--action", "status", "--ip", "10.0.2.121", "--key", "k", NULL },
		{ "--action=status", "--ip=10.0.2.121", "--key=k", NULL },
		{ "-ostatus", "-a10.0.2.121", "-kk", NULL },
	};
	struct error err = ERROR_INIT;
	struct fence_options options;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		assert_ok(from_words(&options, forms[i], &err), err);
		assert_int_equal(options.action, FENCE_ACTION_STATUS);
		assert_string_equal(options.ip, "10.0.2.121");
		assert_string_equal(options.key, "k");
	}
}

static void what_is_missing_or_wrong_is_refused(void **state)
{
	static const char *const lines[] = { "action=off\nkey=k\n", "action=off\nip=10.0.2.121\n",
		"action=off\nip=b1\nkey=k\n", "action=explode\nip=10.0.2.121\nkey=k\n",
		"timeout=0\nip=10.0.2.121\nkey=k\n", "timeout=x\nip=10.0.2.121\nkey=k\n",
		"ip=10.0.2.121.10.0.2.121\nkey=k\n" };
	static const char *const words[][4] = { { "-x", NULL }, { "-o", NULL }, { "off", NULL },
		{ "--bogus=1", NULL } };
	struct error err = ERROR_INIT;
	struct fence_options options;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_fails(from_stdin(&options, lines[i], &err), err, ERROR_USAGE);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_fails(from_words(&options, words[i], &err), err, ERROR_USAGE);
	assert_ok(from_stdin(&options, "action=metadata\n", &err), err);
}

static void the_metadata_names_every_action(void **state)
{
	for (unsigned i = 0; i < FENCE_ACTIONS; i++) {
		char text[64];

		snprintf(text, sizeof(text), "<action name=\"%s\"", fence_action_name(i));
		assert_non_null(strstr(fence_lab_metadata, text));
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(lines_are_taken_as_the_cluster_sends_them),
	cmocka_unit_test(words_are_taken_in_every_form),
	cmocka_unit_test(what_is_missing_or_wrong_is_refused),
	cmocka_unit_test(the_metadata_names_every_action),
};

UNIT_MAIN(tests)
