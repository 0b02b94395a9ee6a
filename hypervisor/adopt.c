// SPDX-License-Identifier: GPL-3.0-or-later
// Takes guests up again after hypervisord was ended, by a signal or by kill -9 at any instruction: each phase in a guest's record says what it can
// be in, and QEMU itself says what it is. A guest that runs is never touched.
#include "hypervisor/adopt.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/log.h"
#include "common/name.h"
#include "hypervisor/checkpoint.h"
#include "hypervisor/control.h"
#include "hypervisor/group-private.h"
#include "hypervisor/saved-state.h"
#include "hypervisor/vm-private.h"
#include "hypervisor/vm-refresh.h"
#include "hypervisor/vm-spawn.h"
#include "hypervisor/vm-stream.h"

#define GREETING_MS 10000
#define ALL_MS 120000
#define LOCK_MS 60000
#define END_MS 20000

static bool in_phase(const struct vm *vm, const char *phase)
{
	return !strcmp(vm->guest.phase, phase);
}

// ---- groups

static void adopt_group(struct hypervisor *hv, const char *name)
{
	struct error err = ERROR_INIT;
	Holdfast__GroupSpec *spec = NULL;
	enum wanted wanted;
	uint64_t generation;
	struct group *group =
		rundir_spec_get(&hv->run, name, &spec, &err) ? NULL : group_adopt(hv, spec, &err);
	if (spec)
		holdfast__group_spec__free_unpacked(spec, NULL);
	if (!group) {
		if (err.code != ERROR_NOT_FOUND)
			log_error("group=%s its guests cannot be taken up: %s", name, err.message);
		return;
	}
	if (rundir_wanted_get(&hv->run, name, &wanted, &generation, &err))
		log_error("group=%s %s", name, err.message);
	else
		group->generation = generation;
}

static void adopt_groups(struct hypervisor *hv)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/groups", hv->run.root ? hv->run.root : CONFIG_RUN_DIRECTORY);
	DIR *directory = opendir(path);
	for (struct dirent *entry; directory && (entry = readdir(directory));)
		if (name_valid(entry->d_name))
			adopt_group(hv, entry->d_name);
	if (directory)
		closedir(directory);
}

// ---- guests

struct adopting {
	struct vm *vm;
	struct adoption *adoption;
};

struct adoption { // of all guests at once: one that does not answer must not hold up the others
	size_t left;
	struct task_wait done;
};

// The state by the phase, once the process is known to live.
static void set_state(struct vm *vm, const char *status)
{
	// A guest in trouble was running until QEMU stopped it: whoever looks after guests' health handles it.
	bool running = !strcmp(status, "running") || !strcmp(status, "guest-panicked") || !strcmp(status, "watchdog");
	bool powered_off = !strcmp(status, "shutdown");
	if (in_phase(vm, RUNDIR_PHASE_LEAVING)) {
		vm->state = HOLDFAST__VM_STATE__VM_MOVING_OUT;
	} else if (in_phase(vm, RUNDIR_PHASE_INCOMING)) {
		vm->state = HOLDFAST__VM_STATE__VM_MOVING_IN;
	} else if (in_phase(vm, RUNDIR_PHASE_CONTINUING) && !running && !powered_off &&
		strcmp(status, "io-error")) {
		vm->state =
			HOLDFAST__VM_STATE__VM_MOVING_IN; // everything is in place: a move or adopt_finish lets it run
	} else if (in_phase(vm, RUNDIR_PHASE_CHECKPOINT) && !powered_off && strcmp(status, "io-error")) {
		vm->state = HOLDFAST__VM_STATE__VM_RUNNING; // settle_checkpoints lets it go on
	} else if ((in_phase(vm, RUNDIR_PHASE_SAVING) || in_phase(vm, RUNDIR_PHASE_SAVING_PAUSED)) &&
		!running) {
		vm->state = HOLDFAST__VM_STATE__VM_SAVING;
	} else if (in_phase(vm, RUNDIR_PHASE_STOPPING) || in_phase(vm, RUNDIR_PHASE_SPAWNED)) {
		vm->state = HOLDFAST__VM_STATE__VM_STOPPING;
	} else {
		vm->state = running || powered_off ? HOLDFAST__VM_STATE__VM_RUNNING
						   : HOLDFAST__VM_STATE__VM_PAUSED;
		vm->guest_powered_off = powered_off;
		if (!strcmp(status, "io-error"))
			vm_reason(vm,
				"stopped by an I/O error; when its storage is well again: holdfast vm resume "
				"%s",
				vm->name);
	}
}

