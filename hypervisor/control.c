// SPDX-License-Identifier: GPL-3.0-or-later
// When what is applied, and the cgroup's part of it. The plan is control-plan.c's; what QEMU does is control-qemu.c's.
#include "hypervisor/control.h"
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include "common/log.h"
#include "hypervisor/control-plan.h"
#include "hypervisor/tap-limit.h"
#include "proto/control.h"
#include "proto/shape.h"

#define LOCK_MS 60000
#define MIB ((uint64_t)1 << 20)
#define ROUNDING 1e-6

// Kept for the notices; "" if all is well.
static void remember(struct vm *vm, const struct error *err)
{
	snprintf(vm->control_error, sizeof(vm->control_error), "%.150s", err->code ? err->message : "");
	if (err->code)
		log_warning("vm=%s %s", vm->name, err->message);
}

void control_open(struct hypervisor *hv)
{
	cgroups_open(&hv->cgroups, CGROUP_ROOT);
	cgroups_sweep(&hv->cgroups);
}

const char *control_problem(const struct hypervisor *hv)
{
	return hv->cgroups.problem;
}

// ---- processors

static double node_cpus(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	return cpus > 0 ? (double)cpus : 1;
}

double control_reserved(struct hypervisor *hv, const struct vm *besides)
{
	double reserved = 0;
	for (struct group *group = hv->groups->first; group; group = group->next)
		for (size_t i = 0; i < group->vm_count; i++)
			if (group->vms[i] != besides && vm_takes_room(group->vms[i]))
				reserved += control_reserved_cpus(group->vms[i]->definition);
	return reserved;
}

static int refuse(struct hypervisor *hv, const Holdfast__Vm *vm, double left, struct error *err)
{
	return error_set(err, ERROR_NO_SPACE,
		"VM %s reserves %.2f CPUs (%" PRIu32 " %% of %" PRIu32
		") and node %s has %.2f of its %.0f left: "
		"reserve less, or stop another VM that has a reserve",
		vm->name, control_reserved_cpus(vm), vm->control->cpu_reserve, vm->cpus, hv->config.node,
		left, node_cpus());
}

int control_admit(struct hypervisor *hv, const Holdfast__Vm *vm, struct error *err)
{
	double need = control_reserved_cpus(vm);
	double left = node_cpus() - control_reserved(hv, groups_vm_find(hv, vm->name));
	return need > 0 && need > left + ROUNDING ? refuse(hv, vm, left > 0 ? left : 0, err) : 0;
}

int control_admit_ever(struct hypervisor *hv, const Holdfast__Vm *vm, struct error *err)
{
	return control_reserved_cpus(vm) > node_cpus() + ROUNDING ? refuse(hv, vm, node_cpus(), err) : 0;
}

static void set_weight(struct hypervisor *hv, const char *vm, uint32_t weight, uint32_t *now)
{
	char text[24];
	struct error err = ERROR_INIT;
	if (*now == weight || !cgroup_has(&hv->cgroups, vm, "cpu.weight"))
		return;
	snprintf(text, sizeof(text), "%" PRIu32, weight);
	if (cgroup_set(&hv->cgroups, vm, "cpu.weight", text, &err))
		log_warning("%s%s%s", vm ? vm : "", vm ? ": " : "", err.message);
	else
		*now = weight;
}

void control_rebalance(struct hypervisor *hv)
{
	struct vm **vms = NULL;
	struct control_share *shares = NULL;
	size_t count = 0, most = 0;
	if (!(hv->cgroups.controllers & CGROUP_CPU))
		return;
	for (struct group *group = hv->groups->first; group; group = group->next)
		most += group->vm_count;
	vms = calloc(most + 1, sizeof(*vms));
	shares = calloc(most + 1, sizeof(*shares));
	for (struct group *group = hv->groups->first; vms && shares && group; group = group->next) {
		for (size_t i = 0; i < group->vm_count; i++) {
			struct vm *vm = group->vms[i];
			if (!vm_has_process(vm))
				continue;
			vms[count] = vm;
			shares[count].reserve = control_reserved_cpus(vm->definition);
			shares[count++].weight =
				vm->definition->control ? vm->definition->control->cpu_weight : 0;
		}
	}
	if (count) {
		set_weight(hv, NULL, control_plan_cpu(shares, count, node_cpus()), &hv->slice_weight);
		for (size_t i = 0; i < count; i++)
			set_weight(hv, vms[i]->name, shares[i].cpu_weight, &vms[i]->cpu_weight);
	}
	free(vms);
	free(shares);
}

