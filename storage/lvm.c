// SPDX-License-Identifier: GPL-3.0-or-later
// Runs the lvm programs. Where no udevd runs (a lab's node) lvm is told to make the device nodes itself; else it would wait for one.
#include "storage/lvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include "common/cleanup.h"
#include "common/spawn.h"
#include "common/task.h"
#include "storage/internal.h"

#define LVM_TIMEOUT_MS 60000
#define ARGUMENTS_MAX 24
#define ZERO_STEP_BYTES (64ull << 20)

// Of what is on /dev/drbd* lvm must not even read the start: it would hold open what has to be demoted.
#define NOT_DRBD "devices{filter=[\"r|^/dev/drbd|\"]}"
#define WITHOUT_UDEV                                                               \
	NOT_DRBD " activation{udev_sync=0 udev_rules=0 verify_udev_operations=0} " \
		 "devices{obtain_device_list_from_udev=0}"

// PROGRAM, what every call has, then ARGUMENTS (ends with NULL).
static int lvm_run(
	const char *program, const char *const arguments[], struct spawn_output *output, struct error *err)
{
	const char *argv[ARGUMENTS_MAX] = { program, "--config",
		access("/run/udev/control", F_OK) < 0 ? WITHOUT_UDEV : NOT_DRBD };
	size_t count = 3;

	for (size_t i = 0; arguments[i]; i++) {
		if (count + 1 >= ARGUMENTS_MAX)
			return error_set(err, ERROR_USAGE, "%s: too many arguments", program);
		argv[count++] = arguments[i];
	}
	argv[count] = NULL;
	return spawn_run(argv, LVM_TIMEOUT_MS, output, err);
}

static int lvm_do(const char *program, const char *const arguments[], struct error *err)
{
	struct spawn_output output = { 0 };
	int result = lvm_run(program, arguments, &output, err);

	spawn_output_done(&output);
	return result;
}

static int full_name(const char *pool, const char *name, char *full, size_t size, struct error *err)
{
	return path_format(full, size, err, "%s/%s", pool, name);
}

int lvm_pool(const char *pool, struct lvm_pool *info, struct error *err)
{
	struct spawn_output output = { 0 };
	int result = lvm_run("vgs",
		(const char *[]){ "--reportformat", "json", "--units", "b", "--nosuffix", "-o",
			"vg_name,vg_size,vg_free,vg_extent_size", "--", pool, NULL },
		&output, err);

	if (result == 0)
		result = lvm_parse_pool(output.out, info, err);
	else if (output.err && strstr(output.err, "not found"))
		result = error_set(err, ERROR_NOT_FOUND,
			"there is no LVM volume group %s on this node: make it (vgcreate %s DEVICE) or "
			"name another one as pool= in holdfast.conf",
			pool, pool);
	spawn_output_done(&output);
	return result;
}

int lvm_list(
	const char *pool, const char *group, struct lvm_volume **volumes, size_t *count, struct error *err)
{
	struct spawn_output output = { 0 };
	char select[128];
	snprintf(select, sizeof(select), "lv_name=~^%s[.]", group);
	int result = lvm_run("lvs",
		(const char *[]){ "--reportformat", "json", "--units", "b", "--nosuffix", "-o",
			"lv_name,lv_size,lv_tags,lv_attr", "-S", select, "--", pool, NULL },
		&output, err);

	if (result == 0)
		result = lvm_parse_volumes(output.out, volumes, count, err);
	spawn_output_done(&output);
	return result;
}

int lvm_create(
	const char *pool, const char *name, uint64_t bytes, const char *const tags[], struct error *err)
{
	const char *arguments[ARGUMENTS_MAX] = { "--yes", "--wipesignatures", "n", "--zero", "n", "--size" };
	size_t count = 6;
	char size[32];

	snprintf(size, sizeof(size), "%llub", (unsigned long long)bytes);
	arguments[count++] = size;
	for (size_t i = 0; tags[i] && count + 6 < ARGUMENTS_MAX; i++) {
		arguments[count++] = "--addtag";
		arguments[count++] = tags[i];
	}
	arguments[count++] = "--name";
	arguments[count++] = name;
	arguments[count++] = "--";
	arguments[count++] = pool;
	return lvm_do("lvcreate", arguments, err);
}

int lvm_extend(const char *pool, const char *name, uint64_t bytes, struct error *err)
{
	char size[32], full[256];

	snprintf(size, sizeof(size), "%llub", (unsigned long long)bytes);
	if (full_name(pool, name, full, sizeof(full), err) < 0)
		return -1;
	return lvm_do("lvextend", (const char *[]){ "--size", size, "--", full, NULL }, err);
}

int lvm_remove(const char *pool, const char *name, struct error *err)
{
	char full[256];

	if (full_name(pool, name, full, sizeof(full), err) < 0)
		return -1;
	return lvm_do("lvremove", (const char *[]){ "--yes", "--", full, NULL }, err);
}

int lvm_replace_tag(const char *pool, const char *name, const char *old, const char *new, struct error *err)
{
	char full[256];

	if (full_name(pool, name, full, sizeof(full), err) < 0)
		return -1;
	return lvm_do(
		"lvchange", (const char *[]){ "--deltag", old, "--addtag", new, "--", full, NULL }, err);
}

int lvm_activate(const char *pool, struct error *err)
{
	return lvm_do("vgchange", (const char *[]){ "--activate", "y", "--", pool, NULL }, err);
}

// ---- zeroing

struct zeroing {
	char path[PATH_MAX];
	uint64_t from;
	int flags; // O_EXCL: nobody else has it
};

// In steps, so that one request does not hold up everything else on the disk.
static int zero_work(void *data, struct error *err)
{
	const struct zeroing *zeroing = data;
	cleanup_fd int fd = open(zeroing->path, O_RDWR | zeroing->flags | O_CLOEXEC);
	uint64_t size;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set_errno(err, errno, "cannot open %s to zero it", zeroing->path);
	if (!S_ISBLK(st.st_mode))
		return error_set(err, ERROR_FAILED, "%s is not a block device", zeroing->path);
	if (ioctl(fd, BLKGETSIZE64, &size) < 0)
		return error_set_errno(err, errno, "%s", zeroing->path);
	for (uint64_t at = zeroing->from; at < size; at += ZERO_STEP_BYTES) {
		uint64_t range[2] = { at, size - at < ZERO_STEP_BYTES ? size - at : ZERO_STEP_BYTES };
		if (ioctl(fd, BLKZEROOUT, range) < 0)
			return error_set_errno(err, errno, "cannot zero %s", zeroing->path);
	}
	return fsync(fd) < 0 ? error_set_errno(err, errno, "%s", zeroing->path) : 0;
}

static int zero_with(struct zeroing *zeroing, const char *pool, const char *name, struct error *err)
{
	if (path_format(zeroing->path, sizeof(zeroing->path), err, "/dev/%s/%s", pool, name) < 0)
		return -1;
	return task_offload(zero_work, zeroing, err);
}

int lvm_zero_from(const char *pool, const char *name, uint64_t from, struct error *err)
{
	struct zeroing zeroing = { .from = from };

	return zero_with(&zeroing, pool, name, err);
}

int lvm_zero(const char *pool, const char *name, struct error *err)
{
	struct zeroing zeroing = { .flags = O_EXCL };

	return zero_with(&zeroing, pool, name, err);
}
