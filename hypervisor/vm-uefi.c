// SPDX-License-Identifier: GPL-3.0-or-later
// See vm-uefi.h. The size of the file is the flash's size: it comes from the firmware's template, and another one is refused.
#include "hypervisor/vm-uefi.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "hypervisor/vm-private.h"

#define VARS_MAX_BYTES ((size_t)4 << 20)
#define VARS_SUFFIX ".vars"

bool uefi_has(const struct vm *vm)
{
	return vm->definition->firmware == HOLDFAST__FIRMWARE__FIRMWARE_UEFI;
}

static void file_name(const Holdfast__Vm *vm, char name[80])
{
	snprintf(name, 80, "%.60s" VARS_SUFFIX, vm->uuid[0] ? vm->uuid : vm->name);
}

// ---- the store

static int read_template(const struct vm *vm, char **bytes, size_t *count, struct error *err)
{
	const char *path = group_hypervisor(vm->group)->config.uefi_vars;
	if (!file_read(path, VARS_MAX_BYTES, bytes, count, err))
		return 0;
	return error_prefix(err,
		"VM %s needs UEFI: install the package ovmf, or set uefi-code and uefi-vars in the node's "
		"configuration",
		vm->name);
}

// Those of VMs that the group has no more.
static void remove_strays(const struct vm *vm, const char *directory)
{
	const Holdfast__GroupSpec *spec = group_spec(vm->group);
	DIR *files = opendir(directory);
	for (struct dirent *entry; files && (entry = readdir(files));) {
		size_t length = strlen(entry->d_name), suffix = strlen(VARS_SUFFIX);
		bool known = length <= suffix || strcmp(entry->d_name + length - suffix, VARS_SUFFIX) != 0;
		for (size_t i = 0; !known && i < spec->n_vms; i++) {
			char name[80];
			file_name(spec->vms[i], name);
			known = !strcmp(name, entry->d_name);
		}
		if (!known && unlinkat(dirfd(files), entry->d_name, 0))
			log_warning("group=%s %s/%s cannot be removed", group_name(vm->group), directory, entry->d_name);
	}
	if (files)
		closedir(files);
}

static int open_in(const struct vm *vm, const char *directory, int *fd, struct error *err)
{
	char name[80], path[4096];
	struct stat info;
	char *template = NULL;
	size_t count = 0;
	file_name(vm->definition, name);
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, name) >= sizeof(path))
		return error_set(err, ERROR_FAILED, "the path %s is too long", directory);
	if (read_template(vm, &template, &count, err))
		return -1;
	cleanup_free char *owned = template;
	cleanup_fd int file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (file < 0 && errno == ENOENT) {
		remove_strays(vm, directory);
		if (file_write_atomic(path, owned, count, 0600, err))
			return error_prefix(err, "VM %s", vm->name);
		file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	}
	if (file < 0 || fstat(file, &info))
		return error_set_errno(err, errno, "VM %s: its UEFI variables %s", vm->name, path);
	if (!S_ISREG(info.st_mode) || (size_t)info.st_size != count)
		return error_set(err, ERROR_UNSAFE,
			"VM %s: its UEFI variables %s have %" PRIu64 " bytes and this node's firmware wants %zu: "
			"they are of another firmware",
			vm->name, path, (uint64_t)info.st_size, count);
	*fd = steal_fd(&file);
	return 0;
}

static int open_store(const struct vm *vm, int *fd, struct error *err)
{
	const Holdfast__Group *group = group_spec(vm->group)->group;
	struct storage *storage = group_hypervisor(vm->group)->storage;
	struct error ignored = ERROR_INIT;
	char *directory = NULL;
	if (storage_mount_state(storage, group, &directory, err))
		return -1;
	int result = open_in(vm, directory, fd, err);
	free(directory);
	if (storage_unmount_state(storage, group, &ignored))
		log_warning("group=%s %s", group->name, ignored.message);
	return result;
}

// ---- before the spawn

static int write_all(int fd, const char *bytes, size_t count)
{
	for (size_t done = 0; done < count;) {
		ssize_t written = write(fd, bytes + done, count - done);
		if (written <= 0)
			return -1;
		done += (size_t)written;
	}
	return 0;
}

// SOURCE -1: blank.
static int private_copy(const struct vm *vm, int source, int *copy, struct error *err)
{
	char *bytes = NULL;
	size_t count = 0;
	if (read_template(vm, &bytes, &count, err))
		return -1;
	cleanup_free char *owned = bytes;
	cleanup_fd int fd = memfd_create("vars", MFD_CLOEXEC);
	if (source >= 0 && pread(source, owned, count, 0) != (ssize_t)count)
		return error_set_errno(err, errno, "VM %s: its UEFI variables cannot be read", vm->name);
	if (fd < 0 || write_all(fd, owned, count))
		return error_set_errno(err, errno, "VM %s: no room for a copy of its UEFI variables", vm->name);
	*copy = steal_fd(&fd);
	return 0;
}

