// SPDX-License-Identifier: GPL-3.0-or-later
// The states of a move on either side, as PROTOCOL.md tells them, and the table that says which may follow which. Pure.
#ifndef MIGRATE_MOVE_STATE_H
#define MIGRATE_MOVE_STATE_H

#include <stdbool.h>

enum move_side { MOVE_SOURCE, MOVE_TARGET, MOVE_SIDES };

enum move_state {
	MOVE_NONE,
	MOVE_PREPARING,
	MOVE_PREPARED,
	MOVE_PRECOPY, // live: memory is copied while the guests run
	MOVE_QUIESCE, // source
	MOVE_RELEASED, // source
	MOVE_DONE, // source: the target runs it
	MOVE_BACK, // source: is taken back
	MOVE_DEAD, // source: the target ran it and has lost it
	MOVE_TAKING, // target
	MOVE_COMMITTED, // target
	MOVE_RUNNING, // target
	MOVE_ABORTED, // target: never to be committed
	MOVE_LOST, // target, in answers only: committed under an earlier boot
	MOVE_STATES
};

enum move_event {
	MOVE_EV_PREPARE, // begin
	MOVE_EV_READY, // the target stands ready
	MOVE_EV_COPY, // live: memory begins to flow
	MOVE_EV_STOP, // source: stop the guests and close their disks
	MOVE_EV_RELEASE, // source: disks are closed and demoted
	MOVE_EV_TAKE, // target: the source has released
	MOVE_EV_COMMIT, // target: memory is loaded, disks are open
	MOVE_EV_RUN, // target: the guests run
	MOVE_EV_PEER_RUNS, // source: the target has committed
	MOVE_EV_PEER_ABORTED, // source: the target never will
	MOVE_EV_PEER_LOST, // source: the target had, and is gone
	MOVE_EV_FAIL, // something failed on this side, or the connection broke
	MOVE_EV_END, // nothing is left to do
	MOVE_EVENTS
};

// Who may run the guest if everything stops in this state.
enum move_owner { MOVE_OWNER_SOURCE, MOVE_OWNER_TARGET, MOVE_OWNER_ASK, MOVE_OWNER_DISKS };

// The next state, or -1 if the event is not allowed in that state.
int move_state_next(enum move_side side, enum move_state state, enum move_event event);
enum move_owner move_state_owner(enum move_side side, enum move_state state);
bool move_state_journaled(enum move_side side, enum move_state state);
const char *move_state_name(enum move_state state);
const char *move_event_name(enum move_event event);
enum move_state move_state_parse(const char *name); // MOVE_NONE if it is no name

// Whether a guest of QEMU SOURCE ("7.2.22") can go on in QEMU TARGET: not in one of an older series.
bool move_qemu_takes(const char *source, const char *target);

#endif
