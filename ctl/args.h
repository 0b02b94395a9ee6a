// SPDX-License-Identifier: GPL-3.0-or-later
// The command line as tables: nouns, their verbs, operands and options; and what was typed, checked against them. Parsing is pure:
// nothing is printed, nothing is sent. Each value has passed its kind's check before a verb sees it.
#ifndef CTL_ARGS_H
#define CTL_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/error.h"

enum arg_kind {
	ARG_FLAG,
	ARG_TEXT,	// anything
	ARG_NAME,	// common/name.h
	ARG_NAMES,	// names with commas between them: a value each
	ARG_NUMBER,	// whole, within least and most
	ARG_SIZE,	// bytes, with units; number
	ARG_MEMORY,	// MiB, or with units; number in MiB
	ARG_SECONDS,	// seconds, or with units: 90, 5m, 2h; number
	ARG_ADDRESS,	// IP address
	ARG_HOST,	// IP address or host name, with an optional port
	ARG_PATH,	// absolute
	ARG_CHOICE,	// a word of `choices`; number is its place there
	ARG_PAIR,	// KEY=VALUE
	ARG_DISK,	// ctl/disk-option.h; number is its size
};

#define ARG_REQUIRED 1u		// of options; operands are required
#define ARG_REPEATED 2u		// may be given again
#define ARG_OPTIONAL 4u		// of operands

struct arg {
	const char *name;	// of an option, without "--"; of an operand, as help shows it
	enum arg_kind kind;
	const char *what;	// the value: "node"; help shows it in capitals
	const char *help;
	unsigned flags;
	const char *choices;	// "save|shut-down|turn-off"
	uint64_t least, most;	// numbers; most 0: no limit
};

struct session;
struct args;
// Runs in a task and may wait. Prints its own results to stdout.
typedef int verb_fn(struct session *session, const struct args *args, struct error *err);

struct verb {
	const char *name;	// "": the noun stands alone
	const char *summary;
	const char *text;	// more of it, wrapped by hand; NULL: none
	const char *example;	// lines, without indent
	const struct arg *operands, *options;	// end with name NULL; NULL: none
	const char *goes_on;	// what Ctrl-C leaves behind; NULL: nothing
	verb_fn *run;
};

struct noun {
	const char *name, *summary;
	const struct verb *verbs;	// ends with name NULL
	bool cluster_only;		// hypervisord on a stand-alone machine has none of it
};

struct arg_value {
	const struct arg *arg;
	char *text;
	uint64_t number;
};

struct args {
	const struct noun *noun;	// NULL: none was typed
	const struct verb *verb;
	bool help, version, json;
	struct arg_value *values;
	size_t count;
};

// NOUNS ends with name NULL. ARGV without the program's name. Errors are ERROR_USAGE, with the nearest suggestion. With help or version set
// nothing is required.
int args_parse(const struct noun *nouns, int argc, char *const argv[], struct args *args, struct error *err) MUST_CHECK;
void args_done(struct args *args);
extern const struct arg args_global[];	// what every verb has

// NAME is that of an option or operand of the verb; INDEX counts repeated ones.
size_t args_count(const struct args *args, const char *name);
bool args_flag(const struct args *args, const char *name);
char *args_text(const struct args *args, const char *name);	// "" if not given: as protobuf-c likes it
char *args_text_at(const struct args *args, const char *name, size_t index);
uint64_t args_number(const struct args *args, const char *name, uint64_t otherwise);
uint64_t args_number_at(const struct args *args, const char *name, size_t index);

#endif
