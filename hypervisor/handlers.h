// SPDX-License-Identifier: GPL-3.0-or-later
// hypervisord's requests: what their files share. Each table ends with body 0; main.c joins them.
#ifndef HYPERVISOR_HANDLERS_H
#define HYPERVISOR_HANDLERS_H

#include "common/rpc.h"
#include "hypervisor/group-private.h"
#include "hypervisor/vm-private.h"

#define HANDLER(name)                                                                                                 \
	static int name(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply, void *data,   \
			struct error *err)
#define HANDLER_DECLARED(name)                                                                                        \
	int name(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply, void *data, struct error *err)
#define LOCAL (1u << RPC_CALLER_LOCAL)
#define NODE (1u << RPC_CALLER_NODE)

extern const struct rpc_handler host_handlers[];	// of agents, clusterd, DRBD's handlers
extern const struct rpc_handler disk_handlers[], disk_standalone_handlers[];	// images and volumes
extern const struct rpc_handler vm_handlers[];		// the VM verbs
extern const struct rpc_handler checkpoint_handlers[];	// of VMs
extern const struct rpc_handler standalone_handlers[];	// what clusterd answers elsewhere

int reply_done(Holdfast__Reply *reply, struct error *err) MUST_CHECK;
int reply_group(Holdfast__Reply *reply, struct group *group, struct error *err) MUST_CHECK;
// ERROR_NOT_FOUND with the name. The group's mutex is taken; task_unlock(group_mutex(group)) after.
struct group *handler_lock_group(struct hypervisor *hv, const char *name, unsigned timeout_ms, struct error *err) MUST_CHECK;	// waits
struct vm *handler_lock_vm(struct hypervisor *hv, const char *name, unsigned timeout_ms, struct error *err) MUST_CHECK;	// waits
// The same for a stop, which must not wait for a save or a shutdown that somebody else has begun: those are broken off.
struct group *handler_lock_to_stop(struct hypervisor *hv, const char *name, unsigned timeout_ms, struct error *err) MUST_CHECK;	// waits
// Takes SPEC over and locks the group, whether it was there or not.
struct group *handler_adopt_locked(struct hypervisor *hv, const Holdfast__GroupSpec *spec, unsigned timeout_ms,
	struct error *err) MUST_CHECK;	// waits
// Changes one VM of the group's definition (adds it if it is new) and keeps the whole where it is kept.
int handler_put_vm(struct group *group, const Holdfast__Vm *vm, struct error *err) MUST_CHECK;
int handler_set_target(struct vm *vm, Holdfast__VmTarget target, struct error *err) MUST_CHECK;

HANDLER_DECLARED(serve_file_check);	// file-check.c
HANDLER_DECLARED(serve_refresh);	// handlers-refresh.c
HANDLER_DECLARED(serve_state_grow);	// handlers-state.c

int console_serve(struct vm *vm, struct rpc_call *call, struct error *err) MUST_CHECK;	// waits: console.c

// standalone.c: keeps the definition of a group on the disk; nothing to do in a cluster.
int standalone_keep(struct group *group, struct error *err) MUST_CHECK;
// Groups by their files, and those started that were online when the machine went down.
int standalone_load(struct hypervisor *hv, struct error *err) MUST_CHECK;	// waits

#endif
