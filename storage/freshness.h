// SPDX-License-Identifier: GPL-3.0-or-later
// May this replica be promoted? The decision, pure (DESIGN.md section 5: no start on old data), and what has to be remembered for it.
#ifndef STORAGE_FRESHNESS_H
#define STORAGE_FRESHNESS_H

#include <stdbool.h>
#include "storage/drbd-proc.h"

// What is remembered of a volume from one look at the kernel to the next, within one boot.
struct freshness_seen {
	bool up;			// the minor is configured
	bool connected;			// at the last look
	bool current_at_loss;		// the peer vanished while this side was connected and UpToDate, and nothing happened since
};
// The next state from what the kernel says NOW (NULL: the minor is not configured).
struct freshness_seen freshness_see(struct freshness_seen before, const struct drbd_minor *now);

enum freshness_record { RECORD_NONE, RECORD_THIS_NODE, RECORD_OTHER_NODE };	// the CIB's "only this node has current data"
enum freshness_disk { DISK_NONE, DISK_INCONSISTENT, DISK_OUTDATED, DISK_CONSISTENT, DISK_UP_TO_DATE };

struct freshness_input {
	enum freshness_record record;
	bool connected;
	bool peer_primary;
	bool already_primary;
	enum freshness_disk disk;
	bool current_at_loss;		// freshness_seen
	bool changes_peer_lacks;	// the bitmap UUID is not zero: DRBD here wrote, or was promoted, without its peer
	bool force_old_data;
};

enum freshness_verdict {
	FRESH_ALREADY_PRIMARY,
	FRESH_CONNECTED,		// the peer is there and agrees that we are UpToDate
	FRESH_RECORD,			// the CIB names this node, and our metadata agrees
	FRESH_AT_LOSS,			// connected and UpToDate at the moment when the peer vanished
	FRESH_FORCED,			// an administrator said so
	STALE_PEER_PRIMARY,		// refused: it runs there
	STALE_NO_DISK,			// refused: no usable copy here at all
	STALE_INCOMPLETE,		// refused: half of a resync, or blank; not even by force
	STALE_OUTDATED,			// refused: DRBD knows that the peer has newer data
	STALE_OTHER_CURRENT,		// refused: the CIB names the other node
	STALE_RECORD_DOUBTED,		// refused: the CIB names this node, but our metadata knows nothing of it
	STALE_UNKNOWN,			// refused: nothing says that the peer did not go on without us
};
enum freshness_verdict freshness_decide(const struct freshness_input *input);
bool freshness_allows(enum freshness_verdict verdict);
enum freshness_disk freshness_disk(const char *word);	// DRBD's word

#endif
