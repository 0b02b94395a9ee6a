// SPDX-License-Identifier: GPL-3.0-or-later
// The events of the whole cluster as this node knows them: in memory, ordered by time, and as a file of one JSON line
// each. Each node numbers its own events; a mark per node says how far we have them without a gap. Over the limit the
// oldest half is forgotten. Survives a torn last line. Knows neither corosync nor who reads.
#ifndef CLUSTERD_EVENT_STORE_H
#define CLUSTERD_EVENT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/error.h"
#include "proto/cluster.pb-c.h"
#include "proto/status.pb-c.h"

#define EVENT_STORE_LIMIT_BYTES ((size_t)4 << 20)

struct event_store;

struct event_store *event_store_open(const char *path, size_t limit_bytes, struct error *err) MUST_CHECK;
void event_store_close(struct event_store *store);

// 1: it was new and is in the file; 0: known already; -1. EVENT is copied.
int event_store_add(struct event_store *store, const Holdfast__Event *event, struct error *err) MUST_CHECK;
// In the order of their times; valid until the next add.
size_t event_store_count(const struct event_store *store);
const Holdfast__Event *event_store_at(const struct event_store *store, size_t i);
// The index of the first event after SINCE: an id, or a time in RFC 3339 or as YYYY-MM-DD; "" or NULL: all.
int event_store_since(const struct event_store *store, const char *since, size_t *first, struct error *err) MUST_CHECK;

uint64_t event_store_next(const struct event_store *store, const char *node);		// the number for its next event
Holdfast__EventMarks *event_store_marks(const struct event_store *store);		// the caller frees it
void event_store_mark(const struct event_store *store, const char *node, uint64_t *floor, uint64_t *known);
// NODE has used its numbers up to HIGHEST, as others say: never use them again.
void event_store_reserve(struct event_store *store, const char *node, uint64_t highest);
// Events of NODE up to FLOOR are not to be had any more (and its next number is above).
void event_store_raise_floor(struct event_store *store, const char *node, uint64_t floor);
const Holdfast__Event *event_store_get(const struct event_store *store, const char *node, uint64_t number);	// NULL: not here
int event_store_dup_fd(const struct event_store *store);	// for fdatasync on a worker; -1 on error

// "NODE-NUMBER" both ways. false: no such form.
bool event_id_parse(const char *id, char node[64], uint64_t *number);
char *event_time_text(int64_t realtime_us);	// RFC 3339, UTC, milliseconds; the caller frees it
int64_t event_time_us(const char *text);	// -1: no time

#endif
