// SPDX-License-Identifier: GPL-3.0-or-later
// The change of QEMU under a guest. A second QEMU is started on the same memory with HOLD for its disks (record VM.next); the first one is stopped
// and streams its devices; the second gets the disks; the two records change places, which decides it; the first is killed; the second runs. At any
// moment exactly the process of record VM may run the guest, and VM.next is killed before anybody lets VM run: so a crash at any step is
// recovered by one rule. Memory is never copied, which is why its size does not matter.
#include "hypervisor/vm-refresh.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/spawn.h"
#include "hypervisor/vm-spawn.h"
#include "hypervisor/vm-stream.h"

#define ASK_MS 10000
#define STREAM_MS 10000
#define END_MS 20000

// ---- whether it can be done

// QEMU lists its machine types, one a line.
static bool lists_machine(const char *list, const char *machine)
{
	size_t length = strlen(machine);
	for (const char *at = list; (at = strstr(at, machine)); at += length)
		if ((at == list || at[-1] == '\n') && (at[length] == ' ' || at[length] == '\n'))
			return true;
	return false;
}

static int check_machine(struct vm *vm, struct error *err)
{
	const char *qemu = group_hypervisor(vm->group)->config.qemu;
	const char *const argv[] = { qemu, "-machine", "help", NULL };
	const char *machine = shape_machine(vm->definition);
	struct spawn_output output = { 0 };
	int result = spawn_run(argv, ASK_MS, &output, err);
	if (!result && !lists_machine(output.out, machine))
		result = error_set(err, ERROR_UNSAFE,
			"VM %s is a machine %s, which %s does not know: install a QEMU that does, or restart "
			"the VM",
			vm->name, machine, qemu);
	spawn_output_done(&output);
	return result;
}

// All of its memory must be what a second process can open.
static int check_memory(struct vm *vm, struct error *err)
{
	struct save_header header = { 0 };
	struct save_memory memory;
	save_memory_init(&memory, &header);
	int result = vm_stream_memory(vm, &header, &memory, err);
	save_memory_done(&memory);
	if (!result && !header.ram_count)
		return error_set(err, ERROR_UNSAFE,
			"VM %s has memory that no second QEMU can use: stop and start it, or move it",
			vm->name);
	return result;
}

static int check(struct vm *vm, struct error *err)
{
	if (vm->state != HOLDFAST__VM_STATE__VM_RUNNING && vm->state != HOLDFAST__VM_STATE__VM_PAUSED)
		return error_set(err, ERROR_BUSY, "VM %s is %s: only a VM that runs can be given a new QEMU",
			vm->name, vm_state_name(vm->state));
	if (!vm->qmp)
		return error_set(err, ERROR_UNREACHABLE, "the QEMU of VM %s does not answer", vm->name);
	return check_machine(vm, err) || check_memory(vm, err) ? -1 : 0;
}

// ---- the second QEMU

static void share_console_log(const struct vm *vm, const struct vm *next)
{
	char from[512], to[512];
	if (!vm_path(vm, "console.log", from, sizeof(from), NULL) &&
		!vm_path(next, "console.log", to, sizeof(to), NULL) && link(from, to) && errno != EEXIST)
		log_warning("vm=%s its console's log begins anew", vm->name);
}

// What is left of it, whatever that is. It never ran the guest, or does not any more.
static int drop_next(struct vm *next, struct error *err)
{
	if (vm_kill(next, END_MS, err))
		return -1;
	vm_forget_process(next);
	vm_free(next);
	return 0;
}

static int spawn_next(struct vm *vm, struct vm *next, struct error *err)
{
	uint64_t bytes[QEMU_DISKS_MAX];
	if (running_set(next, vm->definition, err) || vm_disk_bytes(next, bytes, err) ||
		vm_phase(next, RUNDIR_PHASE_SPAWNING, err))
		return -1;
	fault_point("refresh-begun");
	share_console_log(vm, next);
	return vm_move_begin(next, HOLDFAST__VM_STATE__VM_MOVING_IN, err) ||
			vm_spawn(next, VM_SPAWN_INCOMING, bytes, err)
		? -1
		: 0;
}

static struct vm *make_next(struct vm *vm, struct error *err)
{
	struct vm *next = vm_new(vm->group, vm->wanted, err);
	if (!next)
		return NULL;
	snprintf(next->record, sizeof(next->record), "%.63s" RUNDIR_NEXT, vm->name);
	snprintf(next->guest.vm, sizeof(next->guest.vm), "%s", next->record);
	next->state = HOLDFAST__VM_STATE__VM_OFF;
	next->memory_of = vm->guest.pid;
	if (!spawn_next(vm, next, err))
		return next;
	struct error ignored = ERROR_INIT;
	if (drop_next(next, &ignored))
		log_error("vm=%s %s", vm->name, ignored.message);
	return NULL;
}

