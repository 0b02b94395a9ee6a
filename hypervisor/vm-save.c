// SPDX-License-Identifier: GPL-3.0-or-later
// Saves a guest to its group's state directory and restores it. A save that fails lets the guest run on; a restore is durably marked as used
// before the guest's first instruction. The bytes go through a worker thread (save-stream.c).
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/log.h"
#include "hypervisor/clock.h"
#include "hypervisor/save-stream.h"
#include "hypervisor/saved-state.h"
#include "hypervisor/vm-private.h"

#define POLL_MS 5
#define UNDO_MS 30000
#define RESTORE_MS 600000
#define PIPE_BYTES (1 << 20)

struct saved_work { // for the worker thread
	struct saved_state state;
	const struct save_header *header;
	int fd;
};

static int work_finish(void *data, struct error *err)
{
	struct saved_work *work = data;
	uint64_t generation;
	if (saved_generation_next(&work->state, &generation, err))
		return -1;
	struct save_header header = *work->header;
	header.generation = generation;
	return saved_finish(&work->state, work->fd, &header, err);
}

static int work_mark_used(void *data, struct error *err)
{
	struct saved_work *work = data;
	return saved_mark_used(&work->state, err);
}

static void describe(const struct vm *vm, struct save_header *header)
{
	memset(header, 0, sizeof(*header));
	snprintf(header->vm, sizeof(header->vm), "%s", vm->name);
	snprintf(header->uuid, sizeof(header->uuid), "%s", vm->definition->uuid);
	snprintf(header->machine, sizeof(header->machine), "%s", shape_machine(vm->definition));
	header->ram_kib = qemu_ram_kib(vm->definition, group_hypervisor(vm->group)->kvm);
	header->cpus = vm->definition->cpus;
}

// A pipe whose end OURS never blocks and whose other end is QEMU's, under the name "state".
static int open_pipe(struct vm *vm, int ours, int *fd, struct error *err)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC))
		return error_set_errno(err, errno, "no pipe for the state of VM %s", vm->name);
	*fd = ends[ours];
	cleanup_fd int theirs = ends[1 - ours];
	fcntl(theirs, F_SETPIPE_SZ, PIPE_BYTES); // faster, if it is allowed
	if (fcntl(*fd, F_SETFL, O_NONBLOCK))
		return error_set_errno(err, errno, "no pipe for the state of VM %s", vm->name);
	return qmp_get_fd(vm->qmp, theirs, "state", err);
}

static int await_migration(struct vm *vm, int64_t deadline_us, struct error *err)
{
	for (;;) {
		json_t *result = NULL;
		if (qmp_command(vm->qmp, "query-migrate", NULL, QMP_TIMEOUT_MS, &result, err))
			return -1;
		char status[32], why[200];
		const char *text = json_string_value(json_object_get(result, "status"));
		const char *detail = json_string_value(json_object_get(result, "error-desc"));
		snprintf(status, sizeof(status), "%s", text ? text : "none");
		snprintf(why, sizeof(why), "%s", detail ? detail : "QEMU does not say why");
		json_decref(result);
		if (!strcmp(status, "completed"))
			return 0;
		if (!strcmp(status, "failed") || !strcmp(status, "cancelled"))
			return error_set(err, ERROR_FAILED, "QEMU's stream %s: %s", status, why);
		if (loop_now_us() >= deadline_us)
			return error_set(err, ERROR_TIMEOUT, "its time was up (QEMU says %s)", status);
		if (task_pause(POLL_MS, err))
			return -1;
	}
}

// What a move may have set is set again: these are the stream's properties.
static int set_stream_properties(struct vm *vm, struct error *err)
{
	struct qmp_step steps[] = {
		{ "migrate-set-capabilities",
			json_pack("{s:[{s:s s:b}]}", "capabilities", "capability", "late-block-activate",
				"state", 0) },
		{ "migrate-set-parameters", json_pack("{s:I}", "max-bandwidth", (json_int_t)10 << 30) },
	};
	return qmp_batch(vm->qmp, steps, 2, QMP_TIMEOUT_MS, err);
}

// ---- save

static int stream_out(struct vm *vm, struct save_stream *stream, struct error *err)
{
	cleanup_fd int pipe_end = -1;
	if (set_stream_properties(vm, err) || open_pipe(vm, 0, &pipe_end, err) ||
		qmp_command(
			vm->qmp, "migrate", json_pack("{s:s}", "uri", "fd:state"), QMP_TIMEOUT_MS, NULL, err))
		return -1;
	stream->pipe = pipe_end;
	if (task_offload(save_stream_write, stream, err))
		return -1;
	return await_migration(vm, stream->deadline_us, err);
}

static int write_state(struct vm *vm, const char *directory, int64_t deadline_us, struct error *err)
{
	struct saved_state state = { directory, vm->name };
	struct save_header header;
	char path[4096];
	if (saved_path(&state, "saving", path, sizeof(path), err))
		return -1;
	cleanup_fd int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (file < 0 || lseek(file, SAVE_HEADER_BYTES, SEEK_SET) < 0)
		return error_set_errno(err, errno, "cannot write %s", path);
	struct save_stream stream = { .file = file, .deadline_us = deadline_us };
	describe(vm, &header);
	int result = vm_stop_cpus(vm, err);
	if (!result)
		result = running_save(vm, directory, err);
	if (!result)
		result = stream_out(vm, &stream, err);
	if (!result) {
		snprintf(header.qemu, sizeof(header.qemu), "%s", qmp_version(vm->qmp));
		snprintf(header.stream_sha256, sizeof(header.stream_sha256), "%s", stream.sha256);
		header.stream_bytes = stream.bytes;
		clock_rfc3339(header.time);
		struct saved_work work = { .state = state, .header = &header, .fd = file };
		result = task_offload(work_finish, &work, err);
	}
	if (result)
		unlink(path);
	return result;
}

