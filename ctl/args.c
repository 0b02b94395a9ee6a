// SPDX-License-Identifier: GPL-3.0-or-later
// What was typed, against the tables. Words are noun, verb, operands in that order; options of the verb come anywhere after it, the global
// ones anywhere. The first thing that is wrong is the one that is reported.
#include "ctl/args.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "ctl/args-check.h"
#include "ctl/value.h"

const struct arg args_global[] = {
	{ .name = "json", .kind = ARG_FLAG, .help = "print one JSON document" },
	{ .name = "socket", .kind = ARG_PATH, .what = "path", .help = "ask the daemon at this Unix socket" },
	{ .name = "connect",
		.kind = ARG_HOST,
		.what = "address",
		.help = "ask the clusterd at ADDRESS[:PORT] over TLS, with this node's certificate" },
	{ .name = "pki",
		.kind = ARG_PATH,
		.what = "directory",
		.help = "certificates for --connect [/etc/holdfast/pki]" },
	{ .name = "help", .kind = ARG_FLAG, .help = "show help for what comes before it" },
	{ .name = "version", .kind = ARG_FLAG, .help = "show the version" },
	{ .name = NULL },
};

struct parser {
	const struct noun *nouns;
	struct args *args;
	size_t operands; // how many are there
	bool words_only; // after "--"
};

static const struct arg *find(const struct arg *table, const char *name, size_t length)
{
	for (; table && table->name; table++)
		if (strlen(table->name) == length && !strncmp(table->name, name, length))
			return table;
	return NULL;
}

static int add(struct parser *parser, const struct arg *arg, char *text, struct error *err)
{
	struct args *args = parser->args;

	if (!(arg->flags & ARG_REPEATED) && arg->kind != ARG_NAMES && arg->kind != ARG_FLAG &&
		args_count(args, arg->name))
		return error_set(err, ERROR_USAGE, "--%s is given twice: give it once", arg->name);
	return args_check_add(args, arg, text, err);
}

// ---- words

// BEFORE is how the message begins.
static int unknown_word(
	const char *before, const char *typed, const char *const words[], const char *help, struct error *err)
{
	const char *nearest = value_nearest(typed, words);

	if (nearest)
		return error_set(
			err, ERROR_USAGE, "%s \"%.40s\": did you mean \"%s\"?", before, typed, nearest);
	return error_set(err, ERROR_USAGE, "%s \"%.40s\": `%s` lists what there is", before, typed, help);
}

#define WORDS_MAX 64

static int take_noun(struct parser *parser, const char *word, struct error *err)
{
	const char *words[WORDS_MAX] = { NULL };
	size_t count = 0;

	if (!strcmp(word, "help") && !parser->args->help) {
		parser->args->help = true;
		return 0;
	}
	for (const struct noun *noun = parser->nouns; noun->name; noun++) {
		if (!strcmp(noun->name, word)) {
			parser->args->noun = noun;
			if (!noun->verbs->name[0])
				parser->args->verb = noun->verbs;
			return 0;
		}
		if (count + 1 < WORDS_MAX)
			words[count++] = noun->name;
	}
	return unknown_word("there is no command", word, words, "holdfast --help", err);
}

static int take_verb(struct parser *parser, const char *word, struct error *err)
{
	const char *words[WORDS_MAX] = { NULL };
	const struct noun *noun = parser->args->noun;
	char before[80], help[80];
	size_t count = 0;

	for (const struct verb *verb = noun->verbs; verb->name; verb++) {
		if (!strcmp(verb->name, word)) {
			parser->args->verb = verb;
			return 0;
		}
		if (count + 1 < WORDS_MAX)
			words[count++] = verb->name;
	}
	snprintf(before, sizeof(before), "%s has no verb", noun->name);
	snprintf(help, sizeof(help), "holdfast %s --help", noun->name);
	return unknown_word(before, word, words, help, err);
}

static int take_operand(struct parser *parser, char *word, struct error *err)
{
	const struct verb *verb = parser->args->verb;
	const struct arg *operand = verb->operands;

	for (size_t i = 0; operand && operand->name && i < parser->operands; i++)
		if (!(operand->flags & ARG_REPEATED))
			operand++;
	if (!operand || !operand->name)
		return error_set(err, ERROR_USAGE,
			"\"%.40s\" is one word too many: see `holdfast %s%s%s --help`", word,
			parser->args->noun->name, verb->name[0] ? " " : "", verb->name);
	parser->operands++;
	return add(parser, operand, word, err);
}

static int take_word(struct parser *parser, char *word, struct error *err)
{
	if (!parser->args->noun)
		return take_noun(parser, word, err);
	if (!parser->args->verb)
		return take_verb(parser, word, err);
	return take_operand(parser, word, err);
}

// ---- options

static int unknown_option(const struct parser *parser, const char *typed, struct error *err)
{
	const struct verb *verb = parser->args->verb;
	const char *words[WORDS_MAX] = { NULL };
	char name[44];
	size_t count = 0;

	for (const struct arg *arg = verb ? verb->options : NULL; arg && arg->name && count + 1 < WORDS_MAX;
		arg++)
		words[count++] = arg->name;
	for (const struct arg *arg = args_global; arg->name && count + 1 < WORDS_MAX; arg++)
		words[count++] = arg->name;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(typed, "="), typed);
	const char *bare = name + strspn(name, "-"), *nearest = value_nearest(bare, words);
	if (nearest)
		return error_set(err, ERROR_USAGE, "there is no option \"%s\" here: did you mean \"--%s\"?",
			name, nearest);
	if (!verb)
		return error_set(err, ERROR_USAGE,
			"there is no option \"%s\" here: options come after the verb; see `holdfast --help`",
			name);
	return error_set(err, ERROR_USAGE, "there is no option \"%s\" here: see `holdfast %s%s%s --help`",
		name, parser->args->noun->name, verb->name[0] ? " " : "", verb->name);
}

