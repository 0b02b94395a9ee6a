// SPDX-License-Identifier: GPL-3.0-or-later
// The cluster's events on this node: new ones are numbered, kept and multicast; those of others come in; whoever missed
// some gets them when the membership changes. Listeners hear each event once, as it becomes known here. Knows no
// event's meaning.
#ifndef CLUSTERD_EVENTS_H
#define CLUSTERD_EVENTS_H

#include <stdbool.h>
#include "common/error.h"
#include "common/loop.h"
#include "clusterd/event-store.h"
#include "clusterd/notice.h"

struct events;
// FRESH: it happened just now; false: an old one that we had missed.
typedef void events_cb(const Holdfast__Event *event, bool fresh, void *data);

struct events *events_new(struct loop *loop, const char *path, struct error *err) MUST_CHECK;
void events_free(struct events *events);
void events_set_node(struct events *events, const char *node);		// who we are: events before that are only logged
void events_connect(struct events *events);				// corosync may be there: connect, or connect at once again
void events_listen(struct events *events, events_cb *cb, void *data);	// for ever

// Takes a copy; fills in what is empty of id, time and node.
void events_emit(struct events *events, const Holdfast__Event *event);
void events_emit_text(struct events *events, const char *kind, const char *node, const char *group, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
struct event_store *events_store(struct events *events);
struct notice *events_notice(struct events *events);			// raised for each new event

#endif
