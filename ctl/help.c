// SPDX-License-Identifier: GPL-3.0-or-later
// Help, rendered. Pure.
#include "ctl/help.h"

#include <ctype.h>
#include <string.h>

#define WIDTH 26 // of the left column

static const char exit_statuses[] =
	"Exit status: 0 done, 1 failed, 2 usage, 3 no such thing, 4 refused because it would be unsafe.\n";

static void capitals(char *out, size_t size, const char *word)
{
	size_t i = 0;

	for (; word[i] && i + 1 < size; i++)
		out[i] = (char)toupper((unsigned char)word[i]);
	out[i] = '\0';
}

static void value_of(char *out, size_t size, const struct arg *arg)
{
	char word[40] = "";

	if (arg->what && !strcmp(arg->what, "MiB"))
		snprintf(word, sizeof(word), "MiB");
	else if (arg->what)
		capitals(word, sizeof(word), arg->what);
	snprintf(out, size, "%s%s%s", arg->kind == ARG_FLAG ? "" : " ", word,
		arg->kind == ARG_NAMES ? ",..." : "");
}

static void print_examples(FILE *out, const char *example)
{
	fprintf(out, "\nExample:\n");
	for (const char *line = example; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		fprintf(out, "    %.*s\n", (int)strcspn(line, "\n"), line);
}

static void print_options(FILE *out, const char *title, const struct arg *options)
{
	fprintf(out, "\n%s:\n", title);
	for (; options->name; options++) {
		char value[48], left[100];

		value_of(value, sizeof(value), options);
		snprintf(left, sizeof(left), "--%s%s", options->name, value);
		fprintf(out, "    %-*s %s%s\n", WIDTH, left, options->help,
			options->flags & ARG_REPEATED ? " (repeatable)" : "");
	}
}

static void print_usage_line(FILE *out, const struct noun *noun, const struct verb *verb)
{
	fprintf(out, "usage: holdfast [--json] %s%s%s", noun->name, verb->name[0] ? " " : "", verb->name);
	for (const struct arg *arg = verb->operands; arg && arg->name; arg++)
		fprintf(out, arg->flags & ARG_OPTIONAL ? " [%s]%s" : " %s%s", arg->name,
			arg->flags & ARG_REPEATED ? "..." : "");
	for (const struct arg *arg = verb->options; arg && arg->name; arg++) {
		char value[48];

		value_of(value, sizeof(value), arg);
		if (arg->flags & ARG_REQUIRED)
			fprintf(out, " --%s%s", arg->name, value);
	}
	fputs(verb->options ? " [OPTIONS]\n" : "\n", out);
}

static void print_verb(FILE *out, const struct noun *noun, const struct verb *verb)
{
	print_usage_line(out, noun, verb);
	fprintf(out, "\n%c%s.\n", toupper((unsigned char)verb->summary[0]), verb->summary + 1);
	if (verb->text)
		fprintf(out, "%s\n", verb->text);
	if (verb->options)
		print_options(out, "Options", verb->options);
	print_examples(out, verb->example);
	fprintf(out, "\n`holdfast --help` has the options that every command takes.\n");
}

static void print_noun(FILE *out, const struct noun *noun)
{
	fprintf(out, "usage: holdfast [--json] %s VERB [NAME] [OPTIONS]\n\n%c%s.\n\nVerbs:\n", noun->name,
		toupper((unsigned char)noun->summary[0]), noun->summary + 1);
	for (const struct verb *verb = noun->verbs; verb->name; verb++)
		fprintf(out, "    %-14s %s\n", verb->name, verb->summary);
	print_examples(out, noun->verbs->example);
	fprintf(out, "\n`holdfast %s VERB --help` has the options of each.\n", noun->name);
}

static void print_all(FILE *out, const struct noun *nouns)
{
	fputs("usage: holdfast [--json] NOUN VERB [NAME] [OPTIONS]\n\n"
	      "Keeps virtual machines running on a cluster of nodes at two sites.\n\nCommands:\n",
		out);
	for (; nouns->name; nouns++) {
		char verbs[200] = "";
		size_t used = 0;

		for (const struct verb *verb = nouns->verbs; verb->name && used < sizeof(verbs); verb++)
			used += (size_t)snprintf(verbs + used, sizeof(verbs) - used, "%s%s",
				used ? " | " : "", verb->name[0] ? verb->name : "[--follow] [--since TIME]");
		fprintf(out, "    %-8s %s\n             %s\n", nouns->name, verbs, nouns->summary);
	}
	print_options(out, "Options everywhere", args_global);
	print_examples(out,
		"holdfast cluster status\n"
		"holdfast group create web --preferred a1,b1\n"
		"holdfast group move web --to b1\n"
		"holdfast --json group show web | jq -r .owner");
	fprintf(out,
		"\n%s`holdfast NOUN --help` and `holdfast NOUN VERB --help` tell more; so does "
		"holdfast(1).\n",
		exit_statuses);
}

void help_print(FILE *out, const struct noun *nouns, const struct args *args)
{
	if (args->verb)
		print_verb(out, args->noun, args->verb);
	else if (args->noun)
		print_noun(out, args->noun);
	else
		print_all(out, nouns);
}
