// SPDX-License-Identifier: GPL-3.0-or-later
// A new QEMU under a running guest, on the same node: security updates without a reboot.
#ifndef HYPERVISOR_VM_REFRESH_H
#define HYPERVISOR_VM_REFRESH_H

#include "hypervisor/steps.h"
#include "hypervisor/vm-private.h"

struct refresh_report {
	char before[32], after[32];	// QEMU's versions
	double duration_ms, pause_ms;
	struct steps steps;		// of the pause
};

// The program that the configuration names takes the guest over. On error the guest runs on as it was, or, if the
// message says so, is started again from its disks. A paused guest stays paused.
int vm_refresh(struct vm *vm, struct refresh_report *report, struct error *err) MUST_CHECK;	// waits
// At hypervisord's start, before guests are taken up: a refresh that was interrupted is ended. Whoever must not run its
// guest (record VM.next) is killed; VM goes on by its own record.
int refresh_recover(struct hypervisor *hv, struct error *err) MUST_CHECK;	// waits

#endif