// After a save that failed: no saved state is left, and the guest is as it was before.
static int go_on(struct vm *vm, const char *directory, Holdfast__VmState before, struct error *err)
{
	struct saved_state state = { directory, vm->name };
	char path[4096];
	struct error ignored = ERROR_INIT;
	task_uncancel(task_self());
	if (!saved_path(&state, "saved", path, sizeof(path), &ignored))
		unlink(path);
	if (!qmp_command(vm->qmp, "migrate_cancel", NULL, QMP_TIMEOUT_MS, NULL, &ignored) &&
		await_migration(vm, loop_now_us() + UNDO_MS * 1000LL, &ignored))
		log_debug("vm=%s after a save that failed: %s", vm->name, ignored.message);
	if (before == HOLDFAST__VM_STATE__VM_RUNNING)
		return vm_continue(vm, err);
	vm_event_now(vm, VM_EVENT_PAUSED);
	return vm_phase(vm, RUNDIR_PHASE_RUNNING, err);
}

int vm_save(struct vm *vm, const char *directory, unsigned timeout_ms, struct error *err)
{
	Holdfast__VmState before = vm->state;
	struct error why = ERROR_INIT, worse = ERROR_INIT;
	int64_t deadline_us = loop_now_us() + timeout_ms * 1000LL;
	if (vm_event(vm, VM_EVENT_SAVE, err))
		return -1;
	if (vm_phase(vm, RUNDIR_PHASE_SAVING, &why) || write_state(vm, directory, deadline_us, &why)) {
		error_set(err, why.code, "VM %s could not be saved and %s: %s", vm->name,
			before == HOLDFAST__VM_STATE__VM_RUNNING ? "runs on" : "stays paused", why.message);
		if (vm->pidfd < 0) {
			vm_event_now(vm, VM_EVENT_DIED);
			keeper_on_death(vm);
			return error_set(err, ERROR_FAILED, "VM %s died while it was saved", vm->name);
		}
		if (go_on(vm, directory, before, &worse)) {
			vm_reason(vm, "it does not go on after a save that failed: %.150s", worse.message);
			return error_set(err, ERROR_FAILED,
				"VM %s could not be saved (%s) and does not go on: %s", vm->name, why.message,
				worse.message);
		}
		return -1;
	}
	// The saved state is complete: from here on this QEMU must not run again.
	if (qmp_command(vm->qmp, "quit", NULL, QMP_TIMEOUT_MS, NULL, &worse) && vm->pidfd >= 0)
		log_debug("vm=%s quit: %s", vm->name, worse.message);
	if (vm_kill(vm, UNDO_MS, err))
		return -1;
	vm->guest.restart_count = 0;
	vm_forget_process(vm);
	vm_event_now(vm, VM_EVENT_SAVED);
	return 0;
}

// ---- restore

static int stream_in(
	struct vm *vm, struct save_stream *stream, const struct save_header *header, struct error *err)
{
	cleanup_fd int pipe_end = -1;
	if (set_stream_properties(vm, err) || open_pipe(vm, 1, &pipe_end, err) ||
		qmp_command(vm->qmp, "migrate-incoming", json_pack("{s:s}", "uri", "fd:state"),
			QMP_TIMEOUT_MS, NULL, err))
		return -1;
	stream->pipe = pipe_end;
	int result = task_offload(save_stream_read, stream, err);
	close(steal_fd(&pipe_end)); // the stream's end
	if (result || await_migration(vm, stream->deadline_us, err))
		return -1;
	if (strcmp(stream->sha256, header->stream_sha256))
		return error_set(err, ERROR_UNSAFE,
			"the saved state of VM %s is refused: its content is damaged", vm->name);
	return 0;
}

static int restore_into(
	struct vm *vm, const char *directory, int file, const struct save_header *header, struct error *err)
{
	struct saved_work work = { .state = { directory, vm->name } };
	struct save_stream stream = { .file = file, .bytes = header->stream_bytes };
	char path[4096];
	stream.deadline_us = loop_now_us() + RESTORE_MS * 1000LL;
	if (vm_attach_disks(vm, err) || stream_in(vm, &stream, header, err))
		return -1;
	if (task_offload(work_mark_used, &work, err) || vm_continue(vm, err))
		return -1;
	if (!saved_path(&work.state, "used", path, sizeof(path), NULL))
		unlink(path);
	return 0;
}

int vm_restore(struct vm *vm, const char *directory, struct error *err)
{
	struct saved_state state = { directory, vm->name };
	struct save_header wanted, header;
	uint64_t disk_bytes[QEMU_DISKS_MAX];
	cleanup_fd int file = -1;
	if (!saved_exists(&state))
		return error_set(err, ERROR_NOT_FOUND, "VM %s has no saved state", vm->name);
	if (running_restore(vm, directory, err))
		return -1;
	describe(vm, &wanted);
	if (saved_open(&state, &wanted, &header, &file, err) || vm_disk_bytes(vm, disk_bytes, err) ||
		vm_spawn(vm, VM_SPAWN_INCOMING, disk_bytes, err))
		return -1;
	struct error why = ERROR_INIT, ignored = ERROR_INIT;
	if (!restore_into(vm, directory, file, &header, &why))
		return 0;
	if (vm->pidfd < 0)
		vm_forget_process(vm);
	if (vm_end(vm, UNDO_MS, &ignored))
		log_error("vm=%s %s", vm->name, ignored.message);
	error_copy(err, &why);
	return error_prefix(err, "VM %s could not be restored", vm->name);
}
