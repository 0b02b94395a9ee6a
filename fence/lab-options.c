// SPDX-License-Identifier: GPL-3.0-or-later
// Parses the options of fence_holdfast_lab from either source into one struct. Does no I/O but reading lines.
#include "fence/lab-options.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"

static const char *const action_names[FENCE_ACTIONS] = { "metadata", "validate-all", "monitor", "status",
	"off", "on", "reboot" };

struct option_name {
	const char *name;
	char letter; // 0: none
	const char *meaning; // the option that it is another name of
};

static const struct option_name names[] = {
	{ "action", 'o', "action" },
	{ "option", 0, "action" },
	{ "ip", 'a', "ip" },
	{ "ipaddr", 0, "ip" },
	{ "key", 'k', "key" },
	{ "plug", 'n', "plug" },
	{ "port", 0, "plug" },
	{ "nodename", 0, "nodename" },
	{ "timeout", 0, "timeout" },
};
#define NAMES (sizeof(names) / sizeof(names[0]))

static int set_text(char *field, size_t size, const char *name, const char *value, struct error *err)
{
	if (strlen(value) >= size)
		return error_set(err, ERROR_USAGE, "the value of '%s' is too long", name);
	memcpy(field, value, strlen(value) + 1);
	return 0;
}

static int set_action(struct fence_options *options, const char *value, struct error *err)
{
	for (unsigned i = 0; i < FENCE_ACTIONS; i++) {
		if (strcmp(value, action_names[i]) == 0) {
			options->action = i;
			return 0;
		}
	}
	return error_set(err, ERROR_USAGE,
		"no action '%s': metadata, validate-all, monitor, status, off, on or reboot", value);
}

static int set_timeout(struct fence_options *options, const char *value, struct error *err)
{
	char *end;
	long seconds = strtol(value, &end, 10);

	if (end == value || (*end && strcmp(end, "s") != 0) || seconds < 1 || seconds > FENCE_TIMEOUT_MAX_S)
		return error_set(err, ERROR_USAGE, "timeout '%s' is not a number of seconds from 1 to %d",
			value, FENCE_TIMEOUT_MAX_S);
	options->timeout_s = (unsigned)seconds;
	return 0;
}

static int set(
	struct fence_options *options, const struct option_name *name, const char *value, struct error *err)
{
	if (strcmp(name->meaning, "action") == 0)
		return set_action(options, value, err);
	if (strcmp(name->meaning, "timeout") == 0)
		return set_timeout(options, value, err);
	if (strcmp(name->meaning, "ip") == 0)
		return set_text(options->ip, sizeof(options->ip), name->name, value, err);
	if (strcmp(name->meaning, "key") == 0)
		return set_text(options->key, sizeof(options->key), name->name, value, err);
	// The cluster always says which node it means; a plug that the administrator set goes first.
	if (strcmp(name->meaning, "nodename") == 0 && options->plug[0])
		return 0;
	return set_text(options->plug, sizeof(options->plug), name->name, value, err);
}

static const struct option_name *find(const char *name, size_t length)
{
	for (size_t i = 0; i < NAMES; i++) {
		if (strlen(names[i].name) == length && strncmp(names[i].name, name, length) == 0)
			return &names[i];
	}
	return NULL;
}

static const struct option_name *find_letter(char letter)
{
	for (size_t i = 0; i < NAMES; i++) {
		if (names[i].letter == letter && letter)
			return &names[i];
	}
	return NULL;
}

static int parse_lines(struct fence_options *options, FILE *input, struct error *err)
{
	cleanup_free char *line = NULL;
	size_t size = 0;
	ssize_t bytes;

	while ((bytes = getline(&line, &size, input)) >= 0) {
		const struct option_name *name;
		char *equals;

		while (bytes > 0 && strchr("\r\n \t", line[bytes - 1]))
			line[--bytes] = '\0';
		equals = strchr(line, '=');
		if (line[0] == '#' || !equals)
			continue;
		name = find(line, (size_t)(equals - line));
		if (name && set(options, name, equals + 1, err) < 0)
			return -1;
	}
	return 0;
}

// -o off, -ooff, --action off, --action=off
static int parse_words(struct fence_options *options, int argc, char **argv, struct error *err)
{
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i], *value = NULL;
		const struct option_name *name = NULL;

		if (strncmp(word, "--", 2) == 0) {
			size_t length = strcspn(word + 2, "=");

			name = find(word + 2, length);
			if (word[2 + length] == '=')
				value = word + 2 + length + 1;
		} else if (word[0] == '-' && word[1]) {
			name = find_letter(word[1]);
			if (word[2])
				value = word + 2;
		}
		if (!name)
			return error_set(
				err, ERROR_USAGE, "no option '%s'; `-o metadata` describes them all", word);
		if (!value && i + 1 == argc)
			return error_set(err, ERROR_USAGE, "option '%s' needs a value", word);
		if (set(options, name, value ? value : argv[++i], err) < 0)
			return -1;
	}
	return 0;
}

static int check(const struct fence_options *options, struct error *err)
{
	struct in_addr address;

	if (options->action == FENCE_ACTION_METADATA)
		return 0;
	if (!options->ip[0])
		return error_set(err, ERROR_USAGE, "'ip' is missing: the address of the node's power switch");
	if (inet_pton(AF_INET, options->ip, &address) != 1)
		return error_set(err, ERROR_USAGE, "ip '%s' is not an IPv4 address", options->ip);
	if (!options->key[0])
		return error_set(err, ERROR_USAGE,
			"'key' is missing: the lab's key, from bmc.key in the lab's directory");
	return 0;
}

int fence_options_parse(struct fence_options *options, int argc, char **argv, FILE *input, struct error *err)
{
	*options =
		(struct fence_options){ .action = FENCE_ACTION_REBOOT, .timeout_s = FENCE_TIMEOUT_DEFAULT_S };
	if ((argc > 1 ? parse_words(options, argc, argv, err) : parse_lines(options, input, err)) < 0)
		return -1;
	return check(options, err);
}

const char *fence_action_name(enum fence_action action)
{
	return action_names[action];
}
