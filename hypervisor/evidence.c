// SPDX-License-Identifier: GPL-3.0-or-later
// Collects, limits and lists evidence: see evidence.h. A directory is made under a name that begins with a dot and renamed when it is whole, so that
// a crash in the middle leaves nothing that is taken for evidence. What a guest could make large is cut.
#include "hypervisor/evidence.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "common/name.h"
#include "hypervisor/clock.h"
#include "hypervisor/vm-private.h"
#include "hypervisor/vm-screen.h"

#define CONSOLE_KEPT (64 << 10)
#define REGISTERS_KEPT (64 << 10)
#define SCREEN_MAX (2 << 20) // of an evidence's answer, which has to fit a frame
#define ASK_MS 5000
#define REASON_MAX 1024

static void directory_of(const struct hypervisor *hv, const char *entry, char path[512])
{
	snprintf(path, 512, "%s/evidence%s%s", hv->state_directory, entry[0] ? "/" : "", entry);
}

static void write_file(const char *directory, const char *name, const void *bytes, size_t count)
{
	char path[700];
	struct error err = ERROR_INIT;
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	if (file_write_atomic(path, bytes, count, 0600, &err))
		log_warning("evidence: %s", err.message);
}

// ---- what is kept

static void keep_console(const struct vm *vm, const char *directory)
{
	char path[512];
	struct stat info;
	if (vm_path(vm, "console.log", path, sizeof(path), NULL))
		return;
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	cleanup_free char *text = malloc(CONSOLE_KEPT);
	if (fd < 0 || !text || fstat(fd, &info))
		return;
	off_t from = info.st_size > CONSOLE_KEPT ? info.st_size - CONSOLE_KEPT : 0;
	ssize_t count = pread(fd, text, CONSOLE_KEPT, from);
	if (count >= 0)
		write_file(directory, "console.txt", text, (size_t)count);
}

static void keep_registers(struct vm *vm, const char *directory)
{
	json_t *result = NULL;
	if (qmp_command(vm->qmp, "human-monitor-command",
		    json_pack("{s:s}", "command-line", "info registers -a"), ASK_MS, &result, NULL))
		return;
	const char *text = json_string_value(result);
	if (text && text[0])
		write_file(directory, "registers.txt", text, strnlen(text, REGISTERS_KEPT));
	json_decref(result);
}

static void keep_screen(struct vm *vm, const char *directory)
{
	cleanup_free char *picture = NULL;
	size_t count = 0;
	if (!screen_draw(vm, &picture, &count, NULL) && count <= SCREEN_MAX)
		write_file(directory, "screen.png", picture, count);
}

// ---- the names: VM-YYYYMMDDThhmmss.mmmZ, so that they sort by time

static bool is_name(const char *entry, const char *vm)
{
	size_t length = vm ? strlen(vm) : 0;
	const char *time = strrchr(entry, '-');
	if (entry[0] == '.' || strlen(entry) >= EVIDENCE_NAME_BYTES || strchr(entry, '/') || !time ||
		strlen(time) != 21)
		return false;
	return !vm || ((size_t)(time - entry) == length && !strncmp(entry, vm, length));
}

static int by_time(const void *a, const void *b)
{
	const char *first = strrchr(*(char *const *)a, '-'), *second = strrchr(*(char *const *)b, '-');
	return strcmp(first, second);
}

char **evidence_names(const struct hypervisor *hv, const char *vm, size_t *count)
{
	char path[512];
	*count = 0;
	directory_of(hv, "", path);
	DIR *directory = opendir(path);
	if (!directory)
		return NULL; // so it is on most nodes
	char **names = calloc(1, sizeof(*names));
	for (struct dirent *entry; names && (entry = readdir(directory));) {
		if (!is_name(entry->d_name, vm))
			continue;
		char **more = reallocarray(names, *count + 2, sizeof(*names));
		char *name = strdup(entry->d_name);
		if (!more || !name) {
			free(name);
			break;
		}
		names = more;
		names[(*count)++] = name;
	}
	closedir(directory);
	if (names && *count > 1)
		qsort(names, *count, sizeof(*names), by_time);
	return names;
}

static void names_free(char **names, size_t count)
{
	for (size_t i = 0; names && i < count; i++)
		free(names[i]);
	free(names);
}

static void remove_entry(const struct hypervisor *hv, const char *entry)
{
	char path[512], file[900];
	directory_of(hv, entry, path);
	DIR *directory = opendir(path);
	for (struct dirent *found; directory && (found = readdir(directory));) {
		if (!strcmp(found->d_name, ".") || !strcmp(found->d_name, ".."))
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, found->d_name);
		unlink(file);
	}
	if (directory)
		closedir(directory);
	if (rmdir(path))
		log_warning("evidence %s cannot be removed: %s", entry, strerror(errno));
}

// The oldest give way.
static void limit(const struct hypervisor *hv, const char *vm, size_t most)
{
	size_t count = 0;
	char **names = evidence_names(hv, vm, &count);
	for (size_t i = 0; i + most < count; i++)
		remove_entry(hv, names[i]);
	names_free(names, count);
}