static int query_kvm(struct vm *vm, struct error *err)
{
	json_t *result = NULL;
	if (qmp_command(vm->qmp, "query-kvm", NULL, QMP_TIMEOUT_MS, &result, err))
		return -1;
	vm->kvm = json_is_true(json_object_get(result, "enabled"));
	json_decref(result);
	return 0;
}

static void adopt_task(void *data)
{
	struct adopting *adopting = data;
	struct vm *vm = adopting->vm;
	struct error err = ERROR_INIT;
	char status[32];
	if (vm_connect(vm, GREETING_MS, &err) || query_kvm(vm, &err) || vm_query_status(vm, status, &err) ||
		running_settle(vm, &err)) {
		// If it lives, whatever it does it is the guest: nobody else may be started in its place.
		vm->state = vm_has_process(vm) ? HOLDFAST__VM_STATE__VM_RUNNING : HOLDFAST__VM_STATE__VM_OFF;
		vm_reason(vm, "its QEMU does not answer: %.150s", err.message);
		log_error("vm=%s %s", vm->name, vm->reason);
	} else {
		set_state(vm, status);
		health_on_status(vm, status);
		log_info("vm=%s group=%s taken up again: process %d, %s, phase %s", vm->name, vm->group->name,
			(int)vm->guest.pid, status, vm->guest.phase);
		control_adopted(vm);
	}
	if (--adopting->adoption->left == 0)
		task_wake(&adopting->adoption->done);
	free(adopting);
}

static void adopt_alive(struct hypervisor *hv, struct vm *vm, int pidfd, struct adoption *adoption)
{
	struct error err = ERROR_INIT;
	struct adopting *adopting = malloc(sizeof(*adopting));
	vm_watch(vm, pidfd);
	if (running_load(vm, &err))
		log_error("vm=%s %s", vm->name, err.message);
	error_clear(&err);
	vm->disk_count = vm->definition->n_disks;
	vm->state = HOLDFAST__VM_STATE__VM_STARTING; // until it has answered
	if (adopting) {
		*adopting = (struct adopting){ vm, adoption };
		adoption->left++;
		if (task_start(hv->loop, "adopt", adopt_task, adopting, &err))
			return;
		adoption->left--;
		free(adopting);
	}
	log_error("vm=%s cannot be taken up: %s", vm->name, err.message);
}

static void adopt_dead(struct vm *vm)
{
	if (in_phase(vm, RUNDIR_PHASE_SPAWNING)) {
		vm_spawn_end_user(vm->guest.uid, vm->name);
		vm_forget_process(vm);
	} else if (in_phase(vm, RUNDIR_PHASE_FAILED)) {
		vm->state = HOLDFAST__VM_STATE__VM_FAILED;
		vm_reason(vm, "it died more often than its restart limit allows");
	} else if (in_phase(vm, RUNDIR_PHASE_SHUT_DOWN)) {
		vm_reason(vm, "the guest shut itself down; start it with: holdfast vm start %s", vm->name);
	} else {
		log_warning("vm=%s group=%s its QEMU has died in phase %s", vm->name, vm->group->name,
			vm->guest.phase);
	}
	vm->guest.pid = 0;
}

static void adopt_guest(struct hypervisor *hv, const struct rundir_guest *guest, struct adoption *adoption)
{
	struct group *group = guest->group[0] ? group_find(hv, guest->group) : NULL;
	struct vm *vm = group ? group_vm_find(group, guest->vm) : NULL;
	int pidfd = -1;
	if (!vm) {
		log_error("vm=%s has a record in phase %s and no definition; it is left alone (process %d)",
			guest->vm, guest->phase, (int)guest->pid);
		return;
	}
	vm->guest = *guest;
	if (rundir_guest_alive(guest, &pidfd))
		adopt_alive(hv, vm, pidfd, adoption);
	else
		adopt_dead(vm);
}

