// SPDX-License-Identifier: GPL-3.0-or-later
// Changes to a guest while it runs: what QEMU can do of a wanted definition is done, one piece at a time, and vm->running says it; the rest stays
// wanted, and vm_pending names it. A piece that fails is undone. The caller holds the group's mutex.
#ifndef HYPERVISOR_HOTPLUG_H
#define HYPERVISOR_HOTPLUG_H

#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"
#include "proto/definition.pb-c.h"

struct vm;

// Refuses what the guest cannot be asked for as long as it runs, or is saved, and what this node has no room for. Changes nothing.
int hotplug_check(struct vm *vm, const Holdfast__Vm *wanted, struct error *err) MUST_CHECK;	// waits
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
// Whether a guest that runs as RUNNING can be given this much.
bool hotplug_memory_goes(const Holdfast__Vm *running, uint64_t memory_mib);
int hotplug_settle_size(struct vm *vm, struct error *err) MUST_CHECK;	// waits

// QEMU says that a device is gone: one that nobody waits for any more leaves vm->running too.
void hotplug_on_deleted(struct vm *vm, const char *id);

// hotplug-cdrom.c: media in and out of the drives that it was started with
int hotplug_check_cdroms(const struct vm *vm, const Holdfast__Vm *wanted, struct error *err) MUST_CHECK;
int hotplug_cdroms(struct vm *vm, struct error *err) MUST_CHECK;	// waits
void hotplug_settle_cdrom(struct vm *vm, size_t i);			// waits: makes drive I what vm->running says

// hotplug-devices.c
// ID is on its way: written down before QEMU hears of it, and taken back when vm->running says where it is.
int hotplug_set_unsure(struct vm *vm, const char *id, struct error *err) MUST_CHECK;
void hotplug_set_sure(struct vm *vm, const char *id);
int hotplug_remove_devices(struct vm *vm, const Holdfast__Vm *wanted, struct error *err) MUST_CHECK;	// waits
int hotplug_add_devices(struct vm *vm, struct error *err) MUST_CHECK;	// waits
int hotplug_settle_devices(struct vm *vm, struct error *err) MUST_CHECK;	// waits

#endif
