// SPDX-License-Identifier: GPL-3.0-or-later
// Lets a guest run, stops it, ends it, shuts it down, and hands it to a move and back. The record in the run directory is written before each
// step that a crash of hypervisord could come in the middle of.
#include <string.h>
#include "common/log.h"
#include "hypervisor/clock.h"
#include "hypervisor/control.h"
#include "hypervisor/vm-private.h"

#define QUIT_MS 3000

static bool moving(const struct vm *vm)
{
	return vm->state == HOLDFAST__VM_STATE__VM_MOVING_OUT ||
		vm->state == HOLDFAST__VM_STATE__VM_MOVING_IN;
}

// A disk that failed at once has stopped the guest again, before anybody listened for it.
static void look_again(struct vm *vm)
{
	char status[32];
	if (vm_query_status(vm, status, NULL) || strcmp(status, "io-error"))
		return;
	if (vm->state == HOLDFAST__VM_STATE__VM_RUNNING)
		vm_event_now(vm, VM_EVENT_PAUSED);
	vm_reason(vm, "stopped by an I/O error; when its storage is well again: holdfast vm resume %s",
		vm->name);
}

int vm_continue(struct vm *vm, struct error *err)
{
	struct error local = ERROR_INIT;
	if (vm->guest.cold_boot_ms == 0)
		vm->guest.cold_boot_ms = clock_boot_ms();
	if (vm_phase(vm, RUNDIR_PHASE_CONTINUING, err))
		return -1;
	if (qmp_command(vm->qmp, "cont", NULL, QMP_TIMEOUT_MS, NULL, err))
		return error_prefix(err, "VM %s does not run on", vm->name);
	if (vm->state != HOLDFAST__VM_STATE__VM_RUNNING)
		vm_event_now(vm, VM_EVENT_CONTINUED);
	if (vm_disks_after_continue(vm, &local))
		log_warning("vm=%s QEMU keeps descriptors of its disks twice: %s", vm->name, local.message);
	error_clear(&local);
	if (vm_phase(vm, RUNDIR_PHASE_RUNNING, &local))
		log_warning("vm=%s %s", vm->name, local.message);
	look_again(vm);
	control_continued(vm);
	if (!vm->boots)
		guest_clock_set(vm);
	vm->boots = false;
	return 0;
}

int vm_continue_as(struct vm *vm, bool paused, struct error *err)
{
	if (!paused)
		return vm_continue(vm, err);
	vm->guest.cold_boot_ms = clock_boot_ms();
	if (vm_phase(vm, RUNDIR_PHASE_RUNNING, err))
		return -1;
	vm_event_now(vm, VM_EVENT_PAUSED);
	return 0;
}

int vm_stop_cpus(struct vm *vm, struct error *err)
{
	if (qmp_command(vm->qmp, "stop", NULL, QMP_TIMEOUT_MS, NULL, err))
		return error_prefix(err, "VM %s does not stop", vm->name);
	if (vm->state == HOLDFAST__VM_STATE__VM_RUNNING)
		vm_event_now(vm, VM_EVENT_PAUSED);
	return 0;
}

// The table decides whether a guest in this state can be ended; an ended one needs nothing.
static int begin_end(struct vm *vm, struct error *err)
{
	if (vm->state == HOLDFAST__VM_STATE__VM_OFF)
		return 0;
	if (vm->state == HOLDFAST__VM_STATE__VM_SAVED || vm->state == HOLDFAST__VM_STATE__VM_FAILED)
		return 0;
	return vm_event(vm, VM_EVENT_STOP, err);
}