int adopt_guests(struct hypervisor *hv, struct error *err)
{
	struct rundir_guest *guests = NULL;
	size_t count = 0;
	struct adoption adoption = { 0 };
	adopt_groups(hv);
	if (refresh_recover(hv, err) || rundir_guest_list(&hv->run, &guests, &count, err))
		return -1;
	for (size_t i = 0; i < count; i++)
		adopt_guest(hv, &guests[i], &adoption);
	free(guests);
	while (adoption.left)
		if (task_wait(&adoption.done, ALL_MS, "all guests to be taken up", err))
			return -1;
	return 0;
}

// ---- what is left to be done

static bool held(const struct group *group)
{
	const struct move_hooks *hooks = &group->hv->move_hooks;
	return hooks->holds && hooks->holds(hooks->moves, group->name);
}

// A save was interrupted: whatever it wrote is thrown away before the guest goes on.
static int end_saving(struct group *group, struct vm *vm, struct error *err)
{
	char *directory = NULL;
	struct error ignored = ERROR_INIT;
	if (storage_mount_state(group->hv->storage, group->spec->group, &directory, err))
		return -1;
	struct saved_state state = { directory, vm->name };
	int failed = saved_discard(&state, err);
	free(directory);
	if (storage_unmount_state(group->hv->storage, group->spec->group, &ignored))
		log_warning("group=%s %s", group->name, ignored.message);
	if (failed)
		return -1;
	if (vm_stream_cancel(vm, &ignored))
		log_warning("vm=%s %s", vm->name, ignored.message);
	if (!in_phase(vm, RUNDIR_PHASE_SAVING_PAUSED))
		return vm_continue(vm, err);
	if (vm_stream_rest(vm, &ignored))
		log_warning("vm=%s %s", vm->name, ignored.message);
	vm_event_now(vm, VM_EVENT_PAUSED);
	return vm_phase(vm, RUNDIR_PHASE_RUNNING, err);
}

static int let_run(struct group *group, struct vm *vm, struct error *err)
{
	cleanup_permit struct permit permit = { NULL };
	struct error ignored = ERROR_INIT;
	if (group_permit(group, &permit, err))
		return -1;
	if (vm_stream_cancel(vm, &ignored))
		log_warning("vm=%s %s", vm->name, ignored.message);
	return vm_continue(vm, err);
}

// A refresh of a paused guest may have been interrupted: it has left its mark on the streams to come.
static void finish_paused(struct group *group, struct vm *vm)
{
	struct error err = ERROR_INIT;
	cleanup_permit struct permit permit = { NULL };
	if (!vm->qmp || !in_phase(vm, RUNDIR_PHASE_RUNNING) || held(group))
		return;
	if (vm_stream_set(vm, VM_STREAM_ALL, &err) || group_permit(group, &permit, &err) ||
		vm_stream_rest(vm, &err))
		log_warning("vm=%s %s", vm->name, err.message);
}

static void end_guest(struct vm *vm)
{
	struct error err = ERROR_INIT;
	if (vm_end(vm, END_MS, &err))
		log_error("vm=%s %s", vm->name, err.message);
}

static void finish_moving(struct group *group, struct vm *vm)
{
	struct error err = ERROR_INIT;
	bool runnable =
		vm->state == HOLDFAST__VM_STATE__VM_MOVING_OUT || in_phase(vm, RUNDIR_PHASE_CONTINUING);
	if (held(group))
		return;
	if (runnable && !let_run(group, vm, &err)) {
		vm_move_end(vm, HOLDFAST__VM_STATE__VM_RUNNING);
		return;
	}
	if (runnable)
		log_warning("vm=%s does not go on and is ended: %s", vm->name, err.message);
	end_guest(vm);
	vm_move_end(vm, HOLDFAST__VM_STATE__VM_OFF);
}

