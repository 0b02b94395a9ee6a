// SPDX-License-Identifier: GPL-3.0-or-later
// Changes to a guest while it runs: what QEMU can do of a wanted definition is done, one piece at a time, and vm->running says it; the rest stays
// wanted, and vm_pending names it. A piece that fails is undone. The caller holds the group's mutex.
#ifndef HYPERVISOR_HOTPLUG_H
#define HYPERVISOR_HOTPLUG_H

#include "common/error.h"
#include "proto/definition.pb-c.h"

struct vm;

// Pure: what a guest that runs as RUNNING cannot be asked for, and would not get by a restart either, or only by losing something.
int hotplug_check(const Holdfast__Vm *running, const Holdfast__Vm *wanted, struct error *err) MUST_CHECK;
// Takes out of the guest what WANTED does not have any more: before the definition is changed and the volumes go.
int hotplug_remove(struct vm *vm, const Holdfast__Vm *wanted, struct error *err) MUST_CHECK;	// waits
// Makes the guest what its wanted definition says, as far as that goes while it runs; its new volumes are there.
int hotplug_apply(struct vm *vm, struct error *err) MUST_CHECK;	// waits
// What of a wanted definition holds at once, without QEMU.
void hotplug_follow(Holdfast__Vm *running, const Holdfast__Vm *wanted);
// After a restart of hypervisord: what RUNNING says and QEMU has not is taken out of it.
int hotplug_settle(struct vm *vm, struct error *err) MUST_CHECK;	// waits

// hotplug-size.c
int hotplug_cpus(struct vm *vm, struct error *err) MUST_CHECK;		// waits
int hotplug_memory(struct vm *vm, struct error *err) MUST_CHECK;	// waits
int hotplug_settle_size(struct vm *vm, struct error *err) MUST_CHECK;	// waits

#endif
