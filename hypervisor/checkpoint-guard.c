// SPDX-License-Identifier: GPL-3.0-or-later
// What may not be done to a VM because of its checkpoints. They are on the group's state volume, which is there where the group is online.
#include <stdlib.h>
#include "common/log.h"
#include "hypervisor/checkpoint.h"
#include "hypervisor/group-private.h"
#include "proto/pending.h"

static const Holdfast__Disk *disk_that_goes(const struct vm *vm, const Holdfast__Vm *wanted)
{
	for (size_t i = 0; i < vm->wanted->n_disks; i++)
		if (!pending_disk_in(wanted, vm->wanted->disks[i]))
			return vm->wanted->disks[i];
	return NULL;
}

static int refuse(const struct vm *vm, const Holdfast__Disk *disk, size_t count, struct error *err)
{
	return error_set(err, ERROR_UNSAFE,
		"VM %s has %zu checkpoint%s, which disk %s is a part of: delete %s first (holdfast checkpoint list "
		"%s), then take the disk away",
		vm->name, count, count == 1 ? "" : "s", disk->name, count == 1 ? "it" : "them", vm->name);
}

int checkpoint_check_disks(struct vm *vm, const Holdfast__Vm *wanted, struct error *err)
{
	const Holdfast__Disk *goes = disk_that_goes(vm, wanted);
	struct group *group = vm->group;
	struct error ignored = ERROR_INIT;
	char *directory = NULL;
	if (!goes || goes->format != HOLDFAST__DISK_FORMAT__FORMAT_QCOW2)
		return 0;
	if (group_wanted(group) != WANTED_STARTED)
		return error_set(err, ERROR_BUSY,
			"disk %s of VM %s may have checkpoints, and group %s is offline: start the group first (holdfast "
			"group start %s), then take it away",
			goes->name, vm->name, group->name, group->name);
	if (storage_mount_state(group->hv->storage, group->spec->group, &directory, err))
		return -1;
	Holdfast__CheckpointTree *tree = checkpoint_read(vm, directory, err);
	int failed = !tree ? -1 : tree->n_records ? refuse(vm, goes, tree->n_records, err) : 0;
	checkpoint_tree_free(tree);
	task_uncancel(task_self());
	if (storage_unmount_state(group->hv->storage, group->spec->group, &ignored))
		log_warning("group=%s %s", group->name, ignored.message);
	free(directory);
	return failed;
}
