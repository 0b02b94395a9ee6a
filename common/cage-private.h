// SPDX-License-Identifier: GPL-3.0-or-later
// A cage as cage.c makes it and cage-enter.c puts it up between fork and exec. Nobody but these and spawn-detached.c includes this.
#ifndef COMMON_CAGE_PRIVATE_H
#define COMMON_CAGE_PRIVATE_H

#include <linux/filter.h>
#include <stddef.h>
#include "common/cage.h"

enum cage_op_kind { CAGE_OP_DIRECTORY, CAGE_OP_LINK, CAGE_OP_BIND_DIRECTORY, CAGE_OP_BIND_FILE };

struct cage_op {
	enum cage_op_kind kind;
	char *path;		// below the base
	char *source;		// what is bound there, or what the link says
};

struct cage_plan {
	struct cage_op *ops;
	size_t count;
};

struct cage {
	enum cage_kind kind;
	char *base, *proc;	// where proc is mounted: BASE/proc
	bool core_dumps;
	struct cage_plan plan;
	struct sock_fprog filter;
};

struct cage_entry {
	const struct cage *cage;
	bool network;
	struct cage_plan plan;
};

// In the child, plain system calls only; -1 with errno. *AT: the path that it failed at.
int cage_enter(const struct cage_entry *entry, const char **at);	// as root: namespaces, the new root
int cage_limit(const struct cage_entry *entry);				// as root
int cage_lock(const struct cage_entry *entry);				// last, before exec; no_new_privs is set

// cage-filter.c
int cage_filter_make(struct sock_fprog *filter, struct error *err) MUST_CHECK;

#endif
