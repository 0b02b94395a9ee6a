// SPDX-License-Identifier: GPL-3.0-or-later
// Who is in corosync's membership and whether this side is quorate, now, for a program without a loop. Asked from corosync itself: the CIB's
// word on quorum is its writer's, and may be seconds old.
#ifndef FENCE_MEMBERS_H
#define FENCE_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/error.h"

#define MEMBERS_MAX 64

struct members {
	bool quorate;
	uint32_t nodes[MEMBERS_MAX];
	size_t count;
};

struct members_watch;

struct members_watch *members_open(struct error *err) MUST_CHECK;
void members_close(struct members_watch *watch);
// ERROR_UNREACHABLE: corosync went away; close and open again.
int members_read(struct members_watch *watch, struct members *members, struct error *err) MUST_CHECK;
int members_fd(const struct members_watch *watch);	// readable when there is something new; -1 for NULL
bool members_has(const struct members *members, uint32_t node);
// The longest that corosync takes to notice that a member has gone: token and consensus time-outs.
unsigned members_detection_ms(void);

#endif
