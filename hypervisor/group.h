// SPDX-License-Identifier: GPL-3.0-or-later
// A group as it is on this node: its definition, its volumes, its VMs; start, stop and monitor of the whole. The node's one place that
// decides whether a guest may be started: only while the run directory's wanted state reads `started` with the generation that it was
// asked for, under its lock. Knows nothing of Pacemaker.
#ifndef HYPERVISOR_GROUP_H
#define HYPERVISOR_GROUP_H

#include <stdbool.h>
#include "common/config.h"
#include "common/error.h"
#include "common/task.h"
#include "hypervisor/cgroup.h"
#include "hypervisor/cpu-models.h"
#include "hypervisor/rundir.h"
#include "hypervisor/vm.h"
#include "storage/storage.h"
#include "proto/api.pb-c.h"

// How migrate/ comes in without this room knowing it: start, stop and monitor look at a move first. All may be NULL.
struct move_hooks {
	void *moves;
	// Settles or throws away an unfinished move of the group, before it is started or stopped here.
	int (*before_start)(void *moves, const char *group, struct error *err);				// waits
	int (*before_stop)(void *moves, const char *group, unsigned timeout_ms, struct error *err);	// waits
	// Before a guest's memory is saved: a move that was only prepared is given up.
	void (*give_way)(void *moves, const char *group);	// waits
	// Before a VM is changed: ERROR_BUSY while its group is prepared for a move, or moving, from here.
	int (*not_moving)(void *moves, const char *group, struct error *err);
	bool (*holds)(void *moves, const char *group);	// a move has the guests: the group is not running here by itself
	bool (*may_not_exit)(void *moves);		// between QUIESCE and COMMIT: SIGTERM waits
};

struct hypervisor {		// what all of hypervisord's rooms share
	struct loop *loop;
	struct config config;
	struct rundir run;
	struct storage *storage;
	struct groups *groups;	// hypervisor/group.c
	struct move_hooks move_hooks;
	struct host_events *events;	// hypervisor/host-events.c
	void *health;		// hypervisor/health.c
	struct cage *cage;	// what QEMUs are put in
	bool standalone;
	bool kvm;		// what guests run with; false: TCG
	struct cgroups cgroups;	// hypervisor/control.c
	uint32_t slice_weight;	// cpu.weight that all guests together have now; 0: not set yet
	struct cpu_models cpu_models;
	const char *state_directory;	// CONFIG_STATE_DIRECTORY, or a test's own
};

struct group;

struct group *group_find(struct hypervisor *hv, const char *name);			// NULL: not on this node
// Finds or makes it and takes the definition over if its epoch is not older.
struct group *group_adopt(struct hypervisor *hv, const Holdfast__GroupSpec *spec, struct error *err) MUST_CHECK;
const char *group_name(const struct group *group);
struct hypervisor *group_hypervisor(const struct group *group);
const Holdfast__GroupSpec *group_spec(const struct group *group);
size_t group_vm_count(const struct group *group);
struct vm *group_vm(const struct group *group, size_t i);
struct task_mutex *group_mutex(struct group *group);	// one operation on a group at a time: start, stop, move, VM verbs

// Promote, then start or restore each VM whose target is running. The steps go to *result (may be NULL).
int group_start(struct group *group, const Holdfast__HostGroupStart *request, Holdfast__StartResult *result,
	struct error *err) MUST_CHECK;	// waits
// Offline action for each VM (save, with turn off when its time is up), then demote. Ends within timeout_ms.
int group_stop(struct group *group, uint64_t generation, unsigned timeout_ms, struct error *err) MUST_CHECK;	// waits
enum group_health { GROUP_HEALTH_STOPPED, GROUP_HEALTH_RUNNING, GROUP_HEALTH_FAILED };
enum group_health group_health(struct group *group, char *reason, size_t size);
Holdfast__GroupStatus *group_status(struct group *group);	// the caller frees it
Holdfast__VmStatus *vm_status(const struct vm *vm);		// the caller frees it

// What long work is being done with disks of its VMs, or NULL: it cannot be moved meanwhile.
const char *group_disk_work(const struct group *group);
// The VM whose definition is being changed by clusterd, step by step, or NULL: the group is not moved meanwhile, but for a change that nobody ends.
const char *group_change(const struct group *group);
// Room in memory and processors for VM besides the VMs that are up here.
int group_admit(struct hypervisor *hv, const Holdfast__Vm *vm, struct error *err) MUST_CHECK;

// For a move. The target: VMs are spawned, nothing is promoted. After commit the group is simply online here.
int group_release_state(struct group *group, struct error *err) MUST_CHECK;	// waits: unmounts the state volume, so that the group can be demoted
void group_set_online(struct group *group, uint64_t generation);	// wanted = started, here, from now on
void group_set_offline(struct group *group, uint64_t generation);	// left to the target: wanted = stopped

// An event of this node, for the log and for clusterd (host_events subscribers; kept until one has read it).
void host_event(struct hypervisor *hv, const char *kind, const char *group, const char *vm, double duration_ms, double pause_ms,
	const Holdfast__Step *const *steps, size_t step_count, const char *format, ...) __attribute__((format(printf, 9, 10)));

// Of a guest in trouble: with the name of what was kept of it.
void host_event_evidence(struct hypervisor *hv, const char *kind, const char *group, const char *vm, const char *evidence,
	const char *format, ...) __attribute__((format(printf, 6, 7)));

#endif
