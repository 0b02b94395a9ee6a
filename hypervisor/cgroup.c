// SPDX-License-Identifier: GPL-3.0-or-later
// Makes, fills and removes the guests' cgroups by mkdir, write and rmdir. Only in the unified hierarchy (v2) at its usual place; a system with
// v1 controllers runs guests in hypervisord's own cgroup, and says so.
#include "hypervisor/cgroup.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>
#include "common/cleanup.h"

#define SLICE "holdfast.slice"
#define PATH_BYTES 400

static const struct {
	unsigned bit;
	const char *name, *add;
} kinds[] = {
	{ CGROUP_CPU, "cpu", "+cpu" },
	{ CGROUP_MEMORY, "memory", "+memory" },
	{ CGROUP_IO, "io", "+io" },
	{ CGROUP_PIDS, "pids", "+pids" },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static bool path_of(const struct cgroups *cgroups, const char *vm, const char *file, char path[PATH_BYTES])
{
	int length = vm ? snprintf(path, PATH_BYTES, "%s/" SLICE "/vm-%s.scope%s%s", cgroups->root, vm,
				  file ? "/" : "", file ? file : "")
			: snprintf(path, PATH_BYTES, "%s/" SLICE "%s%s", cgroups->root, file ? "/" : "",
				  file ? file : "");
	return length > 0 && length < PATH_BYTES;
}

static int write_text(const char *path, const char *text)
{
	cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	return write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

static bool has_word(const char *text, const char *word)
{
	size_t length = strlen(word);
	for (const char *at = text; (at = strstr(at, word)); at += length)
		if ((at == text || at[-1] == ' ') && (!at[length] || strchr(" \n", at[length])))
			return true;
	return false;
}

static unsigned read_controllers(const char *path)
{
	char text[512] = "";
	unsigned mask = 0;
	cleanup_file FILE *file = fopen(path, "re");
	if (!file || !fgets(text, sizeof(text), file))
		return 0;
	for (size_t i = 0; i < KINDS; i++)
		if (has_word(text, kinds[i].name))
			mask |= kinds[i].bit;
	return mask;
}

// Hands each controller down on its own: one that cannot be had must not cost the others.
static void hand_down(const char *directory)
{
	char path[PATH_BYTES + 32];
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", directory);
	unsigned there = read_controllers(path);
	for (size_t i = 0; i < KINDS; i++)
		if (!(there & kinds[i].bit) && write_text(path, kinds[i].add))
			continue; // what is missing is seen below
}

static void name_missing(struct cgroups *cgroups)
{
	size_t used = 0;
	for (size_t i = 0; i < KINDS; i++) {
		if (cgroups->controllers & kinds[i].bit)
			continue;
		used += (size_t)snprintf(cgroups->problem + used, sizeof(cgroups->problem) - used, "%s%s",
			used ? ", " : "", kinds[i].name);
	}
	if (used)
		snprintf(cgroups->problem + used, sizeof(cgroups->problem) - used,
			": not among the controllers that cgroup v2 at %s hands down", cgroups->root);
}

void cgroups_open(struct cgroups *cgroups, const char *root)
{
	char path[PATH_BYTES];
	struct statfs info;
	*cgroups = (struct cgroups){ .root = root };
	if (statfs(root, &info) || info.f_type != CGROUP2_SUPER_MAGIC || access(root, W_OK)) {
		snprintf(cgroups->problem, sizeof(cgroups->problem),
			"%s is not a writable cgroup v2 hierarchy (systemd.unified_cgroup_hierarchy=1 on the "
			"kernel's command line makes it one)",
			root);
		return;
	}
	hand_down(root);
	if (!path_of(cgroups, NULL, NULL, path) || (mkdir(path, 0755) && errno != EEXIST)) {
		snprintf(cgroups->problem, sizeof(cgroups->problem), "%.120s cannot be made: %s", path,
			strerror(errno));
		return;
	}
	cgroups->usable = true;
	hand_down(path);
	if (path_of(cgroups, NULL, "cgroup.subtree_control", path))
		cgroups->controllers = read_controllers(path);
	name_missing(cgroups);
}

void cgroups_sweep(const struct cgroups *cgroups)
{
	char path[PATH_BYTES];
	if (!cgroups->usable || !path_of(cgroups, NULL, NULL, path))
		return;
	DIR *directory = opendir(path);
	for (struct dirent *entry; directory && (entry = readdir(directory));)
		if (!strncmp(entry->d_name, "vm-", 3))
			unlinkat(dirfd(directory), entry->d_name,
				AT_REMOVEDIR); // refused while somebody is in it
	if (directory)
		closedir(directory);
}

bool cgroup_make(const struct cgroups *cgroups, const char *vm, char *procs, size_t size)
{
	char path[PATH_BYTES];
	if (!cgroups->usable || !path_of(cgroups, vm, NULL, path) || (mkdir(path, 0755) && errno != EEXIST))
		return false;
	int length = snprintf(procs, size, "%s/cgroup.procs", path);
	return length > 0 && (size_t)length < size;
}

int cgroup_take(const struct cgroups *cgroups, const char *vm, pid_t pid, struct error *err)
{
	char procs[PATH_BYTES + 32], text[32];
	if (!cgroups->usable)
		return 0;
	if (!cgroup_make(cgroups, vm, procs, sizeof(procs)))
		return error_set_errno(err, errno, "VM %s: its cgroup cannot be made", vm);
	snprintf(text, sizeof(text), "%d", (int)pid);
	return write_text(procs, text) ? error_set_errno(err, errno, "VM %s: %s", vm, procs) : 0;
}

void cgroup_remove(const struct cgroups *cgroups, const char *vm)
{
	char path[PATH_BYTES];
	if (cgroups->usable && path_of(cgroups, vm, NULL, path))
		rmdir(path);
}

int cgroup_set(
	const struct cgroups *cgroups, const char *vm, const char *file, const char *value, struct error *err)
{
	char path[PATH_BYTES];
	if (!cgroups->usable)
		return 0;
	if (!path_of(cgroups, vm, file, path))
		return error_set(err, ERROR_USAGE, "%s: too long", file);
	if (write_text(path, value))
		return error_set_errno(err, errno, "\"%s\" cannot be written to %s", value, path);
	return 0;
}

bool cgroup_has(const struct cgroups *cgroups, const char *vm, const char *file)
{
	char path[PATH_BYTES];
	return cgroups->usable && path_of(cgroups, vm, file, path) && !access(path, W_OK);
}
