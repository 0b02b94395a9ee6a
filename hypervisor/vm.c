// SPDX-License-Identifier: GPL-3.0-or-later
// A VM's state and the watch on its process. Nothing else changes `state`; the record in the run directory follows what was done to the
// process, not the state. Knows nothing of how a guest is started, stopped or saved.
#include "hypervisor/vm-private.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include "common/cleanup.h"
#include "common/fault.h"
#include "common/log.h"
#include "hypervisor/hotplug.h"
#include "hypervisor/control.h"

#define RECONNECT_TRIES 10
#define RECONNECT_PAUSE_MS 500

const char *vm_name(const struct vm *vm)
{
	return vm->name;
}

const Holdfast__Vm *vm_definition(const struct vm *vm)
{
	return vm->definition;
}

const Holdfast__Vm *vm_wanted(const struct vm *vm)
{
	return vm->wanted;
}

Holdfast__VmState vm_state(const struct vm *vm)
{
	return vm->state;
}

struct group *vm_group(const struct vm *vm)
{
	return vm->group;
}

struct qmp *vm_qmp(const struct vm *vm)
{
	return vm->qmp;
}

pid_t vm_pid(const struct vm *vm)
{
	return vm->pidfd >= 0 ? vm->guest.pid : 0;
}

double vm_stopped_ms(const struct vm *vm)
{
	return vm->stopped_ms;
}

double vm_resumed_ms(const struct vm *vm)
{
	return vm->resumed_ms;
}

bool vm_has_process(const struct vm *vm)
{
	return vm->pidfd >= 0;
}

bool vm_is_up(const struct vm *vm)
{
	return vm->state != HOLDFAST__VM_STATE__VM_OFF && vm->state != HOLDFAST__VM_STATE__VM_SAVED &&
		vm->state != HOLDFAST__VM_STATE__VM_FAILED;
}

bool vm_takes_room(const struct vm *vm)
{
	return vm_is_up(vm) || vm->booting;
}

struct vm *vm_new(struct group *group, const Holdfast__Vm *definition, struct error *err)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	if (!vm) {
		error_set(err, ERROR_FAILED, "no memory for VM %s", definition->name);
		return NULL;
	}
	vm->group = group;
	vm->definition = vm->wanted = definition;
	snprintf(vm->name, sizeof(vm->name), "%s", definition->name);
	snprintf(vm->record, sizeof(vm->record), "%s", vm->name);
	snprintf(vm->guest.vm, sizeof(vm->guest.vm), "%s", definition->name);
	snprintf(vm->guest.group, sizeof(vm->guest.group), "%s", group_name(group));
	vm->pidfd = -1;
	vm->state = definition->target == HOLDFAST__VM_TARGET__TARGET_SAVED ? HOLDFAST__VM_STATE__VM_SAVED
									    : HOLDFAST__VM_STATE__VM_OFF;
	return vm;
}

static void drop_process(struct vm *vm)
{
	health_forget(vm);
	struct qmp *qmp = steal_ptr(vm->qmp);
	qmp_free(qmp);
	loop_source_remove(vm->exit_source);
	vm->exit_source = NULL;
	if (vm->pidfd >= 0)
		close(steal_fd(&vm->pidfd));
}

void vm_free(struct vm *vm)
{
	if (!vm)
		return;
	drop_process(vm);
	vm->wanted = NULL;
	running_drop(vm);
	vm_leaving_clear(vm);
	if (vm->reconnecting)
		vm->doomed = true; // that task frees it
	else
		free(vm);
}

