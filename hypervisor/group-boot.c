// SPDX-License-Identifier: GPL-3.0-or-later
// Puts one VM of a group on its way: restores its saved state if it has one, else boots it from its disks. From the moment its disks are opened until
// it runs, the run directory's lock is held and says that it is wanted. A saved state that must not be restored is put aside, and said.
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/log.h"
#include "hypervisor/control.h"
#include "hypervisor/disk-work.h"
#include "hypervisor/checkpoint.h"
#include "hypervisor/file-check.h"
#include "hypervisor/group-private.h"
#include "hypervisor/saved-state.h"
#include "hypervisor/vm-private.h"

#define END_MS 20000

static uint64_t memory_total_mib(void)
{
	char line[256];
	unsigned long long kib = 0;
	cleanup_file FILE *file = fopen("/proc/meminfo", "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemTotal: %llu kB", &kib) == 1)
			break;
	return kib / 1024;
}

void group_memory(struct hypervisor *hv, const struct vm *besides, uint64_t *total_mib, uint64_t *used_mib)
{
	*total_mib = memory_total_mib();
	*used_mib = 0;
	for (struct group *group = hv->groups->first; group; group = group->next)
		for (size_t i = 0; i < group->vm_count; i++)
			if (group->vms[i] != besides && vm_takes_room(group->vms[i]))
				*used_mib += group->vms[i]->definition->memory_mib;
}

int group_admit(struct hypervisor *hv, const Holdfast__Vm *vm, struct error *err)
{
	uint64_t total, used;
	group_memory(hv, groups_vm_find(hv, vm->name), &total, &used);
	uint64_t reserve = hv->config.memory_reserve_mib;
	uint64_t room = total > used + reserve ? total - used - reserve : 0;
	if (vm->memory_mib <= room)
		return control_admit(hv, vm, err);
	return error_set(err, ERROR_NO_SPACE,
		"VM %s needs %" PRIu64 " MiB of memory and node %s has %" PRIu64 " free (%" PRIu64
		" in all, %" PRIu64 " used by VMs, %" PRIu64 " reserved): stop another VM, or give it less",
		vm->name, vm->memory_mib, hv->config.node, room, total, used, reserve);
}

int group_admit_ever(struct hypervisor *hv, const Holdfast__Vm *vm, struct error *err)
{
	uint64_t total = memory_total_mib(), reserve = hv->config.memory_reserve_mib;
	if (vm->memory_mib + reserve <= total)
		return control_admit_ever(hv, vm, err);
	return error_set(err, ERROR_NO_SPACE,
		"VM %s needs %" PRIu64 " MiB of memory and node %s has %" PRIu64 " MiB, %" PRIu64
		" of them reserved: give it less",
		vm->name, vm->memory_mib, hv->config.node, total, reserve);
}

int group_promote(struct group *group, bool force_old_data, struct error *err)
{
	struct storage_promote params = {
		.node = group->hv->config.node,
		.current = group->current && group->current[0] ? group->current : NULL,
		.force_old_data = force_old_data,
	};
	return storage_promote(group->hv->storage, group->spec->group, &params, err);
}

struct state_work {
	struct saved_state state;
	int (*act)(const struct saved_state *state, struct error *err);
};

static int work_on_state(void *data, struct error *err)
{
	struct state_work *work = data;
	return work->act(&work->state, err);
}

static int on_state(const char *directory, const struct vm *vm,
	int (*act)(const struct saved_state *state, struct error *err), struct error *err)
{
	struct state_work work = { .state = { directory, vm->name }, .act = act };
	return task_offload(work_on_state, &work, err);
}

