// SPDX-License-Identifier: GPL-3.0-or-later
// Old data is never started. Three things can prove that this replica is current, each by itself:
// - The peer is connected and DRBD says UpToDate: then both have every acknowledged write. (A record in the CIB that names the other node is
//   then only late: its resync handler has not cleared it yet.)
// - Since this boot it was connected and UpToDate at the very moment when the peer vanished. The kernel keeps UpToDate after a loss, becomes
//   Inconsistent with the first block of a resync and Outdated when the peer says so, so "was connected at the last look, is UpToDate and not
//   connected now" is enough, also if hypervisord was away in between. A look that finds the minor gone forgets: after a new attach the kernel
//   may say UpToDate from its metadata alone.
// - The CIB's record names this node AND our metadata has a bitmap UUID, that is: DRBD here was promoted or wrote without its peer, and the
//   peer has not been resynced since. The second half guards against an old CIB: a node that boots alone has the CIB of the day it went down,
//   and a record of an episode that is long over names it there; but at the end of that episode's resync DRBD cleared the bitmap UUID.
//   What this costs: a node that dies between the handler's write to the CIB and DRBD's new UUID, some ms later, waits for its peer or an
//   administrator though its data would do.
// A record that names the other node always loses. Force turns "unknown", "outdated", "doubted" and "the other is current" over, but never a
// half-done resync: that is no image of any moment.
#include "storage/freshness.h"

#include <string.h>

struct freshness_seen freshness_see(struct freshness_seen before, const struct drbd_minor *now)
{
	struct freshness_seen seen = { .up = now != NULL };

	if (!now)
		return seen;
	seen.connected = now->connected;
	if (!now->connected && freshness_disk(now->disk) == DISK_UP_TO_DATE)
		seen.current_at_loss = before.connected || before.current_at_loss;
	return seen;
}

enum freshness_disk freshness_disk(const char *word)
{
	static const struct {
		const char *word;
		enum freshness_disk disk;
	} words[] = {
		{ "UpToDate", DISK_UP_TO_DATE },
		{ "Consistent", DISK_CONSISTENT },
		{ "Outdated", DISK_OUTDATED },
		{ "Inconsistent", DISK_INCONSISTENT },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].word, word) == 0)
			return words[i].disk;
	return DISK_NONE; // Diskless, Attaching, Detaching, Failed, Negotiating, DUnknown
}

enum freshness_verdict freshness_decide(const struct freshness_input *input)
{
	enum freshness_verdict forced;

	if (input->already_primary)
		return FRESH_ALREADY_PRIMARY;
	if (input->peer_primary)
		return STALE_PEER_PRIMARY;
	if (input->disk == DISK_NONE)
		return STALE_NO_DISK;
	if (input->disk == DISK_INCONSISTENT)
		return STALE_INCOMPLETE;
	if (input->connected && input->disk == DISK_UP_TO_DATE)
		return FRESH_CONNECTED;
	if (input->disk == DISK_OUTDATED)
		forced = STALE_OUTDATED;
	else if (input->record == RECORD_OTHER_NODE)
		forced = STALE_OTHER_CURRENT;
	else if (input->disk == DISK_UP_TO_DATE && input->current_at_loss)
		return FRESH_AT_LOSS;
	else if (input->record == RECORD_THIS_NODE)
		forced = STALE_RECORD_DOUBTED;
	else
		forced = STALE_UNKNOWN;
	if (forced == STALE_RECORD_DOUBTED && input->changes_peer_lacks)
		return FRESH_RECORD;
	return input->force_old_data ? FRESH_FORCED : forced;
}

bool freshness_allows(enum freshness_verdict verdict)
{
	return verdict <= FRESH_FORCED;
}
