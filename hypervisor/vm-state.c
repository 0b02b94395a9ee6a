// SPDX-License-Identifier: GPL-3.0-or-later
// The table of a VM's life. While a move owns the QEMU (MOVING_*) everything the move does to it leaves the state alone, until the move
// gives it back. Pure: tests/unit/test-vm-state walks every pair.
#include "hypervisor/vm-state.h"
#include <stdbool.h>

#define S(name) HOLDFAST__VM_STATE__VM_##name

struct transition {
	bool possible;
	Holdfast__VmState next;
};

#define TO(name)              \
	{                     \
		true, S(name) \
	}

static const struct transition table[VM_STATE_COUNT][VM_EVENT_COUNT] = {
	[S(OFF)] = {
		[VM_EVENT_SPAWN] = TO(STARTING),
		[VM_EVENT_GIVE_UP] = TO(FAILED),
		[VM_EVENT_MOVE_IN] = TO(MOVING_IN),
		[VM_EVENT_SAVED] = TO(SAVED),		// in a checkpoint that was applied
	},
	[S(STARTING)] = {
		[VM_EVENT_CONTINUED] = TO(RUNNING),
		[VM_EVENT_PAUSED] = TO(PAUSED),
		[VM_EVENT_STOP] = TO(STOPPING),
		[VM_EVENT_DIED] = TO(OFF),
	},
	[S(RUNNING)] = {
		[VM_EVENT_PAUSED] = TO(PAUSED),
		[VM_EVENT_RESET] = TO(RUNNING),
		[VM_EVENT_STOP] = TO(STOPPING),
		[VM_EVENT_SAVE] = TO(SAVING),
		[VM_EVENT_DIED] = TO(OFF),
		[VM_EVENT_MOVE_OUT] = TO(MOVING_OUT),
	},
	[S(PAUSED)] = {
		[VM_EVENT_CONTINUED] = TO(RUNNING),
		[VM_EVENT_RESET] = TO(PAUSED),
		[VM_EVENT_STOP] = TO(STOPPING),
		[VM_EVENT_SAVE] = TO(SAVING),
		[VM_EVENT_DIED] = TO(OFF),
		[VM_EVENT_MOVE_OUT] = TO(MOVING_OUT),
	},
	[S(STOPPING)] = {
		[VM_EVENT_STOP] = TO(STOPPING),		// harder: turned off when its time was up
		[VM_EVENT_CONTINUED] = TO(RUNNING),	// it did not shut down, and goes on
		[VM_EVENT_PAUSED] = TO(PAUSED),
		[VM_EVENT_ENDED] = TO(OFF),
		[VM_EVENT_DIED] = TO(OFF),
	},
	[S(SAVING)] = {
		[VM_EVENT_CONTINUED] = TO(RUNNING),	// the save failed, the guest goes on
		[VM_EVENT_PAUSED] = TO(PAUSED),
		[VM_EVENT_STOP] = TO(STOPPING),
		[VM_EVENT_SAVED] = TO(SAVED),
		[VM_EVENT_DIED] = TO(OFF),
	},
	[S(SAVED)] = {
		[VM_EVENT_SPAWN] = TO(STARTING),
		[VM_EVENT_GIVE_UP] = TO(FAILED),
		[VM_EVENT_ENDED] = TO(OFF),		// the saved state was thrown away
		[VM_EVENT_MOVE_IN] = TO(MOVING_IN),
	},
	[S(MOVING_OUT)] = {
		[VM_EVENT_CONTINUED] = TO(MOVING_OUT),
		[VM_EVENT_PAUSED] = TO(MOVING_OUT),
		[VM_EVENT_STOP] = TO(MOVING_OUT),
		[VM_EVENT_ENDED] = TO(MOVING_OUT),
		[VM_EVENT_DIED] = TO(MOVING_OUT),
		[VM_EVENT_MOVED_RUNNING] = TO(RUNNING),
		[VM_EVENT_MOVED_PAUSED] = TO(PAUSED),
		[VM_EVENT_MOVED_OFF] = TO(OFF),
	},
	[S(MOVING_IN)] = {
		[VM_EVENT_SPAWN] = TO(MOVING_IN),
		[VM_EVENT_CONTINUED] = TO(MOVING_IN),
		[VM_EVENT_PAUSED] = TO(MOVING_IN),
		[VM_EVENT_STOP] = TO(MOVING_IN),
		[VM_EVENT_ENDED] = TO(MOVING_IN),
		[VM_EVENT_DIED] = TO(MOVING_IN),
		[VM_EVENT_MOVED_RUNNING] = TO(RUNNING),
		[VM_EVENT_MOVED_PAUSED] = TO(PAUSED),
		[VM_EVENT_MOVED_OFF] = TO(OFF),
	},
	[S(FAILED)] = {
		[VM_EVENT_SPAWN] = TO(STARTING),
		[VM_EVENT_GIVE_UP] = TO(FAILED),
		[VM_EVENT_ENDED] = TO(OFF),		// stopped on purpose: the failure is over
		[VM_EVENT_MOVE_IN] = TO(MOVING_IN),
	},
};

static const char *const state_names[VM_STATE_COUNT] = {
	[S(OFF)] = "off",
	[S(STARTING)] = "starting",
	[S(RUNNING)] = "running",
	[S(PAUSED)] = "paused",
	[S(STOPPING)] = "stopping",
	[S(SAVING)] = "saving",
	[S(SAVED)] = "saved",
	[S(MOVING_OUT)] = "moving-out",
	[S(MOVING_IN)] = "moving-in",
	[S(FAILED)] = "failed",
};

// As in "VM x is off and cannot be ...".
static const char *const event_names[VM_EVENT_COUNT] = {
	[VM_EVENT_SPAWN] = "started",
	[VM_EVENT_CONTINUED] = "continued",
	[VM_EVENT_PAUSED] = "paused",
	[VM_EVENT_STOP] = "stopped",
	[VM_EVENT_SAVE] = "saved",
	[VM_EVENT_SAVED] = "noted as saved",
	[VM_EVENT_ENDED] = "noted as ended",
	[VM_EVENT_DIED] = "noted as dead",
	[VM_EVENT_GIVE_UP] = "given up",
	[VM_EVENT_RESET] = "reset",
	[VM_EVENT_MOVE_OUT] = "moved away",
	[VM_EVENT_MOVE_IN] = "moved here",
	[VM_EVENT_MOVED_RUNNING] = "handed back running",
	[VM_EVENT_MOVED_PAUSED] = "handed back paused",
	[VM_EVENT_MOVED_OFF] = "handed back off",
};

int vm_state_next(Holdfast__VmState state, enum vm_event event, Holdfast__VmState *next, struct error *err)
{
	if ((unsigned)state >= VM_STATE_COUNT || (unsigned)event >= VM_EVENT_COUNT ||
		!table[state][event].possible)
		return error_set(err, ERROR_BUSY, "it is %s and cannot be %s", vm_state_name(state),
			vm_event_name(event));
	*next = table[state][event].next;
	return 0;
}

const char *vm_state_name(Holdfast__VmState state)
{
	return (unsigned)state < VM_STATE_COUNT ? state_names[state] : "in no known state";
}

const char *vm_event_name(enum vm_event event)
{
	return (unsigned)event < VM_EVENT_COUNT ? event_names[event] : "given an unknown event";
}
