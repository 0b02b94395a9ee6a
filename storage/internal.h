// SPDX-License-Identifier: GPL-3.0-or-later
// What the files of storage/ share: the node's storage, its replicas, and the verbs that a back end has. Nobody outside of storage/
// includes it. A replica is a group that was applied here: it has a record in STATE/replicas.
#ifndef STORAGE_INTERNAL_H
#define STORAGE_INTERNAL_H

#include "common/task.h"
#include "storage/drbd-watch.h"
#include "storage/lvm.h"
#include "storage/storage.h"

struct storage_backend;

struct replica {
	struct replica *next;
	const struct storage_backend *backend;
	Holdfast__Group *group;		// as it was applied last
	bool here;			// it has a record; if not it is only remembered, because others may wait for the mutex
	struct task_mutex mutex;	// one verb at a time
	char *problem;			// why it could not be brought up, or NULL
	unsigned mounts;		// of the state volume
	bool quiet;			// we are changing it ourselves: what is seen of that is no event
	int lock_fd;			// file: holds the flock while the group is ours; -1 else
	struct drbd_view view;		// drbd: what was seen last
	struct task_wait looked;	// drbd: woken by every look; its one waiter holds the mutex
};

// The pool as it was last looked at, which takes programs of lvm: whoever asks for a status asks often.
struct pool_look {
	struct task_mutex mutex;
	struct lvm_pool pool;
	struct error err;
	int result;
	int64_t at_us;			// 0: never yet
	uint64_t changes;		// storage's then
};

struct storage {
	struct loop *loop;
	char *node, *pool, *directory;	// from the configuration
	char *replicas_path;		// STATE/replicas
	char *run_path;			// RUN/storage: records of what was seen since boot, mount points
	char *res_path;			// where .res files go
	storage_event_cb *event;
	void *event_data;
	struct replica *replicas;
	struct drbd_watch *watch;	// NULL until there is a DRBD replica
	bool drbd_prepared;		// drbd_prepare was here
	struct pool_look pool_look;
	uint64_t pool_changes;		// by us, since the start
};

// apply to unmount wait. REPLICA is locked and GROUP is what the caller asks about.
struct storage_backend {
	const char *name;
	int (*apply)(struct storage *storage, struct replica *replica, const Holdfast__Group *group, const char *node,
		     struct error *err);
	int (*declare_in_sync)(struct storage *storage, struct replica *replica, uint32_t index, struct error *err);	// may be NULL
	int (*bring_up)(struct storage *storage, struct replica *replica, struct error *err);
	int (*destroy)(struct storage *storage, struct replica *replica, struct error *err);
	int (*promote)(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
		       const struct storage_promote *params, struct error *err);
	int (*demote)(struct storage *storage, struct replica *replica, const Holdfast__Group *group, struct error *err);
	int (*mount)(struct storage *storage, struct replica *replica, const Holdfast__Group *group, char **path, struct error *err);
	int (*unmount)(struct storage *storage, struct replica *replica, const Holdfast__Group *group, struct error *err);
	int (*may_promote)(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
			   const struct storage_promote *params, struct error *err);
	int (*open_volume)(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
			   const Holdfast__Volume *volume, int *fd, uint64_t *bytes, struct error *err);
	int (*volume_bytes)(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
			    const Holdfast__Volume *volume, uint64_t *bytes, struct error *err);
	int (*grow_backing)(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
			    const Holdfast__Volume *volume, struct error *err);
	int (*grow_volume)(struct storage *storage, struct replica *replica, const Holdfast__Group *group,
			   const Holdfast__Volume *volume, struct error *err);	// may be NULL
	void (*status)(struct storage *storage, struct replica *replica, const Holdfast__Volume *volume,
		       Holdfast__VolumeStatus *status);
	// The next problem in words, or NULL; AT counts up from 0. May be NULL.
	char *(*problem)(struct storage *storage, struct replica *replica, size_t at);
};

extern const struct storage_backend storage_file_backend, storage_drbd_backend;

// ---- replicas.c: the records in STATE/replicas

int replicas_load(struct storage *storage, struct error *err) MUST_CHECK;
struct replica *replica_find(const struct storage *storage, const char *group);	// NULL: none here
// Finds it, or makes one that has no record yet.
int replica_get(struct storage *storage, const Holdfast__Group *group, struct replica **replica, struct error *err) MUST_CHECK;
int replica_save(struct storage *storage, struct replica *replica, const Holdfast__Group *group, struct error *err) MUST_CHECK;
int replica_forget(struct storage *storage, struct replica *replica, struct error *err) MUST_CHECK;
void replicas_free(struct storage *storage);
const Holdfast__Volume *group_volume(const Holdfast__Group *group, uint32_t index);	// NULL: no such volume

// ---- small helpers

// "held open by qemu-system-x86 (pid 12), mounted on /x" for a block device, or for a file by its inode; "" if nobody is found.
void holders_describe(const char *path, char *text, size_t size);
int path_format(char *path, size_t size, struct error *err, const char *format, ...) __attribute__((format(printf, 4, 5))) MUST_CHECK;

#define STORAGE_BUSY_RETRY_MS 200	// how long a demote tries a busy volume again

#endif
