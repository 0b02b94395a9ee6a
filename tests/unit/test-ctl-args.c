// SPDX-License-Identifier: GPL-3.0-or-later
// The command line: the real tables, typed well and badly; and what help and completion make of them.
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "ctl/complete.h"
#include "ctl/help.h"
#include "ctl/nouns.h"

#define WORDS_MAX 40

// Splits at blanks; "_" stands for an empty word.
static int parse(const char *line, struct args *args, struct error *err)
{
	cleanup_free char *copy = strdup(line);
	char *words[WORDS_MAX], *next = copy;
	int count = 0;

	for (char *word; copy[0] && (word = strsep(&next, " "));)
		words[count++] = strcmp(word, "_") ? word : (char *)"";
	return args_parse(nouns, count, words, args, err);
}

static void assert_usage(const char *line, const char *message)
{
	struct error err = ERROR_INIT;
	struct args args;

	int result = parse(line, &args, &err);
	args_done(&args);
	if (result == 0)
		fail_msg("\"%s\" was taken", line);
	if (err.code != ERROR_USAGE || !strstr(err.message, message))
		fail_msg("\"%s\": %s: \"%s\" has no \"%s\"", line, error_code_name(err.code), err.message,
			message);
	assert_null(strchr(err.message, '\n'));
}

static void a_full_line_is_understood(void **state)
{
	struct error err = ERROR_INIT;
	struct args args;

	assert_ok(parse("vm create db --group web --memory=2G --disk 64M --cpus 2 --disk 1G --offline-action "
			"turn-off --json",
			  &args, &err),
		err);
	assert_string_equal(args.noun->name, "vm");
	assert_string_equal(args.verb->name, "create");
	assert_true(args.json);
	assert_string_equal(args_text(&args, "VM"), "db");
	assert_true(args_number(&args, "memory", 0) == 2048);
	assert_int_equal(args_count(&args, "disk"), 2);
	assert_true(args_number_at(&args, "disk", 1) == 1u << 30);
	assert_true(args_number(&args, "offline-action", 9) == 2);
	assert_true(args_number(&args, "restart-limit", 3) == 3);
	assert_string_equal(args_text(&args, "kernel"), "");
	args_done(&args);
}

static void options_stand_anywhere(void **state)
{
	static const char *const lines[] = {
		"--json group move web --to b1 --quick",
		"group --json move --to b1 web --quick",
		"group move --quick --to=b1 web --json",
		"group move --to b1 --json --quick -- web",
	};
	struct error err = ERROR_INIT;
	struct args args;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_ok(parse(lines[i], &args, &err), err);
		assert_true(args.json && args_flag(&args, "quick") && !args_flag(&args, "no-wait"));
		assert_string_equal(args_text(&args, "GROUP"), "web");
		assert_string_equal(args_text(&args, "to"), "b1");
		args_done(&args);
	}
}

static void lists_and_pairs(void **state)
{
	struct error err = ERROR_INIT;
	struct args args;

	assert_ok(parse("group create web --preferred a1,b1 --possible a1 --possible b1", &args, &err), err);
	assert_int_equal(args_count(&args, "preferred"), 2);
	assert_string_equal(args_text_at(&args, "preferred", 1), "b1");
	assert_int_equal(args_count(&args, "possible"), 2);
	args_done(&args);
	assert_ok(parse("fence add a1 fence_ipmilan ip=10.0.2.11 password=a=b", &args, &err), err);
	assert_string_equal(args_text(&args, "AGENT"), "fence_ipmilan");
	assert_int_equal(args_count(&args, "KEY=VALUE"), 2);
	assert_string_equal(args_text_at(&args, "KEY=VALUE", 1), "password=a=b");
	args_done(&args);
	assert_ok(parse("events --follow --since 10m", &args, &err), err);
	assert_string_equal(args.verb->name, "");
	assert_true(args_flag(&args, "follow"));
	args_done(&args);
}

static void mistakes_get_a_suggestion(void **state)
{
	assert_usage("", "holdfast --help");
	assert_usage("gruop list", "did you mean \"group\"");
	assert_usage("frobnicate", "holdfast --help");
	assert_usage("group mvoe web", "did you mean \"move\"");
	assert_usage("group frobnicate", "holdfast group --help");
	assert_usage("group", "needs a verb");
	assert_usage("group move web --too b1", "did you mean \"--to\"");
	assert_usage("group move web -q", "there is no option \"-q\"");
	assert_usage("group --to b1 move web", "options come after the verb");
	assert_usage("group show web --jsn", "did you mean \"--json\"");
	assert_usage(
		"vm create v --group g --memory 64 --offline-action shutdown", "did you mean \"shut-down\"");
	assert_usage("group create web --storage nfs", "none of drbd|file");
}