// Both ends of a pipe with the QEMUs; the second waits for what comes.
static int join(struct vm *vm, struct vm *next, struct error *err)
{
	int ends[2];
	if (vm_stream_set(vm, VM_STREAM_WITHOUT_SHARED, err) ||
		vm_stream_set(next, VM_STREAM_WITHOUT_SHARED, err))
		return -1;
	if (pipe2(ends, O_CLOEXEC))
		return error_set_errno(err, errno, "no pipe for the devices of VM %s", vm->name);
	cleanup_fd int reader = ends[0], writer = ends[1];
	return qmp_get_fd(next->qmp, reader, "state", err) || qmp_get_fd(vm->qmp, writer, "state", err) ||
			qmp_command(next->qmp, "migrate-incoming", json_pack("{s:s}", "uri", "fd:state"),
				QMP_TIMEOUT_MS, NULL, err)
		? -1
		: 0;
}

// ---- the change

static const char *phase_of(bool paused)
{
	return paused ? RUNDIR_PHASE_RUNNING : RUNDIR_PHASE_CONTINUING;
}

// The guest stands still from here on. After it the second QEMU has all of it, and the first is where `cont` still works.
static int hand_over(struct vm *vm, struct vm *next, bool paused, struct steps *steps, struct error *err)
{
	int64_t deadline_us = loop_now_us() + STREAM_MS * 1000LL;
	if (vm_phase(vm, phase_of(paused), err) || vm_event(vm, VM_EVENT_MOVE_OUT, err))
		return -1;
	fault_point("refresh-joined");
	steps_begin(steps);
	struct qmp_step stop[] = { { "stop", NULL }, { "migrate", json_pack("{s:s}", "uri", "fd:state") } };
	if (qmp_batch(vm->qmp, stop, 2, QMP_TIMEOUT_MS, err))
		return -1;
	steps_mark(steps, "stop");
	fault_point("refresh-stopped");
	if (vm->guest_powered_off)
		return error_set(err, ERROR_BUSY, "the guest has just shut itself down");
	if (vm_stream_await(vm, deadline_us, err) || vm_stream_await(next, deadline_us, err))
		return -1;
	steps_mark(steps, "devices");
	fault_point("refresh-streamed");
	if (vm_attach_disks(next, err) || vm_stream_set(next, VM_STREAM_ALL, err))
		return -1;
	steps_mark(steps, "disks");
	return 0;
}

// The records change places: from here on the second QEMU is the guest's, and NEXT is the first one.
static int decide(struct vm *vm, struct vm *next, bool paused, struct error *err)
{
	struct hypervisor *hv = group_hypervisor(vm->group);
	next->guest.cold_boot_ms = vm->guest.cold_boot_ms;
	next->guest.restart_count = vm->guest.restart_count;
	memcpy(next->guest.restart_ms, vm->guest.restart_ms, sizeof(vm->guest.restart_ms));
	fault_point("refresh-attached");
	if (vm_phase(next, phase_of(paused), err) || rundir_guest_exchange(&hv->run, vm->name, err))
		return -1;
	fault_point("refresh-decided");
	vm_exchange_process(vm, next);
	return 0;
}

// Before the decision: the guest goes on where it was.
static int go_back(struct vm *vm, struct vm *next, bool paused, struct error *err)
{
	struct error ignored = ERROR_INIT;
	bool begun = vm->state == HOLDFAST__VM_STATE__VM_MOVING_OUT;
	task_uncancel(task_self());
	if (drop_next(next, err)) // while it may live, nobody else is let run
		return -1;
	if (vm->pidfd >= 0 && vm_stream_cancel(vm, &ignored))
		log_warning("vm=%s after a refresh that failed: %s", vm->name, ignored.message);
	if (!begun)
		return 0;
	bool resume = !paused && !vm->guest_powered_off;
	if (vm->pidfd < 0 || (resume && vm_continue(vm, err))) {
		if (vm->pidfd >= 0 && vm_end(vm, END_MS, &ignored))
			log_error("vm=%s %s", vm->name, ignored.message);
		vm_move_end(vm, HOLDFAST__VM_STATE__VM_OFF); // started again from its disks
		return error_set(
			err, ERROR_FAILED, "its QEMU has died, and the VM is started again from its disks");
	}
	if (paused && vm_stream_rest(vm, &ignored))
		log_warning("vm=%s after a refresh that failed: %s", vm->name, ignored.message);
	vm_move_end(vm, paused ? HOLDFAST__VM_STATE__VM_PAUSED : HOLDFAST__VM_STATE__VM_RUNNING);
	return 0;
}

