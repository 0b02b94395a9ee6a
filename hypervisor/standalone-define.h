// SPDX-License-Identifier: GPL-3.0-or-later
// Definitions on a single machine: made, changed, deleted. The group's mutex is held by the caller.
#ifndef HYPERVISOR_STANDALONE_DEFINE_H
#define HYPERVISOR_STANDALONE_DEFINE_H

#include "hypervisor/standalone.h"

// STATE_BYTES 0: the default.
int standalone_create_group(struct hypervisor *hv, const Holdfast__Group *wish, uint64_t state_bytes, struct error *err) MUST_CHECK;	// waits
int standalone_create_vm(struct group *group, const Holdfast__Vm *wish, struct error *err) MUST_CHECK;	// waits
// A VM as it is wanted from now on, made from BEFORE; in its guest at once, as far as that goes. ERROR_BUSY: it was changed meanwhile.
int standalone_set_vm(struct group *group, const Holdfast__VmSet *set, struct error *err) MUST_CHECK;	// waits
// One that is no VM's disk any more.
int standalone_delete_volume(struct group *group, const char *name, struct error *err) MUST_CHECK;	// waits
int standalone_delete_vm(struct group *group, const char *name, struct error *err) MUST_CHECK;	// waits

// For standalone-set.c and growing disks: what of a VM's parts is left open, filled in; a definition checked against this machine; SPEC stored and
// its volumes made, or everything as before.
int standalone_fill_parts(struct hypervisor *hv, Holdfast__GroupSpec *spec, Holdfast__Vm *vm, struct error *err) MUST_CHECK;
int standalone_check_vm(const struct group *group, const Holdfast__Vm *vm, struct error *err) MUST_CHECK;	// waits
int standalone_take_over(struct group *group, const Holdfast__GroupSpec *spec, struct error *err) MUST_CHECK;	// waits
void standalone_remove_volume(Holdfast__Group *group, uint32_t index);

#endif
