// SPDX-License-Identifier: GPL-3.0-or-later
// The run directory's guests: one record per VM that has, or had, a QEMU here. A process is named by its pid and its start time, so
// that a pid which was used again is never mistaken for a guest.
#include "hypervisor/rundir-private.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "common/cleanup.h"
#include "common/config.h"
#include "common/file.h"
#include "common/name.h"

int rundir_vm_path(const struct rundir *run, const char *vm, const char *file, char *path, size_t size,
	struct error *err)
{
	return rundir_path(run, "vms", vm, file, path, size, err);
}

static int guest_unpack(const char *path, json_t *json, struct rundir_guest *guest, struct error *err)
{
	const char *vm, *group, *phase;
	json_int_t pid, start_time, uid;
	json_t *restarts;
	json_error_t why;

	memset(guest, 0, sizeof(*guest));
	if (json_unpack_ex(json, &why, 0, "{s:s s:s s:I s:I s:I s:s s:F s:o}", "vm", &vm, "group", &group,
		    "pid", &pid, "start_time", &start_time, "uid", &uid, "phase", &phase, "cold_boot_ms",
		    &guest->cold_boot_ms, "restart_ms", &restarts))
		return error_set(err, ERROR_FAILED, "%s is damaged: %s", path, why.text);
	if (!name_valid(vm) || !name_valid(group) || strlen(phase) >= sizeof(guest->phase) || pid < 0 ||
		start_time < 0 || uid < 0 || !json_is_array(restarts) ||
		json_array_size(restarts) > RUNDIR_RESTARTS)
		return error_set(err, ERROR_FAILED, "%s is damaged: a value is out of range", path);
	strncpy(guest->vm, vm, sizeof(guest->vm) - 1);
	strncpy(guest->group, group, sizeof(guest->group) - 1);
	strncpy(guest->phase, phase, sizeof(guest->phase) - 1);
	guest->pid = (pid_t)pid;
	guest->start_time = (uint64_t)start_time;
	guest->uid = (uid_t)uid;
	guest->restart_count = (unsigned)json_array_size(restarts);
	for (unsigned i = 0; i < guest->restart_count; i++)
		guest->restart_ms[i] = json_number_value(json_array_get(restarts, i));
	return 0;
}

int rundir_guest_get(const struct rundir *run, const char *vm, struct rundir_guest *guest, struct error *err)
{
	char path[RUNDIR_PATH];
	cleanup_free char *text = NULL;
	json_error_t why;

	if (rundir_vm_path(run, vm, "guest.json", path, sizeof(path), err) ||
		file_read(path, 16384, &text, NULL, err))
		return -1;
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &why);
	if (!json)
		return error_set(err, ERROR_FAILED, "%s is damaged: %s", path, why.text);
	int result = guest_unpack(path, json, guest, err);
	json_decref(json);
	char base[64];
	if (!result && strcmp(guest->vm, rundir_base(vm, base) ? base : vm))
		return error_set(err, ERROR_FAILED, "%s is damaged: it names VM %s", path, guest->vm);
	snprintf(guest->vm, sizeof(guest->vm), "%s", vm);
	return result;
}

int rundir_guest_set(const struct rundir *run, const struct rundir_guest *guest, struct error *err)
{
	char path[RUNDIR_PATH];
	if (rundir_vm_path(run, guest->vm, NULL, path, sizeof(path), err) ||
		file_make_directory(path, 0700, err) ||
		rundir_vm_path(run, guest->vm, "guest.json", path, sizeof(path), err))
		return -1;
	char base[64];
	const char *name = rundir_base(guest->vm, base) ? base : guest->vm;
	json_t *restarts = json_array();
	for (unsigned i = 0; i < guest->restart_count && i < RUNDIR_RESTARTS; i++)
		json_array_append_new(restarts, json_real(guest->restart_ms[i]));
	json_t *json = json_pack("{s:s s:s s:I s:I s:I s:s s:f s:o}", "vm", name, "group", guest->group,
		"pid", (json_int_t)guest->pid, "start_time", (json_int_t)guest->start_time, "uid",
		(json_int_t)guest->uid, "phase", guest->phase, "cold_boot_ms", guest->cold_boot_ms,
		"restart_ms", restarts);
	cleanup_free char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (!text)
		return error_set(err, ERROR_FAILED, "no memory for the record of VM %s", guest->vm);
	return file_write_atomic(path, text, strlen(text), 0600, err);
}

