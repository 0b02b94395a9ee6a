// SPDX-License-Identifier: GPL-3.0-or-later
// Holds VMs to what they may take of the node, while they run: processors and memory by their cgroups, disks by QEMU's
// throttling, NICs by their taps, memory of the guest by its balloon. Nothing here stops a guest from running: what this
// node cannot do is told in VmStatus.notices.
#ifndef HYPERVISOR_CONTROL_H
#define HYPERVISOR_CONTROL_H

#include "hypervisor/group-private.h"
#include "hypervisor/vm-private.h"

// Once, at hypervisord's start, before any guest is taken up.
void control_open(struct hypervisor *hv);
// For host_status and the log: what guests cannot be held to here, and why; "" if there is nothing.
const char *control_problem(const struct hypervisor *hv);

// Whether the node has the reserve of VM (which may be up already, with another one) besides those of all other VMs that
// are up. ERROR_NO_SPACE with the figures.
int control_admit(struct hypervisor *hv, const Holdfast__Vm *vm, struct error *err) MUST_CHECK;
int control_admit_ever(struct hypervisor *hv, const Holdfast__Vm *vm, struct error *err) MUST_CHECK;	// with nothing else running
double control_reserved(struct hypervisor *hv, const struct vm *besides);	// processors

// Before its QEMU is spawned: true with the cgroup.procs that it is to join.
bool control_prepare(struct vm *vm, char *procs, size_t size);
// Right after its QEMU has answered for the first time, and when it has run on after a restore or a move; errors are
// logged and become notices.
void control_started(struct vm *vm, enum vm_spawn kind);	// waits
void control_continued(struct vm *vm);
// A QEMU of before hypervisord's start: back into its scope, and everything as defined.
void control_adopted(struct vm *vm);	// waits
// Everything as the definition has it now, to the QEMU that runs; nothing to do without one. After every change of the definition.
int control_apply(struct vm *vm, struct error *err) MUST_CHECK;	// waits; the caller holds the group's mutex
// After a QEMU has come or gone: the shares of all.
void control_rebalance(struct hypervisor *hv);
void control_gone(struct vm *vm);	// its QEMU has ended: no scope, and its share goes to the others

void control_on_balloon(struct vm *vm, uint64_t actual_bytes);	// QEMU's event

// control-qemu.c
int control_throttle(struct vm *vm, struct error *err) MUST_CHECK;	// waits
int control_balloon(struct vm *vm, struct error *err) MUST_CHECK;	// waits

// control-status.c: settings, notices, use
void control_status(const struct vm *vm, Holdfast__VmStatus *status);

#endif
