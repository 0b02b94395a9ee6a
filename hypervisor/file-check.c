// SPDX-License-Identifier: GPL-3.0-or-later
// See file-check.h. A file system that hangs holds up a worker thread only.
#include "hypervisor/file-check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/task.h"
#include "hypervisor/handlers.h"
#include "hypervisor/image-check.h"
#include "hypervisor/image-place.h"
#include "proto/files.h"

struct look {
	const struct hypervisor *hv;
	const Holdfast__FileWish *wish;
};

static int look_at_parent(const struct look *look, struct error *err)
{
	cleanup_fd int fd = -1;
	bool device;
	bool qcow2 = look->wish->format == HOLDFAST__DISK_FORMAT__FORMAT_QCOW2;
	if (image_open(look->hv, look->wish->path, &fd, &device, err))
		return error_prefix(err, "its parent");
	if (image_check(fd, qcow2 ? HOLDFAST__IMAGE_FORMAT__IMAGE_QCOW2 : HOLDFAST__IMAGE_FORMAT__IMAGE_RAW, err))
		return error_prefix(err, "its parent %.200s", look->wish->path);
	return 0;
}

static int work(void *data, struct error *err)
{
	const struct look *look = data;
	if (look->wish->parent)
		return look_at_parent(look, err);
	return access(look->wish->path, R_OK)
		? error_set_errno(err, errno, "%.200s cannot be read", look->wish->path)
		: 0;
}

int file_check(struct hypervisor *hv, const Holdfast__FileWish *wish, struct error *err)
{
	struct look look = { hv, wish };
	struct error why = ERROR_INIT;
	if (!task_offload(work, &look, &why))
		return 0;
	return error_set(err, why.code, "%s on node %s%s", why.message, hv->config.node,
		why.errnum ? ": put it there, in the same place on each possible owner" : "");
}

enum extent { PARENTS, ALL };

static int check(struct hypervisor *hv, const Holdfast__Vm *vm, enum extent extent, struct error *err)
{
	size_t count;
	cleanup_free Holdfast__FileWish *wishes = files_of(vm, &count);
	for (size_t i = 0; i < count; i++)
		if ((extent == ALL || wishes[i].parent) && file_check(hv, &wishes[i], err))
			return error_prefix(err, "VM %s", vm->name);
	return 0;
}

int file_check_parents(struct hypervisor *hv, const Holdfast__Vm *vm, struct error *err)
{
	return check(hv, vm, PARENTS, err);
}

int file_check_vm(struct hypervisor *hv, const Holdfast__Vm *vm, struct error *err)
{
	return check(hv, vm, ALL, err);
}

static int add_missing(Holdfast__FilesMissing *missing, const char *path, const char *text)
{
	Holdfast__FileMissing **more = reallocarray(missing->files, missing->n_files + 1, sizeof(*more));
	if (more)
		missing->files = more;
	Holdfast__FileMissing *one = more ? malloc(sizeof(*one)) : NULL;
	if (!one)
		return -1;
	holdfast__file_missing__init(one);
	more[missing->n_files++] = one;
	one->path = strdup(path);
	one->text = strdup(text);
	return one->path && one->text ? 0 : -1;
}

HANDLER_DECLARED(serve_file_check)
{
	struct hypervisor *hv = data;
	const Holdfast__FileCheck *check = request->file_check;
	Holdfast__FilesMissing *missing = malloc(sizeof(*missing));
	if (!missing)
		return error_set(err, ERROR_FAILED, "no memory for a reply");
	holdfast__files_missing__init(missing);
	reply->files_missing = missing;
	reply->body_case = HOLDFAST__REPLY__BODY_FILES_MISSING;
	for (size_t i = 0; i < check->n_files; i++) {
		struct error why = ERROR_INIT;
		if (!file_check(hv, check->files[i], &why))
			continue;
		if (why.code == ERROR_CANCELLED)
			return error_copy(err, &why);
		if (add_missing(missing, check->files[i]->path, why.message))
			return error_set(err, ERROR_FAILED, "no memory for a reply");
	}
	return 0;
}
