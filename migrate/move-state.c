// SPDX-License-Identifier: GPL-3.0-or-later
// The two tables of a move. A pair that is not in them is refused by the caller; a unit test walks every pair.
#include "migrate/move-state.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

// Entries are the next state + 1, so that 0 means "not allowed".
#define TO(state) ((state) + 1)

static const unsigned char table[MOVE_SIDES][MOVE_STATES][MOVE_EVENTS] = {
	[MOVE_SOURCE] = {
		[MOVE_NONE] = { [MOVE_EV_PREPARE] = TO(MOVE_PREPARING) },
		[MOVE_PREPARING] = { [MOVE_EV_READY] = TO(MOVE_PREPARED), [MOVE_EV_FAIL] = TO(MOVE_NONE) },
		[MOVE_PREPARED] = { [MOVE_EV_COPY] = TO(MOVE_PRECOPY), [MOVE_EV_STOP] = TO(MOVE_QUIESCE),
			[MOVE_EV_FAIL] = TO(MOVE_NONE) },
		[MOVE_PRECOPY] = { [MOVE_EV_STOP] = TO(MOVE_QUIESCE), [MOVE_EV_FAIL] = TO(MOVE_NONE) },
		[MOVE_QUIESCE] = { [MOVE_EV_RELEASE] = TO(MOVE_RELEASED), [MOVE_EV_FAIL] = TO(MOVE_BACK) },
		[MOVE_RELEASED] = { [MOVE_EV_PEER_RUNS] = TO(MOVE_DONE), [MOVE_EV_PEER_ABORTED] = TO(MOVE_BACK),
			[MOVE_EV_PEER_LOST] = TO(MOVE_DEAD) },
		[MOVE_DONE] = { [MOVE_EV_END] = TO(MOVE_NONE) },
		[MOVE_BACK] = { [MOVE_EV_END] = TO(MOVE_NONE) },
		[MOVE_DEAD] = { [MOVE_EV_END] = TO(MOVE_NONE) },
	},
	[MOVE_TARGET] = {
		[MOVE_NONE] = { [MOVE_EV_PREPARE] = TO(MOVE_PREPARING), [MOVE_EV_FAIL] = TO(MOVE_ABORTED) },
		[MOVE_PREPARING] = { [MOVE_EV_READY] = TO(MOVE_PREPARED), [MOVE_EV_FAIL] = TO(MOVE_ABORTED) },
		[MOVE_PREPARED] = { [MOVE_EV_COPY] = TO(MOVE_PRECOPY), [MOVE_EV_TAKE] = TO(MOVE_TAKING),
			[MOVE_EV_FAIL] = TO(MOVE_ABORTED) },
		[MOVE_PRECOPY] = { [MOVE_EV_TAKE] = TO(MOVE_TAKING), [MOVE_EV_FAIL] = TO(MOVE_ABORTED) },
		[MOVE_TAKING] = { [MOVE_EV_COMMIT] = TO(MOVE_COMMITTED), [MOVE_EV_FAIL] = TO(MOVE_ABORTED) },
		[MOVE_COMMITTED] = { [MOVE_EV_RUN] = TO(MOVE_RUNNING) },
		[MOVE_RUNNING] = { [MOVE_EV_END] = TO(MOVE_NONE) },
		[MOVE_ABORTED] = { [MOVE_EV_END] = TO(MOVE_NONE) },
	},
};

static const enum move_owner owners[MOVE_SIDES][MOVE_STATES] = {
	[MOVE_SOURCE] = {
		[MOVE_RELEASED] = MOVE_OWNER_ASK,
		[MOVE_DONE] = MOVE_OWNER_TARGET,
		[MOVE_DEAD] = MOVE_OWNER_DISKS,
	},
	[MOVE_TARGET] = {
		[MOVE_COMMITTED] = MOVE_OWNER_TARGET,
		[MOVE_RUNNING] = MOVE_OWNER_TARGET,
		[MOVE_LOST] = MOVE_OWNER_DISKS,
	},
};

static const char *const state_names[MOVE_STATES] = {
	[MOVE_NONE] = "none",
	[MOVE_PREPARING] = "preparing",
	[MOVE_PREPARED] = "prepared",
	[MOVE_PRECOPY] = "precopy",
	[MOVE_QUIESCE] = "quiesce",
	[MOVE_RELEASED] = "released",
	[MOVE_DONE] = "done",
	[MOVE_BACK] = "back",
	[MOVE_DEAD] = "dead",
	[MOVE_TAKING] = "taking",
	[MOVE_COMMITTED] = "committed",
	[MOVE_RUNNING] = "running",
	[MOVE_ABORTED] = "aborted",
	[MOVE_LOST] = "lost",
};

static const char *const event_names[MOVE_EVENTS] = {
	[MOVE_EV_PREPARE] = "prepare",
	[MOVE_EV_READY] = "ready",
	[MOVE_EV_COPY] = "copy",
	[MOVE_EV_STOP] = "stop",
	[MOVE_EV_RELEASE] = "release",
	[MOVE_EV_TAKE] = "take",
	[MOVE_EV_COMMIT] = "commit",
	[MOVE_EV_RUN] = "run",
	[MOVE_EV_PEER_RUNS] = "peer-runs",
	[MOVE_EV_PEER_ABORTED] = "peer-aborted",
	[MOVE_EV_PEER_LOST] = "peer-lost",
	[MOVE_EV_FAIL] = "fail",
	[MOVE_EV_END] = "end",
};

int move_state_next(enum move_side side, enum move_state state, enum move_event event)
{
	if ((unsigned)side >= MOVE_SIDES || (unsigned)state >= MOVE_STATES || (unsigned)event >= MOVE_EVENTS)
		return -1;
	return table[side][state][event] - 1;
}

enum move_owner move_state_owner(enum move_side side, enum move_state state)
{
	return owners[side][state];
}

bool move_state_journaled(enum move_side side, enum move_state state)
{
	// TAKING follows what says the same of a target that starts again: let go, disks and all. It comes while the guest stands still.
	if (side == MOVE_TARGET)
		return state != MOVE_NONE && state != MOVE_LOST && state != MOVE_TAKING;
	return state == MOVE_PRECOPY || state == MOVE_QUIESCE || state == MOVE_RELEASED ||
		state == MOVE_DONE || state == MOVE_BACK || state == MOVE_DEAD;
}

const char *move_state_name(enum move_state state)
{
	return (unsigned)state < MOVE_STATES ? state_names[state] : "?";
}

const char *move_event_name(enum move_event event)
{
	return (unsigned)event < MOVE_EVENTS ? event_names[event] : "?";
}

enum move_state move_state_parse(const char *name)
{
	for (int state = 0; state < MOVE_STATES; state++) {
		if (strcmp(state_names[state], name) == 0)
			return state;
	}
	return MOVE_NONE;
}

bool move_qemu_takes(const char *source, const char *target)
{
	unsigned from[2] = { 0, 0 }, to[2] = { 0, 0 };

	// Who does not say it is not refused for it: the stream has marks of its own.
	if (sscanf(source, "%u.%u", &from[0], &from[1]) != 2 || sscanf(target, "%u.%u", &to[0], &to[1]) != 2)
		return true;
	return to[0] != from[0] ? to[0] > from[0] : to[1] >= from[1];
}
