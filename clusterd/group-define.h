// SPDX-License-Identifier: GPL-3.0-or-later
// Making and removing definitions: groups and VMs, with their volumes. Called under the lock of the definitions, on the
// coordinator. Each either succeeds or leaves everything as it was.
#ifndef CLUSTERD_GROUP_DEFINE_H
#define CLUSTERD_GROUP_DEFINE_H

#include "clusterd/clusterd.h"
#include "common/rpc.h"

int group_define(struct clusterd *cd, struct rpc_call *call, const Holdfast__GroupCreate *create, struct error *err) MUST_CHECK;	// waits
int group_undefine(struct clusterd *cd, struct rpc_call *call, const char *name, struct error *err) MUST_CHECK;	// waits
int vm_define(struct clusterd *cd, struct rpc_call *call, const Holdfast__Vm *vm, struct error *err) MUST_CHECK;	// waits
// A VM as it is wanted from now on; in its guest at once, as far as that goes.
int vm_redefine(struct clusterd *cd, struct rpc_call *call, const Holdfast__VmSet *set, struct error *err) MUST_CHECK;	// waits
int group_redefine(struct clusterd *cd, struct rpc_call *call, const Holdfast__GroupSet *set, struct error *err) MUST_CHECK;	// waits
int vm_undefine(struct clusterd *cd, struct rpc_call *call, const char *name, struct error *err) MUST_CHECK;	// waits

#endif
