// SPDX-License-Identifier: GPL-3.0-or-later
// Who is online, quorum and the witness, as corosync on this node sees them (libquorum, libvotequorum, libcmap).
// Corosync may be absent and come back at any time: the state then says so, and it is connected again with backoff.
// Knows no Pacemaker and no group.
#ifndef CLUSTERD_MEMBERSHIP_H
#define CLUSTERD_MEMBERSHIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/loop.h"

struct member {
	uint32_t nodeid;
	char name[64];
	char address[64];
	bool online;
	int64_t since_us;		// CLOCK_REALTIME of the last change of `online`; 0: as it was found
};

enum witness_state {
	WITNESS_NONE,			// no qdevice in corosync.conf
	WITNESS_CONNECTED,		// its vote counts for us
	WITNESS_LOST,
};

struct membership_state {
	bool connected;			// to corosync
	bool quorate;
	enum witness_state witness;
	uint32_t own_nodeid;
	uint32_t token_ms;
	uint64_t config_version;
	struct member *members;		// every node in corosync.conf, by nodeid
	size_t count;
};

enum membership_change {
	MEMBERSHIP_CONNECTED,		// state was read anew; `member` is NULL
	MEMBERSHIP_DISCONNECTED,
	MEMBERSHIP_JOINED,
	MEMBERSHIP_LOST,
	MEMBERSHIP_QUORUM_GAINED,
	MEMBERSHIP_QUORUM_LOST,
	MEMBERSHIP_WITNESS_CHANGED,
};

struct membership;
typedef void membership_cb(enum membership_change change, const struct member *member, void *data);

struct membership *membership_new(struct loop *loop, membership_cb *changed, void *data);
void membership_free(struct membership *membership);
void membership_reconnect(struct membership *membership);	// at once, after corosync was started
const struct membership_state *membership_state(const struct membership *membership);
const struct member *membership_find(const struct membership_state *state, const char *name);		// NULL: none
const struct member *membership_find_id(const struct membership_state *state, uint32_t nodeid);
// The online node with the lowest id: it does what only one node may do at a time.
const struct member *membership_coordinator(const struct membership_state *state);

#endif