int vm_event(struct vm *vm, enum vm_event event, struct error *err)
{
	struct error local = ERROR_INIT;
	Holdfast__VmState next;
	if (vm_state_next(vm->state, event, &next, &local)) {
		log_warning("vm=%s group=%s %s", vm->name, group_name(vm->group), local.message);
		error_copy(err, &local);
		return error_prefix(err, "VM %s", vm->name);
	}
	if (next != vm->state)
		log_info("vm=%s group=%s %s -> %s", vm->name, group_name(vm->group), vm_state_name(vm->state),
			vm_state_name(next));
	vm->state = next;
	if (next == HOLDFAST__VM_STATE__VM_RUNNING || next == HOLDFAST__VM_STATE__VM_STARTING)
		vm->reason[0] = '\0';
	return 0;
}

void vm_event_now(struct vm *vm, enum vm_event event)
{
	if (vm_event(vm, event, NULL))
		return; // logged there
}

void vm_reason(struct vm *vm, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	vsnprintf(vm->reason, sizeof(vm->reason), format, list);
	va_end(list);
}

int vm_path(const struct vm *vm, const char *file, char *path, size_t size, struct error *err)
{
	return rundir_vm_path(&group_hypervisor(vm->group)->run, vm->record, file, path, size, err);
}

int vm_phase(struct vm *vm, const char *phase, struct error *err)
{
	fault_point("phase:before-%s", phase);
	snprintf(vm->guest.phase, sizeof(vm->guest.phase), "%s", phase);
	int result = rundir_guest_set(&group_hypervisor(vm->group)->run, &vm->guest, err);
	fault_point("phase:%s", phase);
	return result;
}

// ---- the process

static void on_exit_seen(pid_t pid, void *data)
{
	struct vm *vm = data;
	vm->exit_source = NULL;
	drop_process(vm);
	vm->guest.pid = 0;
	task_wake(&vm->gone);
	task_wake(&vm->powered_off); // nobody needs to wait for that any more
	// In all other states somebody is at work on it, or a move has it, and sees for himself.
	if (vm->state == HOLDFAST__VM_STATE__VM_STOPPING) {
		vm_event_now(vm, VM_EVENT_ENDED);
		vm_forget_process(vm);
	}
	if (vm->state == HOLDFAST__VM_STATE__VM_RUNNING || vm->state == HOLDFAST__VM_STATE__VM_PAUSED)
		keeper_on_death(vm);
}

void vm_watch(struct vm *vm, int pidfd)
{
	vm->pidfd = pidfd;
	vm->gone = (struct task_wait){ 0 };
	vm->powered_off = (struct task_wait){ 0 };
	vm->guest_powered_off = false;
	vm->stopped_ms = vm->resumed_ms = 0;
	vm_leaving_clear(vm);
	vm->disks = VM_DISKS_UNKNOWN;
	vm->exit_source =
		loop_add_pidfd(group_hypervisor(vm->group)->loop, pidfd, vm->guest.pid, on_exit_seen, vm);
}

static void on_io_error(struct vm *vm, const json_t *data)
{
	const char *device = json_string_value(json_object_get(data, "device"));
	const char *node = json_string_value(json_object_get(data, "node-name"));
	const char *why = json_string_value(json_object_get(data, "reason"));
	const char *action = json_string_value(json_object_get(data, "action"));
	if (!action || strcmp(action, "stop"))
		return;
	vm->io_stopped = true;
	bool no_space = json_is_true(json_object_get(data, "nospace"));
	if (no_space) {
		vm_reason(vm,
			"stopped because the volume of %.63s has no room left (%.60s): delete checkpoints or "
			"grow the "
			"volume, then: holdfast vm resume %s",
			node && node[0] ? node : "a disk", why ? why : "no space", vm->name);
		return;
	}
	vm_reason(vm,
		"stopped by an I/O error on %.63s: %.100s; when its storage is well again: holdfast vm "
		"resume %s",
		node && node[0]		      ? node
			: device && device[0] ? device
					      : "a disk",
		why ? why : "unknown", vm->name);
}

// QEMU's time stamp on our clock.
static double event_ms(double seconds)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	double age_ms = ((double)now.tv_sec - seconds) * 1000 + (double)now.tv_nsec / 1e6;
	return loop_now_ms() - (age_ms > 0 && age_ms < 60000 ? age_ms : 0);
}

