// SPDX-License-Identifier: GPL-3.0-or-later
// What the fence-peer handler does next, as a pure function of what it sees. The one place that says when DRBD may go on without the peer.
#ifndef FENCE_FENCE_DECIDE_H
#define FENCE_FENCE_DECIDE_H

#include <stdbool.h>

enum record { RECORD_NONE, RECORD_OURS, RECORD_OTHERS };

struct sight {
	bool connected;		// DRBD has its peer again
	bool clustered;		// corosync and the CIB answer
	bool quorate;
	bool peer_member;	// in corosync's membership
	bool settled;		// so much time has passed since DRBD lost the peer that corosync would have noticed
	enum record record;
	bool recorded;		// this run has written our record, after the membership was settled
	bool primary;		// we are: DRBD asks because the link broke, not because it is to be promoted
	bool peer_active;	// Pacemaker has the group running on the peer
	bool moving;		// and moves it
	bool proof;		// the peer is gone
};

enum verdict {
	VERDICT_WAIT,
	VERDICT_RECORD,		// write the record now
	VERDICT_OUTDATED,	// the peer lives and cannot be promoted: the record keeps it
	VERDICT_PRIMARY,	// the peer has the group: this copy is the old one
	VERDICT_FENCED,		// the peer is gone, with proof
	VERDICT_REFUSE,		// go on frozen, or do not promote
	VERDICT_MOOT,		// the link is back
};

enum verdict fence_decide(const struct sight *sight);
// DRBD's exit code (8.4): 4 outdated, 6 peer is primary, 7 fenced; 5, "unreachable, assumed dead", is never given.
int fence_exit_code(enum verdict verdict);
const char *fence_verdict_text(enum verdict verdict);

#endif
