// SPDX-License-Identifier: GPL-3.0-or-later
// A group's volumes on this node, through one interface with two back ends: `drbd` (an LV per volume under one DRBD resource) and
// `file` (files in a directory). All verbs are idempotent: called again after a crash in the middle they finish the work. Functions
// marked "waits" need a task. Knows neither VMs nor Pacemaker.
#ifndef STORAGE_STORAGE_H
#define STORAGE_STORAGE_H

#include <stdbool.h>
#include <stdint.h>
#include "common/config.h"
#include "common/error.h"
#include "common/loop.h"
#include "proto/definition.pb-c.h"
#include "proto/status.pb-c.h"

struct storage;			// the node's storage: both back ends, the watch on DRBD's events

// A replica changed: TEXT is for the event log ("the replica on a1 lost its peer b1; it is UpToDate"). On the loop, also from within a verb.
typedef void storage_event_cb(const char *group, const char *text, void *data);

struct storage *storage_open(struct loop *loop, const struct config *config, storage_event_cb *cb, void *data,
	struct error *err) MUST_CHECK;
// Where a node's storage keeps its own files; NULL members: the places of docs/architecture.md. A hypervisord with
// directories of its own, and tests, give their own.
struct storage_paths {
	const char *state, *run, *res;
};
struct storage *storage_open_at(struct loop *loop, const struct config *config, const struct storage_paths *paths,
	storage_event_cb *cb, void *data, struct error *err) MUST_CHECK;
void storage_close(struct storage *storage);

// At boot, and again after every start of hypervisord: everything that has a replica here is attached, connected and Secondary (Primary ones
// stay so), from the definitions kept in CONFIG_STATE_DIRECTORY/replicas. One bad group does not stop the others: it is logged and becomes a
// problem in its status.
int storage_bring_up(struct storage *storage, struct error *err) MUST_CHECK;	// waits

// Makes the local replica be what the definition says: creates LVs (zeroed), metadata, .res file, brings the resource up and connects; new
// volumes of a running group are added (declare them in sync, then the next storage_promote makes them Primary); volumes that the last
// definition had and this one has not are removed with their data: on the node that runs the group first. ERROR_NO_SPACE with the figures if the
// pool is too small, and then nothing is left behind.
int storage_apply(struct storage *storage, const Holdfast__Group *group, const char *node, struct error *err) MUST_CHECK;	// waits
// On one node, after apply on both: a fresh volume is blank on both sides, so no resync is needed. Waits up to 15 s for the connection. Refused
// for a volume that is not fresh; one that is in sync already is fine.
int storage_declare_in_sync(struct storage *storage, const Holdfast__Group *group, uint32_t index, struct error *err) MUST_CHECK;	// waits
// Only when Secondary and unused. Missing is fine.
int storage_destroy(struct storage *storage, const char *group, struct error *err) MUST_CHECK;	// waits

struct storage_promote {
	const char *node;		// this node
	const char *current;		// the CIB's "only this node has current data", or NULL
	bool force_old_data;		// an administrator who was shown what would be lost said so
};
// All volumes Primary here, or none; fine if they are. Refuses with ERROR_UNSAFE, naming whom it waits for and since when, if this replica cannot
// be known to be current (freshness.c has the rule). Waits up to 10 s if the peer was last seen as Primary: it may be dead and fenced, and DRBD
// notices within 5 s; then ERROR_BUSY. Lasts as long as DRBD's fence-peer handler if the peer is away.
// After a restart of hypervisord call it again for the groups that run here: `file` then takes its lock again.
int storage_promote(struct storage *storage, const Holdfast__Group *group, const struct storage_promote *params,
	struct error *err) MUST_CHECK;	// waits
// All volumes Secondary. A busy device is tried again for 200 ms; then the error names the holder (pid, program) and all volumes are Primary again.
int storage_demote(struct storage *storage, const Holdfast__Group *group, struct error *err) MUST_CHECK;	// waits
// What promote alone would say, without doing it and without waiting.
int storage_may_promote(struct storage *storage, const Holdfast__Group *group, const struct storage_promote *params,
	struct error *err) MUST_CHECK;

// Opens a volume read-write, O_DIRECT-able; *bytes is its size. The caller owns the descriptor and must close its copy before demote.
int storage_open_volume(struct storage *storage, const Holdfast__Group *group, uint32_t index, int *fd, uint64_t *bytes,
	struct error *err) MUST_CHECK;
// Its size without opening it (works on a Secondary).
int storage_volume_bytes(struct storage *storage, const Holdfast__Group *group, uint32_t index, uint64_t *bytes,
	struct error *err) MUST_CHECK;

// A volume gets the size that GROUP says, in two steps: first what is below it, on each node with a replica, its new part zeroed; then, on the one
// node where it is Primary, the volume itself. Both do nothing where it is done. ERROR_NO_SPACE with the figures if the pool is too small,
// ERROR_UNREACHABLE if a replica is away. The definition is to be changed after it: until then every verb takes the larger volume for the smaller.
int storage_grow_backing(struct storage *storage, const Holdfast__Group *group, uint32_t index, struct error *err) MUST_CHECK;	// waits
int storage_grow_volume(struct storage *storage, const Holdfast__Group *group, uint32_t index, struct error *err) MUST_CHECK;	// waits

// The state volume's file system, mounted at *path only between these two calls (counted). Made (mkfs.ext4) at the first mount. For `file`: a
// directory. Mounted already by an earlier hypervisord is fine.
int storage_mount_state(struct storage *storage, const Holdfast__Group *group, char **path, struct error *err) MUST_CHECK;	// waits
int storage_unmount_state(struct storage *storage, const Holdfast__Group *group, struct error *err) MUST_CHECK;	// waits

// One VolumeStatus per volume of GROUP (NULL: of all groups that are here), malloc'ed as protobuf messages.
int storage_status(struct storage *storage, const char *group, Holdfast__VolumeStatus ***volumes, size_t *count,
	struct error *err) MUST_CHECK;
// What is wrong with the replica of GROUP here, in words ("the replica on a1 is not connected to b1 since ..."), for GroupStatus.problems.
// *problems is one allocation per text and one for the array; NULL with *count 0.
int storage_problems(struct storage *storage, const char *group, char ***problems, size_t *count, struct error *err) MUST_CHECK;
// What others than us change in it (vgextend) is seen within 10 s.
int storage_pool(struct storage *storage, uint64_t *size_bytes, uint64_t *free_bytes, struct error *err) MUST_CHECK;	// waits

// For the agent, which must work when hypervisord does not: blocking, no loop. Unmounts the state volume too. Not Primary here is fine.
int storage_demote_blocking(const Holdfast__Group *group, struct error *err) MUST_CHECK;

#endif