int rundir_guest_exchange(const struct rundir *run, const char *vm, struct error *err)
{
	char path[RUNDIR_PATH], next[RUNDIR_PATH + sizeof(RUNDIR_NEXT)];
	if (rundir_vm_path(run, vm, NULL, path, sizeof(path), err))
		return -1;
	snprintf(next, sizeof(next), "%s" RUNDIR_NEXT, path);
	if (renameat2(AT_FDCWD, path, AT_FDCWD, next, RENAME_EXCHANGE))
		return error_set_errno(err, errno, "cannot exchange %s and %s", path, next);
	return 0;
}

int rundir_remove_directory(const char *path, struct error *err)
{
	char entry[RUNDIR_PATH + 256];
	DIR *directory = opendir(path);
	if (!directory)
		return errno == ENOENT ? 0 : error_set_errno(err, errno, "cannot open %s", path);
	for (struct dirent *found; (found = readdir(directory));) {
		if (!strcmp(found->d_name, ".") || !strcmp(found->d_name, ".."))
			continue;
		snprintf(entry, sizeof(entry), "%s/%s", path, found->d_name);
		unlink(entry);
	}
	closedir(directory);
	if (rmdir(path) && errno != ENOENT)
		return error_set_errno(err, errno, "cannot remove %s", path);
	return 0;
}

int rundir_guest_remove(const struct rundir *run, const char *vm, struct error *err)
{
	// The record goes first: without it the rest means nothing.
	char path[RUNDIR_PATH];
	if (rundir_vm_path(run, vm, "guest.json", path, sizeof(path), err))
		return -1;
	if (unlink(path) && errno != ENOENT && errno != ENOTDIR)
		return error_set_errno(err, errno, "cannot remove %s", path);
	return rundir_vm_path(run, vm, NULL, path, sizeof(path), err) ? -1
								      : rundir_remove_directory(path, err);
}

int rundir_guest_list(
	const struct rundir *run, struct rundir_guest **guests, size_t *count, struct error *err)
{
	char path[RUNDIR_PATH];
	snprintf(path, sizeof(path), "%s/vms", run->root ? run->root : CONFIG_RUN_DIRECTORY);
	*guests = NULL;
	*count = 0;
	DIR *directory = opendir(path);
	if (!directory)
		return errno == ENOENT ? 0 : error_set_errno(err, errno, "cannot open %s", path);
	for (struct dirent *found; (found = readdir(directory));) {
		if (!name_valid(found->d_name) && !rundir_is_next(found->d_name))
			continue;
		struct rundir_guest guest;
		struct error local = ERROR_INIT;
		if (rundir_guest_get(run, found->d_name, &guest, &local)) {
			if (local.code == ERROR_NOT_FOUND)
				continue;
			// One damaged record must not hide the other guests: report it as a guest without a process.
			memset(&guest, 0, sizeof(guest));
			memcpy(guest.vm, found->d_name, strnlen(found->d_name, sizeof(guest.vm) - 1));
			strncpy(guest.phase, "damaged", sizeof(guest.phase) - 1);
		}
		struct rundir_guest *more = reallocarray(*guests, *count + 1, sizeof(guest));
		if (!more) {
			closedir(directory);
			free(*guests);
			*guests = NULL;
			return error_set(err, ERROR_FAILED, "no memory for the list of guests");
		}
		*guests = more;
		more[(*count)++] = guest;
	}
	closedir(directory);
	return 0;
}

int rundir_start_time(pid_t pid, uint64_t *start_time, struct error *err)
{
	char path[64], text[1024];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	cleanup_file FILE *file = fopen(path, "re");
	if (!file)
		return error_set_errno(err, errno, "process %d is gone", (int)pid);
	size_t bytes = fread(text, 1, sizeof(text) - 1, file);
	text[bytes] = '\0';
	// The program's name is in parentheses and may hold anything: fields are counted after the last one. The state is field 3.
	char *at = strrchr(text, ')'), state;
	if (!at ||
		sscanf(at + 1,
			" %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
			"%" SCNu64,
			&state, start_time) != 2)
		return error_set(err, ERROR_FAILED, "%s cannot be read", path);
	if (state == 'Z' || state == 'X')
		return error_set(err, ERROR_NOT_FOUND, "process %d has ended", (int)pid);
	return 0;
}

bool rundir_guest_alive(const struct rundir_guest *guest, int *pidfd)
{
	uint64_t start_time;
	if (guest->pid <= 0)
		return false;
	cleanup_fd int fd = (int)syscall(SYS_pidfd_open, guest->pid, 0);
	// Opened before the start time is read: from then on it is that process that the descriptor means.
	if (fd < 0 || rundir_start_time(guest->pid, &start_time, NULL) || start_time != guest->start_time)
		return false;
	if (pidfd)
		*pidfd = steal_fd(&fd);
	return true;
}
