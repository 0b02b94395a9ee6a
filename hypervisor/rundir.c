// SPDX-License-Identifier: GPL-3.0-or-later
// The run directory's groups: locks, the wanted state, the definition in use. Every file is replaced atomically, so that a reader after
// a crash sees the old or the new. Knows nothing of QEMU; guests are in rundir-guest.c.
#include "hypervisor/rundir-private.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include "common/cleanup.h"
#include "common/config.h"
#include "common/file.h"
#include "common/name.h"
#include "proto/json.h"

#define SPEC_LIMIT (1u << 20)

bool rundir_base(const char *vm, char base[64])
{
	size_t length = strlen(vm), suffix = strlen(RUNDIR_NEXT);
	if (length <= suffix || length - suffix >= 64 || strcmp(vm + length - suffix, RUNDIR_NEXT))
		return false;
	memcpy(base, vm, length - suffix);
	base[length - suffix] = '\0';
	return true;
}

bool rundir_is_next(const char *vm)
{
	char base[64];
	return rundir_base(vm, base);
}

int rundir_path(const struct rundir *run, const char *kind, const char *name, const char *file, char *path,
	size_t size, struct error *err)
{
	char base[64];
	if (kind[0] == 'g' ? name_check("group", name, err)
			   : name_check("VM", rundir_base(name, base) ? base : name, err))
		return -1;
	const char *root = run->root ? run->root : CONFIG_RUN_DIRECTORY;
	int length =
		snprintf(path, size, "%s/%s/%s%s%s", root, kind, name, file ? "/" : "", file ? file : "");
	if (length < 0 || (size_t)length >= size)
		return error_set(err, ERROR_USAGE, "the run directory's path %s is too long", root);
	return 0;
}

static int group_path(const struct rundir *run, const char *group, const char *file, char path[RUNDIR_PATH],
	struct error *err)
{
	return rundir_path(run, "groups", group, file, path, RUNDIR_PATH, err);
}

static int make_group(const struct rundir *run, const char *group, struct error *err)
{
	char path[RUNDIR_PATH];
	if (group_path(run, group, NULL, path, err))
		return -1;
	return file_make_directory(path, 0700, err);
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int rundir_group_lock(
	const struct rundir *run, const char *group, unsigned timeout_ms, int *fd, struct error *err)
{
	char path[RUNDIR_PATH];
	if (make_group(run, group, err) || group_path(run, group, "lock", path, err))
		return -1;
	cleanup_fd int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0)
		return error_set_errno(err, errno, "cannot open %s", path);
	int64_t deadline = now_ms() + timeout_ms;
	while (flock(lock, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return error_set_errno(err, errno, "cannot lock %s", path);
		if (now_ms() >= deadline)
			return error_set(err, ERROR_BUSY,
				"group %s is locked by another program on this node; try again", group);
		poll(NULL, 0, 5); // flock has no deadline of its own: bounded tries
	}
	*fd = steal_fd(&lock);
	return 0;
}

static const char *const wanted_words[] = {
	[WANTED_UNKNOWN] = "unknown",
	[WANTED_STOPPED] = "stopped",
	[WANTED_STARTED] = "started",
};

int rundir_wanted_get(const struct rundir *run, const char *group, enum wanted *wanted, uint64_t *generation,
	struct error *err)
{
	char path[RUNDIR_PATH];
	cleanup_free char *text = NULL;
	struct error local = ERROR_INIT;

	*wanted = WANTED_UNKNOWN;
	*generation = 0;
	if (group_path(run, group, "wanted", path, err))
		return -1;
	if (file_read(path, 128, &text, NULL, &local))
		return local.code == ERROR_NOT_FOUND ? 0 : error_copy(err, &local);
	char word[16];
	if (sscanf(text, "%15s %" SCNu64, word, generation) != 2)
		return error_set(err, ERROR_FAILED, "%s is damaged", path);
	for (int i = WANTED_STOPPED; i <= WANTED_STARTED; i++)
		if (!strcmp(word, wanted_words[i]))
			*wanted = (enum wanted)i;
	if (*wanted == WANTED_UNKNOWN)
		return error_set(err, ERROR_FAILED, "%s is damaged", path);
	return 0;
}

int rundir_wanted_set(const struct rundir *run, const char *group, enum wanted wanted, uint64_t generation,
	struct error *err)
{
	char path[RUNDIR_PATH], text[64];
	if (make_group(run, group, err) || group_path(run, group, "wanted", path, err))
		return -1;
	int length = snprintf(text, sizeof(text), "%s %" PRIu64 "\n", wanted_words[wanted], generation);
	return file_write_atomic(path, text, (size_t)length, 0600, err);
}

int rundir_spec_get(
	const struct rundir *run, const char *group, Holdfast__GroupSpec **spec, struct error *err)
{
	char path[RUNDIR_PATH];
	cleanup_free char *text = NULL;
	if (group_path(run, group, "spec.json", path, err) || file_read(path, SPEC_LIMIT, &text, NULL, err))
		return -1;
	ProtobufCMessage *message = proto_from_json_text(&holdfast__group_spec__descriptor, text, err);
	if (!message)
		return error_prefix(err, "%s", path);
	*spec = (Holdfast__GroupSpec *)message;
	return 0;
}

int rundir_spec_set(const struct rundir *run, const Holdfast__GroupSpec *spec, struct error *err)
{
	char path[RUNDIR_PATH];
	if (!spec->group)
		return error_set(err, ERROR_USAGE, "the definition has no group");
	if (make_group(run, spec->group->name, err) ||
		group_path(run, spec->group->name, "spec.json", path, err))
		return -1;
	cleanup_free char *text = proto_to_json_text(&spec->base);
	if (!text)
		return error_set(
			err, ERROR_FAILED, "no memory for the definition of group %s", spec->group->name);
	return file_write_atomic(path, text, strlen(text), 0600, err);
}

int rundir_group_remove(const struct rundir *run, const char *group, struct error *err)
{
	char path[RUNDIR_PATH];
	// What is wanted goes first: without it nothing is started.
	if (group_path(run, group, "wanted", path, err) || file_remove(path, err) ||
		group_path(run, group, NULL, path, err))
		return -1;
	return rundir_remove_directory(path, err);
}
