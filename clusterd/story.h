// SPDX-License-Identifier: GPL-3.0-or-later
// What happened, told from single events: a start on another node after the owner was lost is a failover, with the time
// of each of its steps. Pure.
#ifndef CLUSTERD_STORY_H
#define CLUSTERD_STORY_H

#include <stdbool.h>
#include "clusterd/event-store.h"

// The latest event of this kind about NODE at or after SINCE_US; NULL: none.
const Holdfast__Event *story_last(const struct event_store *store, const char *kind, const char *node, int64_t since_us);
// STARTED is a group-started event; PREVIOUS owned the group before, last seen so at OWNED_US. Whether that was a
// failover; then *failover is it, without id and time. It needs the node-fenced event too: call it again when that has
// come, or with FENCED_OR_NOT when it does not come.
enum story_fencing { STORY_FENCED, STORY_FENCED_OR_NOT };
bool story_failover(const struct event_store *store, const Holdfast__Event *started, const char *previous, int64_t owned_us,
	enum story_fencing fencing, Holdfast__Event **failover);

#endif