static const struct arg *find_option(const struct parser *parser, const char *typed)
{
	if (strncmp(typed, "--", 2))
		return NULL;
	size_t length = strcspn(typed + 2, "=");
	const struct arg *arg =
		parser->args->verb ? find(parser->args->verb->options, typed + 2, length) : NULL;
	return arg ? arg : find(args_global, typed + 2, length);
}

static void set_flag(struct args *args, const struct arg *flag)
{
	if (flag == find(args_global, "json", 4))
		args->json = true;
	else if (flag == find(args_global, "help", 4))
		args->help = true;
	else if (flag == find(args_global, "version", 7))
		args->version = true;
}

// Takes argv[0], and argv[1] if that is its value: *used is 1 or 2.
static int take_option(struct parser *parser, int argc, char *const argv[], int *used, struct error *err)
{
	const struct arg *arg =
		!strcmp(argv[0], "-h") ? find(args_global, "help", 4) : find_option(parser, argv[0]);
	char *equals = strchr(argv[0], '=');

	*used = 1;
	if (!arg)
		return unknown_option(parser, argv[0], err);
	if (arg->kind == ARG_FLAG) {
		if (equals)
			return error_set(err, ERROR_USAGE, "--%s takes no value: leave \"%.40s\" away",
				arg->name, equals);
		set_flag(parser->args, arg);
		return add(parser, arg, NULL, err);
	}
	if (equals)
		return add(parser, arg, equals + 1, err);
	if (argc < 2 || find_option(parser, argv[1]))
		return error_set(err, ERROR_USAGE, "--%s needs a value: see `holdfast %s%s%s --help`",
			arg->name, parser->args->noun ? parser->args->noun->name : "",
			parser->args->verb ? " " : "", parser->args->verb ? parser->args->verb->name : "");
	*used = 2;
	return add(parser, arg, argv[1], err);
}

// ---- the whole

static int check_operands(const struct args *args, struct error *err)
{
	for (const struct arg *arg = args->verb->operands; arg && arg->name; arg++)
		if (!(arg->flags & ARG_OPTIONAL) && !args_count(args, arg->name))
			return error_set(err, ERROR_USAGE, "%s %s needs %s: see `holdfast %s %s --help`",
				args->noun->name, args->verb->name, arg->name, args->noun->name,
				args->verb->name);
	for (const struct arg *arg = args->verb->options; arg && arg->name; arg++)
		if ((arg->flags & ARG_REQUIRED) && !args_count(args, arg->name))
			return error_set(err, ERROR_USAGE, "%s %s needs --%s: see `holdfast %s %s --help`",
				args->noun->name, args->verb->name, arg->name, args->noun->name,
				args->verb->name);
	return 0;
}

static int check_whole(const struct args *args, struct error *err)
{
	if (args->help || args->version)
		return 0;
	if (!args->noun)
		return error_set(err, ERROR_USAGE,
			"nothing to do: give a command, like `holdfast cluster status`; `holdfast --help` "
			"lists them");
	if (!args->verb)
		return error_set(err, ERROR_USAGE, "%s needs a verb: `holdfast %s --help` lists them",
			args->noun->name, args->noun->name);
	if (args_count(args, "socket") && args_count(args, "connect"))
		return error_set(
			err, ERROR_USAGE, "--socket and --connect name two different ways: give one of them");
	return check_operands(args, err);
}

int args_parse(const struct noun *nouns, int argc, char *const argv[], struct args *args, struct error *err)
{
	struct parser parser = { .nouns = nouns, .args = args };
	int used, result = 0;

	*args = (struct args){ .noun = NULL };
	for (int i = 0; i < argc && result == 0; i += used) {
		used = 1;
		if (!parser.words_only && !strcmp(argv[i], "--"))
			parser.words_only = true;
		else if (!parser.words_only && argv[i][0] == '-' && argv[i][1])
			result = take_option(&parser, argc - i, argv + i, &used, err);
		else
			result = take_word(&parser, argv[i], err);
	}
	if (result == 0)
		result = check_whole(args, err);
	return result;
}

void args_done(struct args *args)
{
	for (size_t i = 0; i < args->count; i++)
		free(args->values[i].text);
	free(args->values);
	*args = (struct args){ .noun = NULL };
}

// ---- asking

static const struct arg_value *value_at(const struct args *args, const char *name, size_t index)
{
	assert(!args->verb || find(args->verb->options, name, strlen(name)) ||
		find(args->verb->operands, name, strlen(name)) || find(args_global, name, strlen(name)));
	for (size_t i = 0; i < args->count; i++)
		if (!strcmp(args->values[i].arg->name, name) && index-- == 0)
			return &args->values[i];
	return NULL;
}

size_t args_count(const struct args *args, const char *name)
{
	size_t count = 0;

	while (value_at(args, name, count))
		count++;
	return count;
}

bool args_flag(const struct args *args, const char *name)
{
	return value_at(args, name, 0);
}

char *args_text(const struct args *args, const char *name)
{
	return args_text_at(args, name, 0);
}

char *args_text_at(const struct args *args, const char *name, size_t index)
{
	const struct arg_value *value = value_at(args, name, index);

	return value ? value->text : (char *)""; // what gets it only reads
}

uint64_t args_number(const struct args *args, const char *name, uint64_t otherwise)
{
	const struct arg_value *value = value_at(args, name, 0);

	return value ? value->number : otherwise;
}

uint64_t args_number_at(const struct args *args, const char *name, size_t index)
{
	const struct arg_value *value = value_at(args, name, index);

	return value ? value->number : 0;
}