static void wrong_values_are_named(void **state)
{
	assert_usage("group show", "needs GROUP");
	assert_usage("group show web db", "one word too many");
	assert_usage("group show Web", "\"Web\" cannot name a group");
	assert_usage("group show _", "the group has no name");
	assert_usage("group move web --to", "--to needs a value");
	assert_usage("group move web --to --quick", "--to needs a value");
	assert_usage("group move web --to B1", "--to: \"B1\" cannot name a node");
	assert_usage("group move web --to a1 --to b1", "--to is given twice");
	assert_usage("group move web --quick=yes", "--quick takes no value");
	assert_usage("group create web --preferred a1,,b1", "--preferred: the node has no name");
	assert_usage("group create web --preferred a1,a1", "twice");
	assert_usage("group create web --directory srv", "not an absolute path");
	assert_usage("vm create v --memory 64", "needs --group");
	assert_usage("vm create v --group g", "needs --memory");
	assert_usage("vm create v --group g --memory 64 --cpus 0", "--cpus: 0 is too small");
	assert_usage("vm create v --group g --memory 64 --cpus 1000", "too large");
	assert_usage("vm create v --group g --memory 99999999999", "too large");
	assert_usage("vm create v --group g --memory 64 --disk 64", "did you leave the unit out");
	assert_usage("vm create v --group g --memory 64 --disk 1G,format=qcow", "--disk: format: \"qcow\" is none of");
	assert_usage("vm create v --group g --memory 64 --disk 1G,fromat=raw", "did you mean \"format\"");
	assert_usage("vm create v --group g --memory 64 --disk 1G,format", "format has no value");
	assert_usage("vm create v --group g --memory 64 --disk format=raw", "--disk");
	assert_usage("fence add a1 fence_x ip", "is not KEY=VALUE");
	assert_usage(
		"cluster init c --node a1 --site a --address a1", "--address: \"a1\" is not an IP address");
	assert_usage("cluster init c --node a1 --site a --address 10.0.0.1 --witness w:0", "--witness");
	assert_usage("group list --socket /s --connect a1", "two different ways");
}

static void help_needs_nothing_else(void **state)
{
	static const struct {
		const char *line, *words;
	} cases[] = {
		{ "--help", "cluster  init | join" },
		{ "help", "Exit status" },
		{ "group --help", "move           move a group" },
		{ "help group", "holdfast group VERB --help" },
		{ "group move --help", "--to NODE" },
		{ "group move web --to b1 -h", "holdfast group move web --to b1 --quick" },
		{ "events --help", "--follow" },
		{ "vm create --help", "--group GROUP --memory MiB" },
	};
	struct error err = ERROR_INIT;
	struct args args;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = NULL;
		size_t bytes;
		FILE *out = open_memstream(&text, &bytes);

		assert_ok(parse(cases[i].line, &args, &err), err);
		assert_true(args.help);
		help_print(out, nouns, &args);
		fclose(out);
		if (!strstr(text, cases[i].words))
			fail_msg("help of \"%s\" has no \"%s\":\n%s", cases[i].line, cases[i].words, text);
		free(text);
		args_done(&args);
	}
}

static bool is_complete(const struct arg *arg)
{
	bool number = arg->kind == ARG_NUMBER || arg->kind == ARG_SIZE || arg->kind == ARG_SECONDS;

	return arg->help && (arg->kind == ARG_FLAG || arg->what) &&
		(arg->kind != ARG_CHOICE || arg->choices) &&
		(!number || !arg->most || arg->least <= arg->most) && strlen(arg->help) <= 100;
}

// Every verb of the tables has what help shows of it, and every example is a line that is taken.
static void every_verb_is_documented(void **state)
{
	for (const struct noun *noun = nouns; noun->name; noun++) {
		for (const struct verb *verb = noun->verbs; verb->name; verb++) {
			assert_non_null(verb->run);
			assert_true(verb->summary && strlen(verb->summary) < 90);
			assert_non_null(verb->example);
			assert_memory_equal(verb->example, "holdfast ", 9);
			for (const struct arg *arg = verb->options; arg && arg->name; arg++)
				if (!is_complete(arg))
					fail_msg("%s %s --%s is not documented well", noun->name, verb->name,
						arg->name);
		}
	}
}

static void examples_are_taken(void **state)
{
	struct error err = ERROR_INIT;
	struct args args;

	for (const struct noun *noun = nouns; noun->name; noun++) {
		for (const struct verb *verb = noun->verbs; verb->name; verb++) {
			cleanup_free char *line = strdup(verb->example + strlen("holdfast "));

			line[strcspn(line, "\n")] = '\0';
			if (strchr(line, '\\'))
				*strchr(line, '\\') = '\0';
			size_t length = strlen(line);
			while (length && line[length - 1] == ' ')
				line[--length] = '\0';
			if (parse(line, &args, &err) < 0)
				fail_msg("%s: %s", line, err.message);
			args_done(&args);
		}
	}
}

static void assert_completes(const char *line, const char *expected, const char *kind)
{
	cleanup_free char *copy = strdup(line);
	char *words[WORDS_MAX], *next = copy, *text = NULL;
	const char *names;
	int count = 0;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	for (char *word; (word = strsep(&next, " "));)
		words[count++] = word;
	complete_words(out, nouns, count, words, &names);
	fclose(out);
	if (strcmp(text, expected))
		fail_msg("\"%s\" completes to: %s", line, text);
	free(text);
	assert_string_equal(names ? names : "", kind);
}

static void words_complete(void **state)
{
	assert_completes("gr", "group\n", "");
	assert_completes("group st", "start\nstop\n", "");
	assert_completes("group move ", "", "group");
	assert_completes("group move web --t", "--to\n", "");
	assert_completes("group move web --to ", "", "node");
	assert_completes("--json vm show ", "", "VM");
	assert_completes("group create web --storage ", "drbd\nfile\n", "");
	assert_completes("events --fo", "--follow\n", "");
	assert_completes("nothing ", "cluster\nnode\ngroup\nvm\ncheckpoint\nvolume\nfence\nevents\n", "");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_full_line_is_understood),
	cmocka_unit_test(options_stand_anywhere),
	cmocka_unit_test(lists_and_pairs),
	cmocka_unit_test(mistakes_get_a_suggestion),
	cmocka_unit_test(wrong_values_are_named),
	cmocka_unit_test(help_needs_nothing_else),
	cmocka_unit_test(every_verb_is_documented),
	cmocka_unit_test(examples_are_taken),
	cmocka_unit_test(words_complete),
};

UNIT_MAIN(tests)