static void make_name(const struct vm *vm, char name[EVIDENCE_NAME_BYTES])
{
	struct timespec now;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	snprintf(name, EVIDENCE_NAME_BYTES, "%s-%04d%02d%02dT%02d%02d%02d.%03dZ", vm->name,
		(tm.tm_year + 1900) % 10000, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		(int)(now.tv_nsec / 1000000));
}

void evidence_keep(struct vm *vm, const char *reason, char name[EVIDENCE_NAME_BYTES])
{
	struct hypervisor *hv = group_hypervisor(vm->group);
	struct error err = ERROR_INIT;
	char unfinished[512], whole[512], hidden[EVIDENCE_NAME_BYTES + 1];
	make_name(vm, name);
	snprintf(hidden, sizeof(hidden), ".%s",
		vm->name); // of an earlier hypervisord that died in here: used again
	directory_of(hv, hidden, unfinished);
	directory_of(hv, name, whole);
	if (file_make_directory(unfinished, 0700, &err)) {
		log_warning("vm=%s no evidence is kept: %s", vm->name, err.message);
		name[0] = '\0';
		return;
	}
	write_file(unfinished, "reason.txt", reason, strnlen(reason, REASON_MAX));
	keep_console(vm, unfinished);
	keep_registers(vm, unfinished);
	keep_screen(vm, unfinished);
	if (rename(unfinished, whole)) {
		log_warning("vm=%s no evidence is kept: %s: %s", vm->name, whole, strerror(errno));
		name[0] = '\0';
	}
	limit(hv, vm->name, EVIDENCE_PER_VM);
	limit(hv, NULL, EVIDENCE_ALL);
}

// ---- looking

static Holdfast__EvidenceFile *read_one(const char *directory, const char *name, bool content)
{
	char path[800];
	struct stat info;
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	Holdfast__EvidenceFile *file = malloc(sizeof(*file));
	if (!file)
		return NULL;
	holdfast__evidence_file__init(file);
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	file->name = strdup(name);
	if (fd < 0 || fstat(fd, &info) || info.st_size > SCREEN_MAX)
		return file;
	file->size_bytes = (uint64_t)info.st_size;
	file->content.data = content ? malloc((size_t)info.st_size + 1) : NULL;
	ssize_t count = file->content.data ? read(fd, file->content.data, (size_t)info.st_size) : 0;
	file->content.len = count > 0 ? (size_t)count : 0;
	return file;
}

static Holdfast__Evidence *read_entry(
	const struct hypervisor *hv, const char *vm, const char *name, bool content)
{
	static const char *const files[] = { "reason.txt", "console.txt", "registers.txt", "screen.png" };
	char directory[512], path[700], time[40];
	Holdfast__Evidence *entry = malloc(sizeof(*entry));
	if (!entry)
		return NULL;
	holdfast__evidence__init(entry);
	directory_of(hv, name, directory);
	const char *t = strrchr(name, '-') + 1;
	snprintf(time, sizeof(time), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2s%s", t, t + 4, t + 6, t + 9, t + 11,
		t + 13, t + 15);
	entry->name = strdup(name);
	entry->vm = strdup(vm);
	entry->node = strdup(hv->config.node);
	entry->time = strdup(time);
	snprintf(path, sizeof(path), "%s/reason.txt", directory);
	char *reason = NULL;
	entry->reason = file_read(path, REASON_MAX + 1, &reason, NULL, NULL) ? strdup("") : reason;
	entry->files = calloc(sizeof(files) / sizeof(files[0]), sizeof(*entry->files));
	for (size_t i = 0; entry->files && i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
		Holdfast__EvidenceFile *file =
			access(path, R_OK) ? NULL : read_one(directory, files[i], content);
		if (file)
			entry->files[entry->n_files++] = file;
	}
	return entry;
}

int evidence_list(const struct hypervisor *hv, const char *vm, const char *entry,
	Holdfast__EvidenceList *list, struct error *err)
{
	size_t count = 0;
	if (entry[0] && !is_name(entry, vm))
		return error_set(err, ERROR_NOT_FOUND,
			"VM %s has no evidence %.80s: see holdfast vm evidence %s", vm, entry, vm);
	char **names = evidence_names(hv, vm, &count);
	list->evidence = calloc(count + 1, sizeof(*list->evidence));
	for (size_t i = 0; list->evidence && i < count; i++) {
		if (entry[0] && strcmp(entry, names[i]))
			continue;
		Holdfast__Evidence *one = read_entry(hv, vm, names[i], entry[0] != '\0');
		if (one)
			list->evidence[list->n_evidence++] = one;
	}
	names_free(names, count);
	if (entry[0] && !list->n_evidence)
		return error_set(err, ERROR_NOT_FOUND,
			"VM %s has no evidence %.80s any more: see holdfast vm evidence %s", vm, entry, vm);
	return 0;
}
