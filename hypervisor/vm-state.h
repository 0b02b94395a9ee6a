// SPDX-License-Identifier: GPL-3.0-or-later
// The life of a VM as a table: state × event → next state. A pair that is not in it is refused. Pure: knows neither QEMU nor the loop.
#ifndef HYPERVISOR_VM_STATE_H
#define HYPERVISOR_VM_STATE_H

#include "common/error.h"
#include "proto/status.pb-c.h"

enum vm_event {
	VM_EVENT_SPAWN,		// a QEMU is being started for it
	VM_EVENT_CONTINUED,	// its vcpus run
	VM_EVENT_PAUSED,	// its vcpus stand still: an administrator, or an I/O error
	VM_EVENT_STOP,		// it is being ended on purpose
	VM_EVENT_SAVE,		// its memory is being written
	VM_EVENT_SAVED,		// the saved state is complete, QEMU has ended
	VM_EVENT_ENDED,		// its QEMU has ended, as was wanted
	VM_EVENT_DIED,		// its QEMU has ended, as nobody wanted
	VM_EVENT_GIVE_UP,	// it cannot be kept up here
	VM_EVENT_RESET,		// the reset button
	VM_EVENT_MOVE_OUT,	// a move takes it over, as the source
	VM_EVENT_MOVE_IN,	// ... as the target
	VM_EVENT_MOVED_RUNNING,	// the move gives it back: it runs here
	VM_EVENT_MOVED_PAUSED,	// ... paused
	VM_EVENT_MOVED_OFF,	// ... it has no QEMU here any more
	VM_EVENT_COUNT
};
#define VM_STATE_COUNT (HOLDFAST__VM_STATE__VM_FAILED + 1)

// ERROR_BUSY if EVENT is not possible in STATE, and *next is untouched.
int vm_state_next(Holdfast__VmState state, enum vm_event event, Holdfast__VmState *next, struct error *err) MUST_CHECK;
const char *vm_state_name(Holdfast__VmState state);	// "running", ...
const char *vm_event_name(enum vm_event event);

#endif