int vm_end(struct vm *vm, unsigned timeout_ms, struct error *err)
{
	if (begin_end(vm, err))
		return -1;
	if (vm->pidfd >= 0) {
		unsigned quit_ms = timeout_ms / 2 < QUIT_MS ? timeout_ms / 2 : QUIT_MS;
		struct error ignored = ERROR_INIT;
		if (!moving(vm) && vm_phase(vm, RUNDIR_PHASE_STOPPING, &ignored))
			log_warning("vm=%s %s", vm->name, ignored.message);
		error_clear(&ignored);
		// Its connection breaks when it quits, which may come before the answer.
		if (qmp_command(vm->qmp, "quit", NULL, quit_ms, NULL, &ignored) && vm->pidfd >= 0)
			log_debug("vm=%s quit: %s", vm->name, ignored.message);
		error_clear(&ignored);
		if (vm->pidfd >= 0 && task_wait(&vm->gone, quit_ms, "QEMU to quit", &ignored))
			log_debug("vm=%s %s", vm->name, ignored.message);
		unsigned rest = timeout_ms > 2 * quit_ms ? timeout_ms - 2 * quit_ms : QUIT_MS;
		if (vm_kill(vm, rest, err))
			return -1;
	}
	vm->guest.restart_count = 0;
	vm_forget_process(vm);
	if (vm->state == HOLDFAST__VM_STATE__VM_STOPPING)
		vm_event_now(vm, VM_EVENT_ENDED);
	return 0;
}

int vm_shut_down(struct vm *vm, unsigned timeout_ms, struct error *err)
{
	struct error local = ERROR_INIT;
	Holdfast__VmState before = vm->state;
	if (before == HOLDFAST__VM_STATE__VM_PAUSED)
		return error_set(err, ERROR_BUSY,
			"VM %s is paused and cannot shut itself down; resume it, or stop it with --force",
			vm->name);
	if (vm_event(vm, VM_EVENT_STOP, err) || vm_phase(vm, RUNDIR_PHASE_STOPPING, err))
		return -1;
	vm->powered_off = (struct task_wait){ 0 };
	int result = qmp_command(vm->qmp, "system_powerdown", NULL, QMP_TIMEOUT_MS, NULL, &local);
	if (!result && !vm->guest_powered_off)
		result = task_wait(&vm->powered_off, timeout_ms, "the guest to shut down", &local);
	if (vm->guest_powered_off || vm->pidfd < 0)
		return vm_end(vm, QMP_TIMEOUT_MS, err);
	vm_event_now(vm, VM_EVENT_CONTINUED);
	if (vm_phase(vm, RUNDIR_PHASE_RUNNING, NULL))
		log_warning("vm=%s its record could not be written", vm->name);
	if (result && local.code == ERROR_TIMEOUT)
		return error_set(err, ERROR_TIMEOUT,
			"VM %s did not shut down within %u s; it runs on: stop it with --force, or look at "
			"its console",
			vm->name, timeout_ms / 1000);
	return error_copy(err, &local);
}

// ---- moves

int vm_move_begin(struct vm *vm, Holdfast__VmState state, struct error *err)
{
	if (state == HOLDFAST__VM_STATE__VM_MOVING_IN)
		return vm_event(vm, VM_EVENT_MOVE_IN, err);
	if (vm_event(vm, VM_EVENT_MOVE_OUT, err))
		return -1;
	return vm_phase(vm, RUNDIR_PHASE_LEAVING, err);
}

void vm_move_end(struct vm *vm, Holdfast__VmState state)
{
	struct error err = ERROR_INIT;
	if (state == HOLDFAST__VM_STATE__VM_OFF) {
		vm_event_now(vm, VM_EVENT_MOVED_OFF);
		keeper_schedule(vm);
		return;
	}
	vm_event_now(
		vm, state == HOLDFAST__VM_STATE__VM_PAUSED ? VM_EVENT_MOVED_PAUSED : VM_EVENT_MOVED_RUNNING);
	if (vm->pidfd < 0) {
		keeper_on_death(vm);
	} else if (vm->guest_powered_off) {
		keeper_on_power_off(vm);
	} else if (vm_phase(vm, RUNDIR_PHASE_RUNNING, &err)) {
		log_warning("vm=%s %s", vm->name, err.message);
	}
}