// The memory of a checkpoint that was applied. 1: it goes on with it; 0: there is none, or it is refused; -1.
static int try_checkpoint(
	struct group *group, struct vm *vm, const char *state, struct steps *steps, struct error *err)
{
	struct error local = ERROR_INIT;
	cleanup_permit struct permit permit = { NULL };
	if (group_permit(group, &permit, err))
		return -1;
	int result = checkpoint_resume(vm, state, &local);
	if (result == 1)
		steps_mark(steps, "restore");
	if (result >= 0)
		return result;
	if (local.code != ERROR_UNSAFE)
		return error_copy(err, &local);
	host_event(group->hv, "vm-state-refused", group->name, vm->name, 0, 0, NULL, 0,
		"%s; the VM boots from its disks", local.message);
	return 0;
}

// 1: restored; 0: there is nothing to restore; -1.
static int try_restore(
	struct group *group, struct vm *vm, const char *state, struct steps *steps, struct error *err)
{
	struct error local = ERROR_INIT;
	cleanup_permit struct permit permit = { NULL };
	if (group_permit(group, &permit, err))
		return -1;
	int result = vm_restore(vm, state, &local);
	if (!result) {
		steps_mark(steps, "restore");
		return 1;
	}
	if (local.code == ERROR_NOT_FOUND)
		return 0;
	if (local.code != ERROR_UNSAFE)
		return error_copy(err, &local);
	host_event(group->hv, "vm-state-refused", group->name, vm->name, 0, 0, NULL, 0,
		"%s; it is kept as %s.refused on the state volume, and the VM boots from its disks",
		local.message, vm->name);
	return on_state(state, vm, saved_refuse, err) ? -1 : 0;
}

static int cold_boot(
	struct group *group, struct vm *vm, const char *state, struct steps *steps, struct error *err)
{
	uint64_t bytes[QEMU_DISKS_MAX];
	cleanup_permit struct permit permit = { NULL };
	if (vm_disk_bytes(vm, bytes, err) || vm_spawn(vm, VM_SPAWN_BOOT, bytes, err))
		return -1;
	steps_mark(steps, "spawn");
	// Before the first instruction no older memory may be left that could meet the disks it is about to change.
	if (state && on_state(state, vm, saved_discard, err))
		return -1;
	steps_mark(steps, "state");
	if (group_permit(group, &permit, err) || vm_attach_disks(vm, err))
		return -1;
	steps_mark(steps, "disks");
	if (vm_continue(vm, err))
		return -1;
	steps_mark(steps, "run");
	return 0;
}

int group_boot_vm(
	struct group *group, struct vm *vm, const char *state, struct steps *steps, struct error *err)
{
	struct error ignored = ERROR_INIT;
	if (!vm_has_process(vm))
		running_drop(vm); // of one that died
	if (disk_work_check_start(vm, state, err) || file_check_vm(group->hv, vm->definition, err) ||
		group_admit(group->hv, vm->definition, err))
		return -1;
	if (state) {
		int restored = try_checkpoint(group, vm, state, steps, err);
		if (!restored)
			restored = try_restore(group, vm, state, steps, err);
		if (restored)
			return restored < 0 ? -1 : 0;
		running_drop(vm); // of a state that is refused
	}
	if (!cold_boot(group, vm, state, steps, err))
		return 0;
	if (vm_is_up(vm) && vm_end(vm, END_MS, &ignored))
		log_error("vm=%s after a start that failed: %s", vm->name, ignored.message);
	return -1;
}

int group_boot_one(struct group *group, struct vm *vm, struct error *err)
{
	struct steps steps;
	char *state = NULL;
	struct error ignored = ERROR_INIT;
	steps_begin(&steps);
	if (group_promote(group, false, err) ||
		storage_mount_state(group->hv->storage, group->spec->group, &state, err))
		return -1;
	int result = group_boot_vm(group, vm, state, &steps, err);
	free(state);
	if (storage_unmount_state(group->hv->storage, group->spec->group, &ignored))
		log_warning("group=%s %s", group->name, ignored.message);
	return result;
}

// It is mounted only while something is saved or booted, under the group's mutex; what a killed hypervisord left mounted goes here.
int group_release_state(struct group *group, struct error *err)
{
	return storage_unmount_state(group->hv->storage, group->spec->group, err);
}
