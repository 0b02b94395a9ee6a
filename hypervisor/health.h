// SPDX-License-Identifier: GPL-3.0-or-later
// The health of guests: what says that one panicked or hangs (pvpanic, the virtual watchdog, the heartbeat of its agent, resets again and
// again), and what is done then by its definition. A guest that an administrator paused, or that is being moved, saved or stopped, is left alone
// until that is over.
#ifndef HYPERVISOR_HEALTH_H
#define HYPERVISOR_HEALTH_H

#include <jansson.h>
#include "common/loop.h"
#include "hypervisor/rundir.h"

struct hypervisor;
struct vm;

enum health_trouble { HEALTH_WELL, HEALTH_PANICKED, HEALTH_WATCHDOG, HEALTH_SILENT, HEALTH_RESETTING };

struct vm_health {		// in struct vm; zero to begin with
	enum health_trouble trouble;
	bool handled;		// a task is at work on it
	unsigned news;		// how often a trouble was seen: one that comes while another is handled is not lost
	bool told;		// it is silent, and that was said
	struct heartbeat *beat;	// NULL: none
	double reset_ms[RUNDIR_RESTARTS]; // of its own resets, within the period of its restarts, the oldest first
	unsigned resets;
};

void health_begin(struct hypervisor *hv);	// watches from now on, until the loop ends
void health_on_event(struct vm *vm, const char *event, const json_t *data);	// one of QEMU's
void health_on_status(struct vm *vm, const char *status);	// what QEMU says it is, when it is taken up again
void health_forget(struct vm *vm);		// its process has ended

#endif
