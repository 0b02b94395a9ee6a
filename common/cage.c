// SPDX-License-Identifier: GPL-3.0-or-later
// Plans a cage: which directories and files are made and bound in the new root. Everything that allocates or looks at the machine's files happens
// here, before fork; cage-enter.c only carries the plan out.
#include "common/cage-private.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/cleanup.h"

// Libraries, QEMU's modules, firmware and ROMs, time zones; no program but the one that is run.
static const char *const machine_paths[] = {
	"/usr/lib",
	"/usr/lib64",
	"/usr/lib32",
	"/usr/libx32",
	"/lib",
	"/lib64",
	"/lib32",
	"/libx32",
	"/usr/share/qemu",
	"/usr/share/seabios",
	"/usr/share/OVMF",
	"/usr/share/ovmf",
	"/usr/share/ipxe",
	"/usr/share/qemu-efi",
	"/etc/ld.so.cache",
	"/etc/localtime",
	"/dev/null",
	"/dev/zero",
	"/dev/full",
	"/dev/random",
	"/dev/urandom",
};

static void plan_done(struct cage_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		free(plan->ops[i].path);
		free(plan->ops[i].source);
	}
	free(plan->ops);
}

static int plan_add(struct cage_plan *plan, enum cage_op_kind kind, const char *base, const char *path,
	const char *source)
{
	struct cage_op *ops = reallocarray(plan->ops, plan->count + 1, sizeof(*ops));
	if (!ops)
		return -1;
	plan->ops = ops;
	struct cage_op *op = &ops[plan->count];
	*op = (struct cage_op){ .kind = kind, .source = source ? strdup(source) : NULL };
	if (asprintf(&op->path, "%s%s", base, path) < 0)
		op->path = NULL;
	plan->count++;
	return op->path && (!source || op->source) ? 0 : -1;
}

static int plan_parents(struct cage_plan *plan, const char *base, const char *path)
{
	char parent[PATH_MAX];
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
		if (plan_add(plan, CAGE_OP_DIRECTORY, base, parent, NULL))
			return -1;
	}
	return 0;
}

// One path of the machine, as it is: a link at its place stays a link (/lib64), all else is bound.
static int plan_path(struct cage_plan *plan, const char *base, const char *path, bool keep_links)
{
	char target[PATH_MAX];
	struct stat info;
	if (strlen(path) >= PATH_MAX || path[0] != '/' || lstat(path, &info))
		return 0;
	if (plan_parents(plan, base, path))
		return -1;
	if (S_ISLNK(info.st_mode) && keep_links) {
		ssize_t length = readlink(path, target, sizeof(target) - 1);
		if (length < 0)
			return 0;
		target[length] = '\0';
		return plan_add(plan, CAGE_OP_LINK, base, path, target);
	}
	if (stat(path, &info))
		return 0;
	return plan_add(
		plan, S_ISDIR(info.st_mode) ? CAGE_OP_BIND_DIRECTORY : CAGE_OP_BIND_FILE, base, path, path);
}

static int plan_machine(struct cage *cage, const char *visible)
{
	char path[PATH_MAX];
	for (size_t i = 0; i < sizeof(machine_paths) / sizeof(machine_paths[0]); i++)
		if (plan_path(
			    &cage->plan, cage->base, machine_paths[i], strncmp(machine_paths[i], "/etc/", 5)))
			return -1;
	for (const char *at = visible; at && *at;) {
		size_t length = strcspn(at, ":");
		snprintf(path, sizeof(path), "%.*s", (int)length, at);
		if (plan_path(&cage->plan, cage->base, path, false))
			return -1;
		at += length + (at[length] == ':');
	}
	return plan_add(&cage->plan, CAGE_OP_DIRECTORY, cage->base, "/proc", NULL);
}

struct cage *cage_new(const struct cage_options *options, struct error *err)
{
	struct cage *cage = calloc(1, sizeof(*cage));
	if (!cage) {
		error_set(err, ERROR_FAILED, "no memory");
		return NULL;
	}
	cage->kind = options->kind;
	cage->core_dumps = options->core_dumps;
	cage->base = strdup(options->base);
	if (!cage->base || asprintf(&cage->proc, "%s/proc", options->base) < 0 ||
		plan_machine(cage, options->visible)) {
		error_set(err, ERROR_FAILED, "no memory");
		cage_free(cage);
		return NULL;
	}
	if (cage_filter_make(&cage->filter, err)) {
		cage_free(cage);
		return NULL;
	}
	return cage;
}

void cage_free(struct cage *cage)
{
	if (!cage)
		return;
	plan_done(&cage->plan);
	free(cage->filter.filter);
	free(cage->base);
	free(cage->proc);
	free(cage);
}

struct cage_entry *cage_entry_new(const struct cage *cage, const char *program, const char *const *files,
	bool network, struct error *err)
{
	struct cage_entry *entry = calloc(1, sizeof(*entry));
	int result = entry ? 0 : -1;
	if (entry) {
		entry->cage = cage;
		entry->network = network;
		result = plan_path(&entry->plan, cage->base, program, false);
	}
	if (!result && network) // for the names that the guest asks for
		result = plan_path(&entry->plan, cage->base, "/etc/resolv.conf", false);
	for (size_t i = 0; !result && files && files[i]; i++)
		result = plan_path(&entry->plan, cage->base, files[i], false);
	if (!result)
		return entry;
	cage_entry_free(entry);
	error_set(err, ERROR_FAILED, "no memory");
	return NULL;
}

void cage_entry_free(struct cage_entry *entry)
{
	if (!entry)
		return;
	plan_done(&entry->plan);
	free(entry);
}
