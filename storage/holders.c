// SPDX-License-Identifier: GPL-3.0-or-later
// Who has a volume open, for the message when it cannot be given up: processes (/proc/*/fd), mounts, device-mapper tables. Only looks;
// what it does not find (another mount namespace) it does not name.
#include "storage/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "common/cleanup.h"

static void append(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void append(char *text, size_t size, const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	if (used && used < size)
		used += (size_t)snprintf(text + used, size - used, ", ");
	if (used >= size)
		return;
	va_start(args, format);
	vsnprintf(text + used, size - used, format, args);
	va_end(args);
}

static bool same(const struct stat *a, const struct stat *b)
{
	if (S_ISBLK(b->st_mode))
		return S_ISBLK(a->st_mode) && a->st_rdev == b->st_rdev;
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool process_holds(const char *pid, const struct stat *target)
{
	char path[64];
	DIR *fds;
	bool holds = false;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	fds = opendir(path);
	if (!fds)
		return false;
	for (struct dirent *entry; !holds && (entry = readdir(fds));) {
		struct stat opened;
		if (entry->d_name[0] != '.' && fstatat(dirfd(fds), entry->d_name, &opened, 0) == 0)
			holds = same(&opened, target);
	}
	closedir(fds);
	return holds;
}

static void append_processes(const struct stat *target, char *text, size_t size)
{
	DIR *proc = opendir("/proc");

	if (!proc)
		return;
	for (struct dirent *entry; (entry = readdir(proc));) {
		char path[64], name[32] = "?";
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || !process_holds(entry->d_name, target))
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/comm", entry->d_name);
		cleanup_file FILE *comm = fopen(path, "re");
		if (comm && fgets(name, sizeof(name), comm))
			name[strcspn(name, "\n")] = '\0';
		append(text, size, "held open by %s (pid %s)", name, entry->d_name);
	}
	closedir(proc);
}

static void append_mounts(const struct stat *target, char *text, size_t size)
{
	cleanup_file FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char line[4096];

	while (mounts && fgets(line, sizeof(line), mounts)) {
		unsigned major_number, minor_number;
		char where[512];
		if (sscanf(line, "%*u %*u %u:%u %*s %511s", &major_number, &minor_number, where) == 3 &&
			makedev(major_number, minor_number) == target->st_rdev)
			append(text, size, "mounted on %s", where);
	}
}

static void append_stacked(const struct stat *target, char *text, size_t size)
{
	char path[64];
	DIR *holders;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/holders", major(target->st_rdev),
		minor(target->st_rdev));
	holders = opendir(path);
	if (!holders)
		return;
	for (struct dirent *entry; (entry = readdir(holders));)
		if (entry->d_name[0] != '.')
			append(text, size, "used by the device %s", entry->d_name);
	closedir(holders);
}

void holders_describe(const char *path, char *text, size_t size)
{
	struct stat target;

	text[0] = '\0';
	if (stat(path, &target) < 0)
		return;
	append_processes(&target, text, size);
	if (S_ISBLK(target.st_mode)) {
		append_mounts(&target, text, size);
		append_stacked(&target, text, size);
	}
}
