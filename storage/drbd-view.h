// SPDX-License-Identifier: GPL-3.0-or-later
// One group's DRBD resource as it was last seen here, and what of a change is worth words. Pure but for its memory.
#ifndef STORAGE_DRBD_VIEW_H
#define STORAGE_DRBD_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include "proto/definition.pb-c.h"
#include "storage/drbd-proc.h"
#include "storage/freshness.h"

struct drbd_view_volume {
	uint32_t index;
	struct drbd_minor now;		// of meaning if seen.up
	struct freshness_seen seen;
};

struct drbd_view {
	struct drbd_view_volume *volumes;
	size_t count;
	time_t lost_since;		// when the peer was found away; 0 while it is connected
	bool looked;
};

void drbd_view_done(struct drbd_view *view);
// The next view of GROUP from the kernel's minors: a new one, in *view; BEFORE stays.
int drbd_view_look(const struct drbd_view *before, const Holdfast__Group *group, const struct drbd_minor *minors, size_t count,
	time_t at, struct drbd_view *view, struct error *err) MUST_CHECK;
const struct drbd_view_volume *drbd_view_volume(const struct drbd_view *view, uint32_t index);	// NULL: not seen
// Whether what has to be remembered differs.
bool drbd_view_differs(const struct drbd_view *a, const struct drbd_view *b);

// What happened between the two, as a line for the event log; false if nothing that anybody wants to read. At most one line: the
// most important. Of a resync its target tells.
bool drbd_view_change(const struct drbd_view *before, const struct drbd_view *now, const char *node, const char *peer, char *text,
	size_t size);
// Problem number AT in words; false if there is none.
bool drbd_view_problem(const struct drbd_view *view, const char *node, const char *peer, size_t at, char *text, size_t size);

void drbd_time_text(time_t at, char text[32]);	// RFC 3339, UTC

#endif
