// SPDX-License-Identifier: GPL-3.0-or-later
// What DRBD's kernel module says of a group's volumes on this node, for the handlers: read from /proc/drbd (DRBD 8.4), which needs no
// program and no answer from a kernel that waits for the handler.
#ifndef FENCE_DRBD_STATE_H
#define FENCE_DRBD_STATE_H

#include <stdbool.h>
#include "common/error.h"
#include "proto/definition.pb-c.h"

struct drbd_state {		// of all volumes together
	bool known;		// each volume was found
	bool connected;		// every one has its peer
	bool primary;		// any is Primary here
	bool current;		// every one is UpToDate here
	bool peer_current;	// every one is UpToDate on the peer
};

// Pure: TEXT is the file's.
void drbd_state_parse(const char *text, const Holdfast__Group *group, struct drbd_state *state);
int drbd_state_read(const Holdfast__Group *group, struct drbd_state *state, struct error *err) MUST_CHECK;

#endif
