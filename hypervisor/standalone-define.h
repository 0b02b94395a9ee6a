// SPDX-License-Identifier: GPL-3.0-or-later
// Definitions on a single machine: made, changed, deleted. The group's mutex is held by the caller.
#ifndef HYPERVISOR_STANDALONE_DEFINE_H
#define HYPERVISOR_STANDALONE_DEFINE_H

#include "hypervisor/standalone.h"

// STATE_BYTES 0: the default.
int standalone_create_group(struct hypervisor *hv, const Holdfast__Group *wish, uint64_t state_bytes, struct error *err) MUST_CHECK;	// waits
int standalone_create_vm(struct group *group, const Holdfast__Vm *wish, struct error *err) MUST_CHECK;	// waits
int standalone_delete_vm(struct group *group, const char *name, struct error *err) MUST_CHECK;	// waits

#endif
