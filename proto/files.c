// SPDX-License-Identifier: GPL-3.0-or-later
// See files.h.
#include "proto/files.h"

#include <stdlib.h>
#include "proto/disk.h"

static void add(Holdfast__FileWish *wishes, size_t *count, char *path)
{
	if (!path[0])
		return;
	holdfast__file_wish__init(&wishes[*count]);
	wishes[(*count)++].path = path;
}

Holdfast__FileWish *files_of(const Holdfast__Vm *vm, size_t *count)
{
	Holdfast__FileWish *wishes = calloc(3 + vm->n_cdroms + vm->n_disks, sizeof(*wishes));

	*count = 0;
	if (!wishes)
		return NULL;
	add(wishes, count, vm->kernel);
	add(wishes, count, vm->initrd);
	for (size_t i = 0; i < vm->n_cdroms; i++)
		add(wishes, count, vm->cdroms[i]->path);
	for (size_t i = 0; i < vm->n_disks; i++) {
		if (!disk_parent_is_path(vm->disks[i]))
			continue;
		add(wishes, count, vm->disks[i]->parent);
		wishes[*count - 1].parent = true;
		wishes[*count - 1].format = vm->disks[i]->parent_format;
	}
	return wishes;
}