static void finish_vm(struct group *group, struct vm *vm)
{
	struct error err = ERROR_INIT;
	switch (vm->state) {
	case HOLDFAST__VM_STATE__VM_MOVING_OUT:
	case HOLDFAST__VM_STATE__VM_MOVING_IN:
		finish_moving(group, vm);
		break;
	case HOLDFAST__VM_STATE__VM_SAVING:
		if (end_saving(group, vm, &err)) {
			vm_event_now(vm, VM_EVENT_PAUSED);
			vm_reason(vm, "it does not go on after a save that was interrupted: %.150s",
				err.message);
		}
		break;
	case HOLDFAST__VM_STATE__VM_STOPPING:
		end_guest(vm);
		keeper_schedule(vm);
		break;
	case HOLDFAST__VM_STATE__VM_RUNNING:
		if (!vm_has_process(vm))
			keeper_on_death(vm);
		else if (vm->guest_powered_off)
			keeper_on_power_off(vm);
		break;
	case HOLDFAST__VM_STATE__VM_OFF:
		keeper_schedule(vm);
		break;
	case HOLDFAST__VM_STATE__VM_PAUSED:
		finish_paused(group, vm);
		break;
	default:
		break;
	}
}

static bool has_guests(const struct group *group)
{
	for (size_t i = 0; i < group->vm_count; i++)
		if (vm_has_process(group->vms[i]))
			return true;
	return false;
}

// A guest that runs goes on before anything else; then what was begun with its checkpoints is undone.
static void settle_checkpoints(struct group *group)
{
	struct storage *storage = group->hv->storage;
	struct error err = ERROR_INIT;
	char *directory = NULL;
	for (size_t i = 0; i < group->vm_count; i++) {
		error_clear(&err);
		if (checkpoint_let_go(group->vms[i], &err))
			log_error("vm=%s group=%s it does not go on: %s", group->vms[i]->name, group->name, err.message);
	}
	error_clear(&err);
	if (storage_mount_state(storage, group->spec->group, &directory, &err)) {
		log_error("group=%s what was begun with checkpoints is not looked at: %s", group->name, err.message);
		return;
	}
	for (size_t i = 0; i < group->vm_count; i++) {
		struct vm *vm = group->vms[i];
		bool settled = vm->state == HOLDFAST__VM_STATE__VM_RUNNING || vm->state == HOLDFAST__VM_STATE__VM_PAUSED;
		error_clear(&err);
		if (settled && vm_has_process(vm) && checkpoint_settle(vm, directory, &err))
			log_error("vm=%s group=%s %s", vm->name, group->name, err.message);
	}
	free(directory);
	error_clear(&err);
	if (storage_unmount_state(storage, group->spec->group, &err))
		log_warning("group=%s %s", group->name, err.message);
}

static bool can_have_checkpoints(const struct group *group)
{
	for (size_t i = 0; i < group->vm_count; i++)
		for (size_t k = 0; k < group->vms[i]->definition->n_disks; k++)
			if (group->vms[i]->definition->disks[k]->format == HOLDFAST__DISK_FORMAT__FORMAT_QCOW2)
				return true;
	return false;
}

static void finish_group(struct group *group)
{
	struct error err = ERROR_INIT;
	if (task_lock(&group->mutex, LOCK_MS, &err)) {
		log_error("group=%s %s", group->name, err.message);
		return;
	}
	// The back end's hold on the volumes may have ended with the hypervisord that had it; a stop may have been interrupted.
	bool ours = group_wanted(group) == WANTED_STARTED || has_guests(group);
	if (ours && !held(group) && group_promote(group, false, &err))
		log_error("group=%s %s", group->name, err.message);
	for (size_t i = 0; i < group->vm_count; i++)
		finish_vm(group, group->vms[i]);
	if (has_guests(group) && !held(group) && can_have_checkpoints(group))
		settle_checkpoints(group);
	task_unlock(&group->mutex);
}

void adopt_finish(struct hypervisor *hv)
{
	for (struct group *group = hv->groups->first; group; group = group->next)
		if (!group->removed)
			finish_group(group);
}
