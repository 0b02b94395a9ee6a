// SPDX-License-Identifier: GPL-3.0-or-later
// Proof that a lost node is gone (DESIGN.md section 5): an interface, because there is more than one kind: a fence agent's confirmation,
// an administrator's word; SBD's time-out comes later. Nothing takes a group over, and DRBD's handler answers nothing, without one.
#ifndef FENCE_PROOF_H
#define FENCE_PROOF_H

#include <stdbool.h>
#include <time.h>
#include "common/error.h"

struct proof {
	const char *kind;		// "fenced", "confirmed by an administrator", ...
	time_t when;
};

struct proof_source {
	const char *name;
	// 1 if NODE is proved gone since SINCE, with *proof filled; 0 if not (yet); -1 on error.
	int (*check)(const char *node, time_t since, struct proof *proof, struct error *err);
};

// All sources, in order; ends with NULL.
extern const struct proof_source *const proof_sources[];
int proof_check(const char *node, time_t since, struct proof *proof, struct error *err) MUST_CHECK;
// Blocks until there is proof or the deadline has passed (ERROR_TIMEOUT).
int proof_await(const char *node, time_t since, unsigned timeout_ms, struct proof *proof, struct error *err) MUST_CHECK;

#endif
