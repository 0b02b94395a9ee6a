// SPDX-License-Identifier: GPL-3.0-or-later
// The only door to Pacemaker: definitions in the CIB (layout: docs/architecture.md), constraints, and Pacemaker's status. Includes Pacemaker's
// headers only in its .c files. Every verb works in a task (waits, asynchronous libcib) and outside of any loop (blocking, for the agent and the
// handlers). A group and its VMs change in one modify. Pacemaker does not ask for quorum when root writes: the callers do.
#ifndef CLUSTERD_CIB_H
#define CLUSTERD_CIB_H

#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"
#include "common/loop.h"
#include "proto/api.pb-c.h"
#include "proto/definition.pb-c.h"
#include "proto/status.pb-c.h"

struct cib;

// LOOP NULL: blocking use. CLIENT is the name Pacemaker logs. One connection per process (libcib keeps its callbacks globally).
// After `lost`, and after any ERROR_UNREACHABLE, close it and open it again.
struct cib *cib_open(struct loop *loop, const char *client, unsigned timeout_ms, struct error *err) MUST_CHECK;
void cib_close(struct cib *cib);
typedef void cib_changed_cb(void *data);	// something changed (coalesced); read a snapshot to see what
void cib_watch(struct cib *cib, cib_changed_cb *changed, cib_changed_cb *lost, void *data);

// ---- what is: definitions and Pacemaker's status in one consistent read

struct cib_group {
	Holdfast__GroupSpec *spec;
	char *current;			// "only this node has current data", or NULL
	bool wanted_started;		// target-role
	char *active_on[4];		// node names where Pacemaker thinks it is active, NULL-terminated
	bool failed, blocked;		// a failure that Pacemaker does not recover by itself
	bool pending;			// an action is in flight
	char *failure;			// last failed action in words, or NULL
	int64_t failed_at;		// when that was, in seconds since 1970
	char *move_failed;		// the failure is that of a move: the node where it failed; else NULL
	char *move_to;			// our move constraint's target, or NULL
	char *leaving;			// a node that it has left by a move and where Pacemaker has yet to record a stop, or NULL
	char *moved_from;		// a node whose history still says that the group was moved away from it, or NULL
};
struct cib_node {
	Holdfast__Node *node;
	bool online, clean, pending, standby, maintenance;
	char *fence_device;		// a configured stonith device that can fence it, or NULL
};
struct cib_snapshot {
	uint64_t epoch;			// admin_epoch << 40 | epoch
	bool quorate;			// as the DC last wrote it
	char *cluster_name, *dc, *witness;
	char *cpu_model;		// that new VMs get which name none; NULL: what their node gives
	struct cib_group *groups;
	size_t group_count;
	struct cib_node *nodes;
	size_t node_count;
	Holdfast__FenceDevice **fence_devices;	// with their state in words
	size_t fence_device_count;
};
int cib_snapshot(struct cib *cib, struct cib_snapshot **snapshot, struct error *err) MUST_CHECK;
void cib_snapshot_free(struct cib_snapshot *snapshot);
const struct cib_group *cib_snapshot_group(const struct cib_snapshot *snapshot, const char *name);	// NULL: none
const Holdfast__Vm *cib_snapshot_vm(const struct cib_snapshot *snapshot, const char *name);

// What the cluster last concluded of a node, without working out the whole status: ERROR_NOT_FOUND if it was never seen.
enum cib_life {
	CIB_LIFE_MEMBER,	// has joined
	CIB_LIFE_COMING,	// in the membership, has not joined yet (or another node's Pacemaker is not up)
	CIB_LIFE_LOST,		// gone without having said so, and not fenced yet
	CIB_LIFE_DOWN,		// fenced, or left after stopping everything; it has not come back since
};
int cib_read_life(struct cib *cib, const char *node, enum cib_life *life, struct error *err) MUST_CHECK;
// A node as it joined, by xpath. ERROR_NOT_FOUND.
int cib_read_node(struct cib *cib, const char *name, Holdfast__Node **node, struct error *err) MUST_CHECK;
// One group only, by xpath, from the local copy: what the agent starts with. ERROR_NOT_FOUND.
int cib_read_group(struct cib *cib, const char *name, Holdfast__GroupSpec **spec, char **current, struct error *err) MUST_CHECK;

// ---- what shall be

int cib_set_node(struct cib *cib, const Holdfast__Node *node, struct error *err) MUST_CHECK;
// Pacemaker's standby: it runs nothing on the node. As crm_standby sets it, so that both show and change the same.
int cib_set_standby(struct cib *cib, const Holdfast__Node *node, bool on, struct error *err) MUST_CHECK;
int cib_set_options(struct cib *cib, const char *cluster_name, const char *witness, struct error *err) MUST_CHECK;	// no-quorum-policy etc., once
int cib_set_cpu_model(struct cib *cib, const char *model, struct error *err) MUST_CHECK;	// "host": none
// Creates the primitive (target-role Stopped), its constraints and the definition. ERROR_EXISTS.
int cib_create_group(struct cib *cib, const Holdfast__GroupSpec *spec, struct error *err) MUST_CHECK;
// ERROR_BUSY: a minor or port is another group's. ERROR_EXISTS: a VM's name is.
// Replaces definition and VMs (added, changed, removed) if the group was not changed since spec->epoch, which it was read at; else ERROR_BUSY: read
// again. Other changes of the CIB do not matter.
int cib_update_group(struct cib *cib, const Holdfast__GroupSpec *spec, struct error *err) MUST_CHECK;
int cib_delete_group(struct cib *cib, const char *name, struct error *err) MUST_CHECK;
int cib_set_target_role(struct cib *cib, const char *group, bool started, struct error *err) MUST_CHECK;
// NODE NULL: clears the record. ERROR_UNSAFE if it names another node: never overwritten, only cleared first. A move under way to another node
// becomes one to NODE in the same change (both constraints together would stop the group). When it returns, all members have it.
int cib_set_current(struct cib *cib, const char *group, const char *node, struct error *err) MUST_CHECK;
// Clears the record if the CIB still has EPOCH (that of the spec or snapshot on which the decision was made); else ERROR_BUSY: decide again.
int cib_clear_current(struct cib *cib, const char *group, uint64_t epoch, struct error *err) MUST_CHECK;
// TO NULL: takes the constraint away. ERROR_UNSAFE if the record says that only another node has current data.
int cib_set_move(struct cib *cib, const char *group, const char *to, struct error *err) MUST_CHECK;
int cib_set_fence_device(struct cib *cib, const Holdfast__FenceDevice *device, struct error *err) MUST_CHECK;
int cib_delete_fence_device(struct cib *cib, const char *node, struct error *err) MUST_CHECK;
// As crm_resource --cleanup: forgets failures of the group (on NODE, or everywhere if NULL: then also a finished move, first), so that Pacemaker
// tries again.
int cib_cleanup(struct cib *cib, const char *group, const char *node, struct error *err) MUST_CHECK;
// As crm_resource --refresh: forgets the group's whole history on NODE, where it is not active; Pacemaker looks again what is there. A finished move
// must not stay in the history of the node it left: whenever the history of the node it went to is lost (a cleanup, a restart of Pacemaker there),
// Pacemaker 2.1.5 takes the old move for one that is half done, and stops and starts the group to recover from it (tried).
int cib_forget_history(struct cib *cib, const char *group, const char *node, struct error *err) MUST_CHECK;

#endif