// ---- the scope

static uint64_t physical_mib(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
	return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / MIB : 0;
}

static int set_io_weight(struct vm *vm, struct error *err)
{
	const struct cgroups *cgroups = &group_hypervisor(vm->group)->cgroups;
	uint32_t weight = control_plan_io_weight(vm->definition);
	char text[32];
	snprintf(text, sizeof(text), "default %" PRIu32, weight);
	if (cgroup_has(cgroups, vm->name, "io.weight") &&
		cgroup_set(cgroups, vm->name, "io.weight", text, err))
		return -1;
	// BFQ's go to 1000.
	snprintf(text, sizeof(text), "default %" PRIu32, weight > 1000 ? 1000 : weight);
	return cgroup_has(cgroups, vm->name, "io.bfq.weight")
		? cgroup_set(cgroups, vm->name, "io.bfq.weight", text, err)
		: 0;
}

// What belongs to it alone; its share of the processors depends on the others.
static int fill_scope(struct vm *vm, struct error *err)
{
	const struct cgroups *cgroups = &group_hypervisor(vm->group)->cgroups;
	char text[CONTROL_PLAN_MAX_BYTES];
	int result = 0;
	if (cgroups->controllers & CGROUP_CPU) {
		control_plan_cpu_max(vm->definition, text);
		result |= cgroup_set(cgroups, vm->name, "cpu.max", text, err);
	}
	if (cgroups->controllers & CGROUP_MEMORY) {
		snprintf(text, sizeof(text), "%" PRIu64,
			control_plan_memory_mib(vm->definition, vm->kvm, physical_mib()) * MIB);
		result |= cgroup_set(cgroups, vm->name, "memory.max", text, err);
		result |= cgroup_set(cgroups, vm->name, "memory.oom.group", "1", err);
	}
	if (cgroups->controllers & CGROUP_PIDS) {
		snprintf(text, sizeof(text), "%" PRIu64, control_plan_pids(vm->definition));
		result |= cgroup_set(cgroups, vm->name, "pids.max", text, err);
	}
	if (cgroups->controllers & CGROUP_IO)
		result |= set_io_weight(vm, err);
	return result;
}

bool control_prepare(struct vm *vm, char *procs, size_t size)
{
	struct cgroups *cgroups = &group_hypervisor(vm->group)->cgroups;
	struct error err = ERROR_INIT;
	cgroups_open(cgroups, CGROUP_ROOT); // systemd may have taken controllers back since
	if (!cgroup_make(cgroups, vm->name, procs, size))
		return false;
	vm->cpu_weight = 0;
	if (fill_scope(vm, &err))
		log_warning("vm=%s %s", vm->name, err.message);
	return true;
}

void control_gone(struct vm *vm)
{
	struct hypervisor *hv = group_hypervisor(vm->group);
	cgroup_remove(&hv->cgroups, vm->name);
	vm->cpu_weight = 0;
	vm->balloon_mib = 0;
	vm->control_error[0] = '\0';
	control_rebalance(hv);
}

// ---- NICs

