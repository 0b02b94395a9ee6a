// SPDX-License-Identifier: GPL-3.0-or-later
// What is to be said of a group and its VMs: health for the agent's monitor, status messages for everybody. Changes nothing.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "hypervisor/clock.h"
#include "hypervisor/control.h"
#include "hypervisor/evidence.h"
#include "hypervisor/group-private.h"
#include "hypervisor/restart-limit.h"
#include "hypervisor/vm-private.h"
#include "proto/control.h"
#include "proto/pending.h"

static bool held_by_move(const struct group *group)
{
	const struct move_hooks *hooks = &group->hv->move_hooks;
	return hooks->holds && hooks->holds(hooks->moves, group->name);
}

static const struct vm *first_in(const struct group *group, bool (*test)(const struct vm *vm))
{
	for (size_t i = 0; i < group->vm_count; i++)
		if (test(group->vms[i]))
			return group->vms[i];
	return NULL;
}

static bool has_failed(const struct vm *vm)
{
	return vm->state == HOLDFAST__VM_STATE__VM_FAILED;
}

enum group_health group_health(struct group *group, char *reason, size_t size)
{
	snprintf(reason, size, "%s", "");
	if (held_by_move(group))
		return GROUP_HEALTH_STOPPED;
	bool started = group_wanted(group) == WANTED_STARTED;
	const struct vm *vm = first_in(group, vm_has_process);
	if (!started && !vm)
		return GROUP_HEALTH_STOPPED;
	if (!started) {
		snprintf(reason, size, "the group is wanted stopped and VM %s is still %s", vm->name,
			vm_state_name(vm->state));
		return GROUP_HEALTH_FAILED;
	}
	vm = first_in(group, has_failed);
	if (!vm)
		return GROUP_HEALTH_RUNNING;
	snprintf(reason, size, "VM %s: %s", vm->name, vm->reason);
	return GROUP_HEALTH_FAILED;
}

// ---- messages

static char *copy(const char *text)
{
	char *copied = strdup(text);
	return copied ? copied : (char *)protobuf_c_empty_string;
}

static void add_text(char ***list, size_t *count, const char *text)
{
	char **more = reallocarray(*list, *count + 1, sizeof(*more));
	if (!more)
		return;
	*list = more;
	more[(*count)++] = copy(text);
}

static void copy_texts(char ***to, size_t *count, char *const *from, size_t from_count)
{
	for (size_t i = 0; i < from_count; i++)
		add_text(to, count, from[i]);
}

static void add_storage_problems(const struct group *group, Holdfast__GroupStatus *status)
{
	char **problems = NULL;
	size_t count = 0;
	struct error err = ERROR_INIT;
	if (storage_problems(group->hv->storage, group->name, &problems, &count, &err))
		add_text(&status->problems, &status->n_problems, err.message);
	for (size_t i = 0; i < count; i++) {
		add_text(&status->problems, &status->n_problems, problems[i]);
		free(problems[i]);
	}
	free(problems);
}

static Holdfast__GroupState state_of(struct group *group, Holdfast__GroupStatus *status)
{
	char reason[300];
	enum group_health health = group_health(group, reason, sizeof(reason));
	if (reason[0])
		add_text(&status->problems, &status->n_problems, reason);
	for (size_t i = 0; i < group->vm_count; i++)
		if (group->vms[i]->state == HOLDFAST__VM_STATE__VM_MOVING_OUT ||
			group->vms[i]->state == HOLDFAST__VM_STATE__VM_MOVING_IN)
			return HOLDFAST__GROUP_STATE__GROUP_MOVING;
	if (health == GROUP_HEALTH_FAILED)
		return HOLDFAST__GROUP_STATE__GROUP_FAILED;
	return health == GROUP_HEALTH_RUNNING ? HOLDFAST__GROUP_STATE__GROUP_ONLINE
					      : HOLDFAST__GROUP_STATE__GROUP_OFFLINE;
}

Holdfast__GroupStatus *group_status(struct group *group)
{
	const Holdfast__Group *definition = group->spec->group;
	struct error err = ERROR_INIT;
	Holdfast__GroupStatus *status = malloc(sizeof(*status));
	if (!status)
		return NULL;
	holdfast__group_status__init(status);
	status->name = copy(group->name);
	status->state = state_of(group, status);
	bool here = status->state != HOLDFAST__GROUP_STATE__GROUP_OFFLINE &&
		group_wanted(group) == WANTED_STARTED;
	status->owner = copy(here ? group->hv->config.node : "");
	copy_texts(&status->preferred, &status->n_preferred, definition->preferred, definition->n_preferred);
	status->live_policy = definition->live_policy;
	status->max_pause_ms = definition->max_pause_ms;
	copy_texts(&status->possible, &status->n_possible, definition->possible, definition->n_possible);
	for (size_t i = 0; i < group->vm_count; i++) {
		const struct vm *vm = group->vms[i];
		add_text(&status->vms, &status->n_vms, vm->name);
		if (vm->reason[0] && !has_failed(vm)) {
			char problem[400];
			snprintf(problem, sizeof(problem), "VM %s: %s", vm->name, vm->reason);
			add_text(&status->problems, &status->n_problems, problem);
		}
	}
	status->storage = definition->storage;
	status->current = copy(group->current ? group->current : "");
	if (storage_status(group->hv->storage, group->name, &status->volumes, &status->n_volumes, &err))
		add_text(&status->problems, &status->n_problems, err.message);
	add_storage_problems(group, status);
	return status;
}

