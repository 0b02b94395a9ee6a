// SPDX-License-Identifier: GPL-3.0-or-later
// A group as the files group*.c, adopt.c and vm-keeper.c see it.
#ifndef HYPERVISOR_GROUP_PRIVATE_H
#define HYPERVISOR_GROUP_PRIVATE_H

#include "hypervisor/group.h"
#include "hypervisor/steps.h"

struct disk_work;

struct group {
	struct group *next;
	struct hypervisor *hv;
	char name[64];
	bool removed;			// deleted; the struct stays for those who wait for its mutex, until the name is used again
	Holdfast__GroupSpec *spec;
	struct vm **vms;		// in no order; those of the definition
	size_t vm_count;
	struct task_mutex mutex;
	uint64_t generation;		// that it was last started with here
	size_t permits;			// that are held, with the lock on this:
	int permit_fd;
	char *current;			// the CIB's "only this node has current data" at that start
	char changing[64];		// the VM of a change that has begun and not ended; "": none
	int64_t changing_until_us;	// whoever made it may have died
	struct disk_work *works;	// long work on disks of VMs that are off: hypervisor/disk-work.h
	struct task_wait works_over;	// woken when the last one ends
};

struct groups {
	struct group *first;
};

struct groups *groups_new(void);
void groups_free(struct groups *groups);
struct vm *group_vm_find(const struct group *group, const char *name);
struct vm *groups_vm_find(struct hypervisor *hv, const char *name);	// NULL: in no group here
// Takes SPEC over (a copy) whatever its epoch.
int group_define(struct group *group, const Holdfast__GroupSpec *spec, struct error *err) MUST_CHECK;
// Forgets it: no VM of it may have a QEMU.
int group_forget(struct group *group, struct error *err) MUST_CHECK;

enum wanted group_wanted(const struct group *group);
// Holds the run directory's lock while guests are put on their way: 0 only if the group is wanted started with its generation. Those of one group
// share it; it ends with the last one.
struct permit {
	struct group *group;	// NULL: none
};
int group_permit(struct group *group, struct permit *permit, struct error *err) MUST_CHECK;	// waits
void group_permit_end(struct permit *permit);
#define cleanup_permit __attribute__((cleanup(group_permit_end)))
int group_want(struct group *group, enum wanted wanted, uint64_t generation, struct error *err) MUST_CHECK;	// waits

// group-boot.c. STATE: the mounted state directory, or NULL after a crash, when there can be no saved state.
int group_boot_vm(struct group *group, struct vm *vm, const char *state, struct steps *steps, struct error *err) MUST_CHECK;	// waits
// Promote, mount, boot or restore, unmount.
int group_boot_one(struct group *group, struct vm *vm, struct error *err) MUST_CHECK;	// waits
int group_promote(struct group *group, bool force_old_data, struct error *err) MUST_CHECK;	// waits
// MiB of the node, and of the VMs that are up here, BESIDES (may be NULL) apart.
void group_memory(struct hypervisor *hv, const struct vm *besides, uint64_t *total_mib, uint64_t *used_mib);
// Whether it could ever be started here, with nothing else running.
int group_admit_ever(struct hypervisor *hv, const Holdfast__Vm *vm, struct error *err) MUST_CHECK;

#endif