// After this call no instruction of the process is carried out any more.
static int condemn(struct vm *first, struct error *err)
{
	if (first->pidfd >= 0 && syscall(SYS_pidfd_send_signal, first->pidfd, SIGKILL, NULL, 0) &&
		errno != ESRCH)
		return error_set_errno(err, errno, "cannot end process %d", (int)first->guest.pid);
	return 0;
}

// After the decision: the first QEMU goes, the second runs. Never back. The guest need not wait until all of the first one is cleared away.
static int go_forward(
	struct vm *vm, struct vm *first, bool paused, struct refresh_report *report, struct error *err)
{
	struct error why = ERROR_INIT, late = ERROR_INIT;
	double stopped_ms = vm->stopped_ms;
	task_uncancel(task_self());
	int result = condemn(first, &why);
	fault_point("refresh-condemned");
	if (!result && !paused)
		result = vm_continue(vm, &why);
	steps_mark(&report->steps, "run");
	report->pause_ms = !paused && stopped_ms > 0 ? vm->resumed_ms - stopped_ms : 0;
	fault_point("refresh-runs");
	if (drop_next(first, &late))
		log_error("vm=%s %s", vm->name, late.message);
	if (!result) {
		vm_move_end(vm, paused ? HOLDFAST__VM_STATE__VM_PAUSED : HOLDFAST__VM_STATE__VM_RUNNING);
		return 0;
	}
	if (vm_end(vm, END_MS, err))
		log_error("vm=%s the new QEMU of a refresh that failed does not end", vm->name);
	vm_move_end(vm, HOLDFAST__VM_STATE__VM_OFF);
	return error_set(err, ERROR_FAILED,
		"VM %s did not go on in its new QEMU (%s) and is started again from its disks", vm->name,
		why.message);
}

int vm_refresh(struct vm *vm, struct refresh_report *report, struct error *err)
{
	bool paused = vm->state == HOLDFAST__VM_STATE__VM_PAUSED;
	double begin_ms = loop_now_ms();
	struct error why = ERROR_INIT, worse = ERROR_INIT;
	memset(report, 0, sizeof(*report));
	if (check(vm, err))
		return -1;
	snprintf(report->before, sizeof(report->before), "%s", qmp_version(vm->qmp));
	struct vm *next = make_next(vm, err);
	if (!next)
		return error_prefix(err, "VM %s keeps its QEMU", vm->name);
	fault_point("refresh-spawned");
	if (vm->pidfd < 0) { // it died meanwhile, and its keeper waits for us
		error_set(&why, ERROR_FAILED, "its QEMU has died");
	} else if (!join(vm, next, &why) && !hand_over(vm, next, paused, &report->steps, &why) &&
		!decide(vm, next, paused, &why)) {
		snprintf(report->after, sizeof(report->after), "%s", qmp_version(vm->qmp));
		steps_mark(&report->steps, "decide");
		if (go_forward(vm, next, paused, report, err))
			return -1;
		report->duration_ms = loop_now_ms() - begin_ms;
		return 0;
	}
	error_set(err, why.code, "VM %s keeps its QEMU: %s", vm->name, why.message);
	if (go_back(vm, next, paused, &worse))
		return error_set(err, ERROR_FAILED, "VM %s got no new QEMU (%s): %s", vm->name, why.message,
			worse.message);
	return -1;
}

// ---- after a crash of hypervisord

static int end_process(const struct rundir_guest *guest, struct error *err)
{
	int fd = -1;
	if (!rundir_guest_alive(guest, &fd))
		return 0;
	cleanup_fd int pidfd = fd;
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) && errno != ESRCH)
		return error_set_errno(err, errno, "cannot end process %d", (int)guest->pid);
	return task_wait_fd(pidfd, POLLIN, END_MS, "the other QEMU of a refresh to end", err);
}

int refresh_recover(struct hypervisor *hv, struct error *err)
{
	struct rundir_guest *guests = NULL;
	size_t count = 0;
	int result = 0;
	if (rundir_guest_list(&hv->run, &guests, &count, err))
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct error why = ERROR_INIT;
		if (!rundir_is_next(guests[i].vm))
			continue;
		log_warning("vm=%s a refresh was interrupted: process %d is ended", guests[i].vm,
			(int)guests[i].pid);
		if (!guests[i].pid) {
			char name[sizeof(guests[i].vm)];
			snprintf(name, sizeof(name), "%s", guests[i].vm);
			*strrchr(name, '.') = '\0';
			vm_spawn_end_user(guests[i].uid, name);
		} else if (end_process(&guests[i], &why)) {
			result = error_set(err, why.code, "VM %s: %s", guests[i].vm, why.message);
			continue;
		}
		if (rundir_guest_remove(&hv->run, guests[i].vm, &why))
			log_error("vm=%s %s", guests[i].vm, why.message);
	}
	free(guests);
	return result;
}