static const Holdfast__Volume *volume_of(const struct group *group, uint32_t index)
{
	for (size_t i = 0; i < group->spec->group->n_volumes; i++)
		if (group->spec->group->volumes[i]->index == index)
			return group->spec->group->volumes[i];
	return NULL;
}

static void add_disks(const struct vm *vm, Holdfast__VmStatus *status)
{
	status->disks = calloc(vm->definition->n_disks + 1, sizeof(*status->disks));
	for (size_t i = 0; status->disks && i < vm->definition->n_disks; i++) {
		const Holdfast__Disk *disk = vm->definition->disks[i];
		if (!qemu_disk_there(vm->definition, i))
			continue;
		const Holdfast__Volume *volume = volume_of(vm->group, disk->volume);
		Holdfast__DiskStatus *message = malloc(sizeof(*message));
		if (!message)
			return;
		holdfast__disk_status__init(message);
		message->name = copy(disk->name);
		message->size_bytes = disk->size_bytes ? disk->size_bytes : volume ? volume->size_bytes : 0;
		message->volume = copy(volume ? volume->name : "");
		char device[32] = "";
		if (vm->group->spec->group->storage == HOLDFAST__STORAGE_KIND__STORAGE_DRBD && volume)
			snprintf(device, sizeof(device), "/dev/drbd%" PRIu32, volume->minor);
		message->device = copy(device);
		status->disks[status->n_disks++] = message;
	}
}

static void add_nics(const struct vm *vm, Holdfast__VmStatus *status)
{
	status->nics = calloc(vm->definition->n_nics + 1, sizeof(*status->nics));
	for (size_t i = 0; status->nics && i < vm->definition->n_nics; i++) {
		if (!qemu_nic_there(vm->definition, i))
			continue;
		Holdfast__Nic *nic = malloc(sizeof(*nic));
		if (!nic)
			return;
		holdfast__nic__init(nic);
		nic->network = copy(vm->definition->nics[i]->network);
		nic->mac = copy(vm->definition->nics[i]->mac);
		nic->name = copy(vm->definition->nics[i]->name);
		nic->model = shape_nic_model(vm->definition, vm->definition->nics[i]);
		status->nics[status->n_nics++] = nic;
	}
}

Holdfast__VmStatus *vm_status(const struct vm *vm)
{
	static const char *const targets[] = { "running", "off", "saved" };
	Holdfast__VmStatus *status = malloc(sizeof(*status));
	if (!status)
		return NULL;
	holdfast__vm_status__init(status);
	status->name = copy(vm->name);
	status->group = copy(vm->group->name);
	status->node = copy(vm_is_up(vm) ? vm->group->hv->config.node : "");
	status->state = vm->state;
	status->cpus = vm->definition->cpus;
	status->memory_mib = vm->definition->memory_mib;
	status->cpus_max = qemu_cpus_max(vm->definition);
	status->memory_max_mib = control_memory_max_mib(vm->definition);
	if (vm->running && vm_has_process(vm))
		pending_lines(vm->running, vm->wanted, &status->pending, &status->n_pending);
	if (vm_has_process(vm) && vm->guest.cold_boot_ms > 0)
		status->uptime_s = (uint64_t)((clock_boot_ms() - vm->guest.cold_boot_ms) / 1000);
	struct rundir_guest history = vm->guest;
	status->restarts = restart_limit_count(&history, vm->definition, clock_boot_ms());
	add_disks(vm, status);
	add_nics(vm, status);
	status->evidence = evidence_names(vm->group->hv, vm->name, &status->n_evidence);
	char vnc[512];
	bool screen = vm_has_process(vm) && vm->definition->vga == HOLDFAST__VGA__VGA_STD &&
		!vm_path(vm, "vnc.sock", vnc, sizeof(vnc), NULL);
	status->machine = copy(shape_machine(vm->definition));
	status->vnc = copy(screen ? vnc : "");
	status->reason = copy(vm->reason);
	status->pid = (uint32_t)vm_pid(vm);
	status->qemu = copy(vm->qmp ? qmp_version(vm->qmp) : "");
	status->accel = copy(!vm_has_process(vm) ? "" : vm->kvm ? "kvm" : "tcg");
	status->target = copy((unsigned)vm->definition->target < 3 ? targets[vm->definition->target] : "");
	control_status(vm, status);
	return status;
}
