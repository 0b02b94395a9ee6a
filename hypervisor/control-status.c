// SPDX-License-Identifier: GPL-3.0-or-later
// What a VM is held to and what it uses, for those who ask. A setting that this node cannot keep is told here, in words; none is silently dropped.
#include <dirent.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "hypervisor/control.h"
#include "proto/json.h"

#define MIB ((uint64_t)1 << 20)
#define STAT_FIELDS_FROM 3 // the first one after the name

static void add_notice(Holdfast__VmStatus *status, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void add_notice(Holdfast__VmStatus *status, const char *format, ...)
{
	char *text = NULL;
	va_list list;
	va_start(list, format);
	if (vasprintf(&text, format, list) < 0)
		text = NULL;
	va_end(list);
	char **more = text ? reallocarray(status->notices, status->n_notices + 1, sizeof(*more)) : NULL;
	if (!more) {
		free(text);
		return;
	}
	status->notices = more;
	more[status->n_notices++] = text;
}

// ---- what it uses

// One file has both: /proc/PID/stat, whose fields are counted from behind the name, which may hold anything.
static void add_use(const struct vm *vm, Holdfast__VmStatus *status)
{
	char path[40], text[1024];
	unsigned long long user = 0, system = 0;
	long long pages = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)vm->guest.pid);
	cleanup_file FILE *file = vm_has_process(vm) ? fopen(path, "re") : NULL;
	size_t bytes = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
	text[bytes] = '\0';
	const char *after = strrchr(text, ')');
	if (!after ||
		sscanf(after + 1,
			" %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %*u "
			"%*u %lld",
			&user, &system, &pages) != STAT_FIELDS_FROM)
		return;
	status->cpu_seconds = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
	status->memory_used_mib = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) / MIB;
	status->memory_guest_mib = vm->balloon_mib;
}

// ---- what this node cannot keep

static bool file_says(const char *path, const char *words)
{
	char text[512];
	cleanup_file FILE *file = fopen(path, "re");
	while (file && fgets(text, sizeof(text), file))
		if (strstr(text, words))
			return true;
	return false;
}

static bool any_disk_has_bfq(void)
{
	char path[400];
	bool found = false;
	DIR *blocks = opendir("/sys/block");
	for (struct dirent *entry; blocks && !found && (entry = readdir(blocks));) {
		snprintf(path, sizeof(path), "/sys/block/%s/queue/scheduler", entry->d_name);
		found = file_says(path, "[bfq]");
	}
	if (blocks)
		closedir(blocks);
	return found;
}

// Weights of disks are the block layer's: BFQ's, or io.cost's, if the kernel was built with them. NULL: they are kept.
static const char *why_disks_are_not_weighed(const struct cgroups *cgroups, const char *vm)
{
	char path[400];
	if (!(cgroups->controllers & CGROUP_IO))
		return cgroups->problem[0] ? cgroups->problem : "its cgroups have no io controller";
	bool weight = cgroup_has(cgroups, vm, "io.weight"), bfq = cgroup_has(cgroups, vm, "io.bfq.weight");
	if (!weight && !bfq)
		return "its kernel has neither io.cost (CONFIG_BLK_CGROUP_IOCOST) nor BFQ with groups (CONFIG_BFQ_GROUP_IOSCHED)";
	snprintf(path, sizeof(path), "%s/io.cost.qos", cgroups->root);
	if ((weight && file_says(path, "enable=1")) || (bfq && any_disk_has_bfq()))
		return NULL;
	return "io.cost is off, and no disk of it is scheduled by BFQ (/sys/block/DISK/queue/scheduler)";
}

static void add_cpu_notices(const struct vm *vm, Holdfast__VmStatus *status)
{
	const struct hypervisor *hv = group_hypervisor(vm->group);
	const Holdfast__Control *control = vm->definition->control;
	if (!control || (hv->cgroups.controllers & CGROUP_CPU))
		return;
	if (control->cpu_reserve || control->cpu_weight || (control->cpu_limit && control->cpu_limit < 100))
		add_notice(status, "CPU reserve, limit and weight are not kept on node %s: %s",
			hv->config.node, hv->cgroups.problem);
}

static void add_device_notices(const struct vm *vm, Holdfast__VmStatus *status)
{
	const struct hypervisor *hv = group_hypervisor(vm->group);
	bool weight = false;
	for (size_t i = 0; i < vm->definition->n_disks; i++)
		weight |= vm->definition->disks[i]->weight != 0;
	const char *why = weight && vm_has_process(vm) ? why_disks_are_not_weighed(&hv->cgroups, vm->name) : NULL;
	if (why)
		add_notice(status, "weights of disks are not in force on node %s: %s", hv->config.node, why);
	for (size_t i = 0; i < vm->definition->n_nics; i++)
		if (vm->definition->nics[i]->limit_bytes_per_s &&
			!strcmp(vm->definition->nics[i]->network, "user"))
			add_notice(status,
				"the limit of NIC nic%zu is not kept: QEMU's own network (user) has none; "
				"give it a "
				"network of the node",
				i);
}

// ---- the whole

static void add_disks(const struct vm *vm, Holdfast__VmStatus *status)
{
	for (size_t i = 0; i < status->n_disks && i < vm->definition->n_disks; i++) {
		const Holdfast__Disk *disk = vm->definition->disks[i];
		status->disks[i]->weight = disk->weight;
		if (disk->limit)
			status->disks[i]->limit = (Holdfast__Throttle *)proto_copy(&disk->limit->base);
	}
	for (size_t i = 0; i < status->n_nics && i < vm->definition->n_nics; i++)
		status->nics[i]->limit_bytes_per_s = vm->definition->nics[i]->limit_bytes_per_s;
}

void control_status(const struct vm *vm, Holdfast__VmStatus *status)
{
	if (vm->definition->control)
		status->control = (Holdfast__Control *)proto_copy(&vm->definition->control->base);
	add_disks(vm, status);
	add_cpu_notices(vm, status);
	add_device_notices(vm, status);
	if (!vm_has_process(vm))
		return;
	add_use(vm, status);
	if (vm->control_error[0])
		add_notice(status, "%s", vm->control_error);
}