int uefi_open(const struct vm *vm, enum vm_spawn kind, int *code, int *vars, struct error *err)
{
	const char *path = group_hypervisor(vm->group)->config.uefi_code;
	cleanup_fd int store = -1;
	cleanup_fd int firmware = open(path, O_RDONLY | O_CLOEXEC);
	if (firmware < 0)
		return error_set_errno(err, errno,
			"VM %s needs UEFI and its firmware %s cannot be read: install the package ovmf, or set "
			"uefi-code in the node's configuration",
			vm->name, path);
	if (kind == VM_SPAWN_BOOT && open_store(vm, &store, err))
		return -1;
	if (private_copy(vm, store, vars, err))
		return -1;
	*code = steal_fd(&firmware);
	return 0;
}

// ---- in and out

static int has_node(struct vm *vm, const char *name, bool *there, struct error *err)
{
	json_t *nodes = NULL, *node;
	size_t index;
	*there = false;
	if (qmp_command(vm->qmp, "query-named-block-nodes", json_pack("{s:b}", "flat", 1), QMP_TIMEOUT_MS, &nodes,
		    err))
		return error_prefix(err, "VM %s", vm->name);
	json_array_foreach (nodes, index, node) {
		const char *other = json_string_value(json_object_get(node, "node-name"));
		*there |= other && !strcmp(other, name);
	}
	json_decref(nodes);
	return 0;
}

static json_t *reopen(enum qemu_vars below)
{
	return json_pack("{s:[o]}", "options", qemu_vars_node(below));
}

int uefi_attach(struct vm *vm, struct error *err)
{
	cleanup_fd int fd = -1;
	bool there;
	if (has_node(vm, "varsreal", &there, err))
		return -1;
	if (there)
		return 0;
	if (open_store(vm, &fd, err) || qmp_add_fd(vm->qmp, fd, qemu_vars_fdset(QEMU_VARS_REAL), err))
		return -1;
	struct qmp_step steps[] = {
		{ "blockdev-add", qemu_vars_file_node(QEMU_VARS_REAL) },
		{ "blockdev-reopen", reopen(QEMU_VARS_REAL) },
		{ "blockdev-del", json_pack("{s:s}", "node-name", "varshold") },
	};
	vm->fds_linger = true;
	if (qmp_batch(vm->qmp, steps, sizeof(steps) / sizeof(steps[0]), QMP_TIMEOUT_MS, err))
		return error_prefix(err, "VM %s: its UEFI variables cannot be attached", vm->name);
	return 0;
}

// The flash has been read, so that nothing is needed below it but a node of its size that refuses writes.
static int hold_node(const struct vm *vm, json_t **node, struct error *err)
{
	char *bytes = NULL;
	size_t count = 0;
	if (read_template(vm, &bytes, &count, err))
		return -1;
	free(bytes);
	*node = json_pack("{s:s s:s s:{s:s s:I} s:[{s:s s:i s:b s:b s:s}]}", "driver", "blkdebug", "node-name",
		"varshold", "image", "driver", "null-co", "size", (json_int_t)count, "inject-error", "event",
		"none", "errno", EIO, "once", 0, "immediately", 1, "iotype", "write");
	return 0;
}

int uefi_detach(struct vm *vm, struct error *err)
{
	bool real, held;
	json_t *hold = NULL;
	struct qmp_step steps[3];
	size_t count = 0;
	if (has_node(vm, "varsreal", &real, err))
		return -1;
	if (!real)
		return 0;
	if (has_node(vm, "varshold", &held, err) || hold_node(vm, &hold, err))
		return -1;
	if (!held)
		steps[count++] = (struct qmp_step){ "blockdev-add", json_incref(hold) };
	json_decref(hold);
	steps[count++] = (struct qmp_step){ "blockdev-reopen", reopen(QEMU_VARS_HOLD) };
	steps[count++] = (struct qmp_step){ "blockdev-del", json_pack("{s:s}", "node-name", "varsreal") };
	if (qmp_batch(vm->qmp, steps, count, QMP_TIMEOUT_MS, err))
		return error_prefix(err, "VM %s: its UEFI variables cannot be closed", vm->name);
	return 0;
}

bool uefi_is_open(const struct vm *vm)
{
	char directory[64], name[80], target[4096];
	bool found = false;
	file_name(vm->definition, name);
	snprintf(directory, sizeof(directory), "/proc/%d/fd", (int)vm->guest.pid);
	DIR *fds = opendir(directory);
	for (struct dirent *entry; fds && !found && (entry = readdir(fds));) {
		ssize_t length = readlinkat(dirfd(fds), entry->d_name, target, sizeof(target) - 1);
		if (length <= 0)
			continue;
		target[length] = '\0';
		const char *last = strrchr(target, '/');
		found = last && !strcmp(last + 1, name);
	}
	if (fds)
		closedir(fds);
	return found;
}
