// SPDX-License-Identifier: GPL-3.0-or-later
// The definition as a running guest's QEMU has it: what it was started with and what it has got or lost since. It is what an incoming QEMU of
// the same guest is made from (restore, move), what the guest's disks and NICs are numbered by, and what the wanted definition is
// compared with (pending). Kept in the run directory as vms/VM/running.json, written before QEMU gets what it names: it names at least what
// QEMU has, and running_settle takes out what QEMU has not.
#ifndef HYPERVISOR_RUNNING_H
#define HYPERVISOR_RUNNING_H

#include "common/error.h"
#include "proto/definition.pb-c.h"

struct vm;
enum vm_spawn;

// A QEMU is about to be spawned: one that boots gets what is wanted, an incoming one what running_set gave it, or what is wanted.
int running_begin(struct vm *vm, enum vm_spawn kind, struct error *err) MUST_CHECK;
// What an incoming QEMU must have (a copy is taken), before it is spawned; NULL: what is wanted.
int running_set(struct vm *vm, const Holdfast__Vm *definition, struct error *err) MUST_CHECK;
int running_keep(struct vm *vm, struct error *err) MUST_CHECK;	// writes it
void running_drop(struct vm *vm);				// there is no QEMU
// Another definition is wanted from now on. What needs no QEMU (offline action, restarts, limits) holds at once.
void running_follow(struct vm *vm, const Holdfast__Vm *wanted);
// At hypervisord's start: as it was kept; then, when QEMU answers, without what it has not.
int running_load(struct vm *vm, struct error *err) MUST_CHECK;
int running_settle(struct vm *vm, struct error *err) MUST_CHECK;	// waits

#endif
