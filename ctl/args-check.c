// SPDX-License-Identifier: GPL-3.0-or-later
// What each kind of argument takes. Says which argument is wrong before why.
#include "ctl/args-check.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/name.h"
#include "ctl/disk-option.h"
#include "ctl/value.h"

#define TEXT_LIMIT 65536 // what a field of a message may have

static int check_choice(const struct arg *arg, const char *text, uint64_t *number, struct error *err)
{
	const char *words[8] = { NULL };
	cleanup_free char *copy = strdup(arg->choices);
	char *next = copy;
	size_t count = 0;

	if (!copy)
		return error_set(err, ERROR_NO_SPACE, "no memory");
	for (char *word; (word = strsep(&next, "|")) && count < 7; count++) {
		words[count] = word;
		if (!strcmp(word, text)) {
			*number = count;
			return 0;
		}
	}
	const char *nearest = value_nearest(text, words);
	if (nearest)
		return error_set(err, ERROR_USAGE, "\"%.40s\" is none of %s: did you mean \"%s\"?", text,
			arg->choices, nearest);
	return error_set(err, ERROR_USAGE, "\"%.40s\" is none of %s", text, arg->choices);
}

static int check_path(const char *text, struct error *err)
{
	if (text[0] != '/')
		return error_set(
			err, ERROR_USAGE, "\"%.80s\" is not an absolute path: begin it with /", text);
	for (const char *c = text; *c; c++)
		if (iscntrl((unsigned char)*c))
			return error_set(err, ERROR_USAGE, "the path has a control character: leave it out");
	return 0;
}

static int check_pair(const char *text, struct error *err)
{
	size_t key = strcspn(text, "=");

	if (key == 0 || text[key] != '=' ||
		strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != key)
		return error_set(err, ERROR_USAGE,
			"\"%.60s\" is not KEY=VALUE: give options of the agent like ip=10.0.0.9", text);
	return 0;
}

static int check_disk(const char *text, uint64_t *number, struct error *err)
{
	Holdfast__Disk disk = HOLDFAST__DISK__INIT;
	cleanup_free char *copy = strdup(text);

	if (!copy)
		return error_set(err, ERROR_NO_SPACE, "no memory");
	if (disk_option_parse(copy, &disk, err) < 0)
		return -1;
	*number = disk.size_bytes;
	return 0;
}

static int check_host(const char *text, struct error *err)
{
	char host[256];
	unsigned port = 0;

	return value_host(text, host, sizeof(host), &port, err);
}

static int check(const struct arg *arg, const char *text, uint64_t *number, struct error *err)
{
	switch (arg->kind) {
	case ARG_FLAG:
	case ARG_TEXT:
		return 0;
	case ARG_NAME:
	case ARG_NAMES:
		return name_check(arg->what, text, err);
	case ARG_NUMBER:
		return value_number(text, arg->least, arg->most, number, err);
	case ARG_SIZE:
		return value_size(text, number, err);
	case ARG_MEMORY:
		return value_memory(text, number, err);
	case ARG_SECONDS:
		return value_seconds(text, number, err);
	case ARG_ADDRESS:
		return value_address(text, err);
	case ARG_HOST:
		return check_host(text, err);
	case ARG_PATH:
		return check_path(text, err);
	case ARG_CHOICE:
		return check_choice(arg, text, number, err);
	case ARG_DISK:
		return check_disk(text, number, err);
	case ARG_PAIR:
		return check_pair(text, err);
	}
	return 0;
}

static bool is_operand(const struct args *args, const struct arg *arg)
{
	for (const struct arg *operand = args->verb ? args->verb->operands : NULL; operand && operand->name;
		operand++)
		if (operand == arg)
			return true;
	return false;
}

static int add_one(struct args *args, const struct arg *arg, const char *text, struct error *err)
{
	uint64_t number = 0;

	if (text && strlen(text) > TEXT_LIMIT)
		return error_set(
			err, ERROR_USAGE, "--%s is longer than %d bytes: shorten it", arg->name, TEXT_LIMIT);
	if (check(arg, text, &number, err) < 0)
		return is_operand(args, arg) ? -1 : error_prefix(err, "--%s", arg->name);
	if (arg->kind == ARG_NUMBER || arg->kind == ARG_SIZE || arg->kind == ARG_MEMORY ||
		arg->kind == ARG_SECONDS) {
		if (arg->least && number < arg->least && arg->kind != ARG_NUMBER)
			return error_set(err, ERROR_USAGE,
				"--%s: \"%.40s\" is too small: did you leave the unit out?", arg->name, text);
		if (arg->most && number > arg->most)
			return error_set(err, ERROR_USAGE, "--%s: \"%.40s\" is too large", arg->name, text);
	}
	struct arg_value *values = reallocarray(args->values, args->count + 1, sizeof(*values));
	char *copy = text ? strdup(text) : NULL;
	if (values)
		args->values = values;
	if (!values || (text && !copy)) {
		free(copy);
		return error_set(err, ERROR_NO_SPACE, "no memory");
	}
	values[args->count++] = (struct arg_value){ .arg = arg, .text = copy, .number = number };
	return 0;
}

static bool given(const struct args *args, const struct arg *arg, const char *text)
{
	for (size_t i = 0; i < args->count; i++)
		if (args->values[i].arg == arg && !strcmp(args->values[i].text, text))
			return true;
	return false;
}

int args_check_add(struct args *args, const struct arg *arg, const char *text, struct error *err)
{
	if (arg->kind != ARG_NAMES)
		return add_one(args, arg, text, err);
	cleanup_free char *copy = strdup(text);
	char *next = copy;
	if (!copy)
		return error_set(err, ERROR_NO_SPACE, "no memory");
	for (char *word; (word = strsep(&next, ","));) {
		if (given(args, arg, word))
			return error_set(err, ERROR_USAGE, "--%s names \"%.40s\" twice: name each once",
				arg->name, word);
		if (add_one(args, arg, word, err) < 0)
			return -1;
	}
	return 0;
}