static void note_run_state(struct vm *vm, const char *event, double seconds)
{
	if (!strcmp(event, "STOP")) {
		vm->stopped_ms = event_ms(seconds);
	} else if (!strcmp(event, "RESUME")) {
		vm->resumed_ms = event_ms(seconds);
		vm->stopped_ms = 0;
	}
}

static void on_qmp_event(const char *event, const json_t *data, double seconds, void *arg)
{
	struct vm *vm = arg;
	log_debug("vm=%s QMP event %s", vm->name, event);
	note_run_state(vm, event, seconds);
	if (!strcmp(event, "BALLOON_CHANGE")) {
		control_on_balloon(vm, (uint64_t)json_integer_value(json_object_get(data, "actual")));
	} else if (!strcmp(event, "BLOCK_IO_ERROR")) {
		on_io_error(vm, data);
	} else if (!strcmp(event, "STOP") && vm->state == HOLDFAST__VM_STATE__VM_RUNNING && vm->io_stopped) {
		vm->io_stopped = false;
		vm_event_now(vm, VM_EVENT_PAUSED);
		host_event(group_hypervisor(vm->group), "vm-io-error", group_name(vm->group), vm->name, 0, 0,
			NULL, 0, "%s", vm->reason);
	} else if (!strcmp(event, "DEVICE_DELETED")) {
		hotplug_on_deleted(vm, json_string_value(json_object_get(data, "device")));
	} else if (!strcmp(event, "SHUTDOWN") && json_is_true(json_object_get(data, "guest"))) {
		vm->guest_powered_off = true;
		task_wake(&vm->powered_off);
		if (vm->state == HOLDFAST__VM_STATE__VM_RUNNING || vm->state == HOLDFAST__VM_STATE__VM_PAUSED)
			keeper_on_power_off(vm);
	} else {
		health_on_event(vm, event, data);
	}
}

// The process may live on without its QMP: it was too slow, or it said what QEMU does not say. The VM stays while it has a process.
static void reconnect_task(void *data)
{
	struct vm *vm = data;
	struct error err = ERROR_INIT;
	pid_t pid = vm->guest.pid; // another QEMU is not ours to care for
	for (int i = 0; i < RECONNECT_TRIES && vm_pid(vm) == pid && !vm->qmp; i++) {
		error_clear(&err);
		if (task_pause(RECONNECT_PAUSE_MS, &err))
			break;
		if (vm_pid(vm) != pid || vm->qmp || !vm_connect(vm, QMP_TIMEOUT_MS, &err))
			break;
	}
	vm->reconnecting = false;
	if (vm->doomed) {
		vm_free(vm);
		return;
	}
	if (vm_pid(vm) == pid && !vm->qmp) {
		log_error("vm=%s QEMU does not answer: %s", vm->name, err.message);
		vm_reason(vm, "its QEMU does not answer: %.150s", err.message);
	}
}

static void on_qmp_closed(void *arg)
{
	struct vm *vm = arg;
	struct error err = ERROR_INIT;
	qmp_free(steal_ptr(vm->qmp));
	if (vm->reconnecting || vm->pidfd < 0 || vm->state == HOLDFAST__VM_STATE__VM_STOPPING)
		return;
	vm->reconnecting = true;
	if (!task_start(group_hypervisor(vm->group)->loop, "qmp-reconnect", reconnect_task, vm, &err)) {
		vm->reconnecting = false;
		log_error("vm=%s %s", vm->name, err.message);
	}
}

