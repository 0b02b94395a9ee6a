// SPDX-License-Identifier: GPL-3.0-or-later
// A guest's clock stands still while the guest does (pause, move, save): when it runs on, its agent is told to set it. In the background and within a
// bound; a guest without an agent is left to its own NTP.
#ifndef HYPERVISOR_GUEST_CLOCK_H
#define HYPERVISOR_GUEST_CLOCK_H

#include <stdbool.h>

struct vm;

struct guest_clock {		// in struct vm; zero to begin with
	bool under_way;		// a task talks with the agent
	bool again;		// it stood still once more meanwhile
};

void guest_clock_set(struct vm *vm);	// does not wait

#endif