static int limit_nics(struct vm *vm, struct error *err)
{
	bool any = false;
	for (size_t i = 0; i < vm->definition->n_nics; i++)
		any |= shape_is_bridged(vm->definition->nics[i]) &&
			vm->definition->nics[i]->limit_bytes_per_s;
	if (!any && !vm->shaped)
		return 0;
	vm->shaped = true;
	for (size_t i = 0; i < vm->definition->n_nics; i++) {
		const Holdfast__Nic *nic = vm->definition->nics[i];
		char tap[IFNAMSIZ];
		if (!nic->network[0] || !shape_is_bridged(nic))
			continue;
		if (tap_find(nic->mac, tap, err) || tap_limit(tap, nic->limit_bytes_per_s, err))
			return error_prefix(err, "VM %s: the limit of NIC nic%zu", vm->name, i);
	}
	vm->shaped = any;
	return 0;
}

// ---- the whole

int control_apply(struct vm *vm, struct error *err)
{
	struct error all = ERROR_INIT, one = ERROR_INIT;
	if (!vm_has_process(vm))
		return 0;
	if (fill_scope(vm, &all))
		log_debug("vm=%s %s", vm->name, all.message);
	control_rebalance(group_hypervisor(vm->group));
	if (limit_nics(vm, &one))
		error_copy(&all, &one);
	if (control_throttle(vm, &one))
		error_copy(&all, &one);
	if (control_balloon(vm, &one))
		error_copy(&all, &one);
	remember(vm, &all);
	return all.code ? error_copy(err, &all) : 0;
}

void control_started(struct vm *vm, enum vm_spawn kind)
{
	struct error err = ERROR_INIT;
	if (vm->running) // a saved one may have been told otherwise since
		control_follow(vm->running, vm->wanted);
	vm->throttled = vm->shaped = false;
	vm->balloon_asked = kind == VM_SPAWN_BOOT ? BALLOON_ALL : BALLOON_UNKNOWN;
	control_rebalance(group_hypervisor(vm->group));
	// What is coming in brings the balloon as it was: that is seen to when it runs.
	if (limit_nics(vm, &err) || control_throttle(vm, &err) ||
		(kind == VM_SPAWN_BOOT && control_balloon(vm, &err)))
		remember(vm, &err);
}

void control_adopted(struct vm *vm)
{
	const struct hypervisor *hv = group_hypervisor(vm->group);
	struct error err = ERROR_INIT;
	vm->throttled = vm->shaped = true; // not known: limits that are no more defined are taken off
	vm->balloon_asked = BALLOON_UNKNOWN;
	vm->cpu_weight = 0;
	if (cgroup_take(&hv->cgroups, vm->name, vm->guest.pid, &err)) {
		log_warning("vm=%s %s", vm->name, err.message);
		error_clear(&err);
	}
	if (control_apply(vm, &err))
		error_clear(&err); // logged, and a notice
}

// ---- after a restore or a move

struct late { // names, not pointers: both may be gone when the task has its turn
	struct hypervisor *hv;
	char group[64], vm[64];
};

static void late_task(void *data)
{
	struct late *late = data;
	struct error err = ERROR_INIT;
	struct group *group = group_find(late->hv, late->group);
	if (group && !task_lock(&group->mutex, LOCK_MS, &err)) {
		struct vm *vm = group->removed ? NULL : group_vm_find(group, late->vm);
		if (vm && vm->state == HOLDFAST__VM_STATE__VM_RUNNING && control_apply(vm, &err))
			error_clear(&err); // logged, and a notice
		task_unlock(&group->mutex);
	}
	free(late);
}

void control_continued(struct vm *vm)
{
	struct error err = ERROR_INIT;
	if (vm->balloon_asked != BALLOON_UNKNOWN)
		return;
	struct late *late = calloc(1, sizeof(*late));
	if (!late)
		return;
	late->hv = group_hypervisor(vm->group);
	snprintf(late->group, sizeof(late->group), "%s", vm->group->name);
	snprintf(late->vm, sizeof(late->vm), "%s", vm->name);
	if (task_start(late->hv->loop, "control", late_task, late, &err))
		return;
	log_warning("vm=%s its balloon is left as it is: %s", vm->name, err.message);
	free(late);
}

void control_on_balloon(struct vm *vm, uint64_t actual_bytes)
{
	vm->balloon_mib = actual_bytes / MIB;
}
