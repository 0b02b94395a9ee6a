// SPDX-License-Identifier: GPL-3.0-or-later
// The marks as files of two lines: the VM's uuid, and what is being done.
#include "hypervisor/disk-mark.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/file.h"

#define MARK_LIMIT 4096

static int mark_path(
	const char *directory, const char *vm, const char *disk, char path[4096], struct error *err)
{
	int length = snprintf(path, 4096, "%s/%s.%s.unfinished", directory, vm, disk);
	return length < 0 || length >= 4096
		? error_set(err, ERROR_FAILED, "the path of the mark of disk %s.%s is too long", vm, disk)
		: 0;
}

int disk_mark_set(
	const char *directory, const Holdfast__Vm *vm, const char *disk, const char *work, struct error *err)
{
	char path[4096], text[MARK_LIMIT];
	int length = snprintf(text, sizeof(text), "%s\n%s\n", vm->uuid, work);
	if (mark_path(directory, vm->name, disk, path, err))
		return -1;
	if (length < 0 || (size_t)length >= sizeof(text))
		return error_set(err, ERROR_USAGE, "the name of the work is too long");
	return file_write_atomic(path, text, (size_t)length, 0600, err);
}

int disk_mark_clear(const char *directory, const char *vm, const char *disk, struct error *err)
{
	char path[4096];
	return mark_path(directory, vm, disk, path, err) ? -1 : file_remove(path, err);
}

int disk_mark_get(const char *directory, const Holdfast__Vm *vm, const char *disk, char *work, size_t size,
	struct error *err)
{
	char path[4096];
	cleanup_free char *text = NULL;
	struct error local = ERROR_INIT;
	if (mark_path(directory, vm->name, disk, path, err))
		return -1;
	if (file_read(path, MARK_LIMIT, &text, NULL, &local))
		return local.code == ERROR_NOT_FOUND ? 0 : error_copy(err, &local);
	char *line = strchr(text, '\n');
	if (line)
		*line++ = '\0';
	if (line && strcmp(text, vm->uuid))
		return 0;
	snprintf(work, size, "%.*s", line ? (int)strcspn(line, "\n") : 9, line ? line : "something");
	return 1;
}

int disk_marks_check(const char *directory, const Holdfast__Vm *vm, struct error *err)
{
	char work[256];
	for (size_t i = 0; i < vm->n_disks; i++) {
		int marked = disk_mark_get(directory, vm, vm->disks[i]->name, work, sizeof(work), err);
		if (marked < 0)
			return -1;
		if (marked)
			return error_set(err, ERROR_UNSAFE,
				"disk %s.%s is not whole: %s did not come to its end; repeat it, or import "
				"another "
				"image (holdfast volume import)",
				vm->name, vm->disks[i]->name, work);
	}
	return 0;
}