int vm_connect(struct vm *vm, unsigned timeout_ms, struct error *err)
{
	char path[512];
	if (vm_path(vm, "qmp.sock", path, sizeof(path), err))
		return -1;
	struct qmp *qmp = qmp_open(
		group_hypervisor(vm->group)->loop, path, timeout_ms, on_qmp_event, on_qmp_closed, vm, err);
	if (!qmp)
		return -1;
	if (vm->pidfd < 0 || vm->qmp) { // it ended while we waited
		qmp_free(qmp);
		return error_set(err, ERROR_UNREACHABLE, "VM %s: its QEMU has ended", vm->name);
	}
	vm->qmp = qmp;
	return 0;
}

int vm_query_status(struct vm *vm, char status[32], struct error *err)
{
	json_t *result = NULL;
	if (qmp_command(vm->qmp, "query-status", NULL, QMP_TIMEOUT_MS, &result, err))
		return error_prefix(err, "VM %s", vm->name);
	const char *text = json_string_value(json_object_get(result, "status"));
	snprintf(status, 32, "%s", text ? text : "unknown");
	json_decref(result);
	return 0;
}

int vm_kill(struct vm *vm, unsigned timeout_ms, struct error *err)
{
	if (vm->pidfd < 0)
		return 0;
	task_uncancel(task_self()); // whoever was cancelled and gets here is undoing
	if (syscall(SYS_pidfd_send_signal, vm->pidfd, SIGKILL, NULL, 0) && errno != ESRCH)
		return error_set_errno(
			err, errno, "VM %s: cannot end process %d", vm->name, (int)vm->guest.pid);
	pid_t pid = vm->guest.pid;
	if (task_wait(&vm->gone, timeout_ms, "QEMU's end", err) && vm->pidfd >= 0)
		return error_prefix(
			err, "VM %s: process %d does not end, its I/O may hang", vm->name, (int)pid);
	error_clear(err);
	return 0;
}

#define EXCHANGE(field)                                         \
	do {                                                    \
		char kept[sizeof(a->field)];                    \
		memcpy(kept, &a->field, sizeof(a->field));      \
		memcpy(&a->field, &b->field, sizeof(a->field)); \
		memcpy(&b->field, kept, sizeof(a->field));      \
	} while (0)

static void own_process(struct vm *vm, const struct vm *before)
{
	// Whoever looks at its console has to be joined with the new one.
	if (vm->console_pid && vm->console_pid == before->guest.pid)
		vm->console_pid = vm->guest.pid;
	qmp_set_arg(vm->qmp, vm);
	loop_source_remove(vm->exit_source);
	vm->exit_source = vm->pidfd < 0 ? NULL
					: loop_add_pidfd(group_hypervisor(vm->group)->loop, vm->pidfd,
						  vm->guest.pid, on_exit_seen, vm);
	vm->gone = (struct task_wait){ 0 };
	vm->powered_off = (struct task_wait){ 0 };
}

void vm_exchange_process(struct vm *a, struct vm *b)
{
	EXCHANGE(pidfd);
	EXCHANGE(exit_source);
	EXCHANGE(qmp);
	EXCHANGE(kvm);
	EXCHANGE(disks);
	EXCHANGE(disk_count);
	EXCHANGE(fds_linger);
	EXCHANGE(guest.pid);
	EXCHANGE(guest.start_time);
	EXCHANGE(guest.uid);
	EXCHANGE(guest.phase);
	EXCHANGE(running);
	a->definition = a->running ? a->running : a->wanted;
	b->definition = b->running ? b->running : b->wanted;
	a->guest_powered_off = b->guest_powered_off = false;
	own_process(a, b);
	own_process(b, a);
}

void vm_forget_process(struct vm *vm)
{
	struct error err = ERROR_INIT;
	vm->guest.pid = 0;
	vm->guest.start_time = 0;
	vm->fds_linger = false;
	running_drop(vm);
	control_gone(vm);
	fault_point("record:before-remove");
	if (rundir_guest_remove(&group_hypervisor(vm->group)->run, vm->record, &err))
		log_error("vm=%s %s", vm->name, err.message);
	fault_point("record:removed");
}
