// SPDX-License-Identifier: GPL-3.0-or-later
// What a spawned process may see and ask of this machine: a root of its own with nothing in it but libraries, its program and the files that it is
// given, namespaces of its own, no core dump of its memory, and a filter for system calls that it never needs. spawn_detached puts it up.
#ifndef COMMON_CAGE_H
#define COMMON_CAGE_H

#include <stdbool.h>
#include "common/error.h"

enum cage_kind {
	CAGE_FULL,	// all of it; where namespaces are not permitted nothing is spawned
	CAGE_BASIC,	// without namespaces and without a root of its own
};

struct cage_options {
	enum cage_kind kind;
	const char *base;		// an empty directory of ours, which the new root is mounted on; nothing that is shown is below it
	const char *visible;		// further files and directories of the machine that are shown, separated by ":"; "" for none
	bool core_dumps;
};

struct cage;
// Made once; opens nothing that has to be closed.
struct cage *cage_new(const struct cage_options *options, struct error *err) MUST_CHECK;
void cage_free(struct cage *cage);

// For one process. FILES: absolute paths that it finds where they are, read-only, files or directories; ends with NULL; one that does not exist
// is left out.
struct cage_entry;
struct cage_entry *cage_entry_new(const struct cage *cage, const char *program, const char *const *files, bool network,
	struct error *err) MUST_CHECK;	// NETWORK: it keeps the machine's
void cage_entry_free(struct cage_entry *entry);

#endif
