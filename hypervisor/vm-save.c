// SPDX-License-Identifier: GPL-3.0-or-later
// Saves a guest to its group's state directory. Devices come as QEMU's stream, memory is read by our own threads (save-memory.c). A save that
// fails, for whatever reason, leaves nothing and lets the guest run on, or stay paused if it was.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/log.h"
#include "hypervisor/clock.h"
#include "hypervisor/save-stream.h"
#include "hypervisor/saved-state.h"
#include "hypervisor/vm-save.h"
#include "hypervisor/vm-stream.h"
#include "proto/json.h"

#define UNDO_MS 30000

void vm_save_describe(const struct vm *vm, struct save_header *header)
{
	memset(header, 0, sizeof(*header));
	snprintf(header->vm, sizeof(header->vm), "%s", vm->name);
	snprintf(header->uuid, sizeof(header->uuid), "%s", vm->wanted->uuid);
	snprintf(header->machine, sizeof(header->machine), "%s", shape_machine(vm->definition));
	header->ram_kib = qemu_ram_kib(vm->definition, group_hypervisor(vm->group)->kvm);
	header->cpus = vm->definition->cpus;
}

struct save_work { // for the worker thread: what comes after the devices
	struct saved_state state;
	struct save_header *header;
	struct save_memory *memory;
	struct save_writer *writer;
	const char *definition;
};

static int work_memory(void *data, struct error *err)
{
	struct save_work *work = data;
	uint64_t generation;
	if (save_memory_write(work->memory, err) ||
		save_writer_put_text(work->writer, SAVE_DEFINITION, work->definition, err) ||
		save_writer_finish(work->writer, work->header, err) ||
		saved_generation_next(&work->state, &generation, err))
		return -1;
	work->header->generation = generation;
	return saved_finish(&work->state, work->writer->fd, work->header, err);
}

static int stream_out(struct vm *vm, struct save_writer *writer, struct error *err)
{
	cleanup_fd int pipe_end = -1;
	if (vm_stream_pipe(vm, 0, &pipe_end, err) ||
		qmp_command(
			vm->qmp, "migrate", json_pack("{s:s}", "uri", "fd:state"), QMP_TIMEOUT_MS, NULL, err))
		return -1;
	struct save_stream stream = {
		.pipe = { pipe_end, writer->deadline_us }, .writer = writer
	};
	if (task_offload(save_stream_write, &stream, err))
		return -1;
	return vm_stream_await(vm, writer->deadline_us, err);
}

// The guest stands still.
static int write_parts(struct vm *vm, const struct saved_state *state, int file, struct save_header *header,
	struct save_memory *memory, int64_t deadline_us, struct error *err)
{
	struct save_writer writer;
	cleanup_free char *definition = proto_to_json_text(&vm->definition->base);
	if (!definition)
		return error_set(err, ERROR_FAILED, "no memory for the definition of VM %s", vm->name);
	if (vm_stream_memory(vm, header, memory, err) ||
		vm_stream_set(vm, header->ram_count ? VM_STREAM_WITHOUT_SHARED : VM_STREAM_ALL, err))
		return -1;
	snprintf(header->qemu, sizeof(header->qemu), "%s", qmp_version(vm->qmp));
	clock_rfc3339(header->time);
	save_writer_init(&writer, file, save_memory_used(memory), deadline_us);
	memory->writer = &writer;
	struct save_work work = { *state, header, memory, &writer, definition };
	int result = stream_out(vm, &writer, err);
	if (!result)
		result = task_offload(work_memory, &work, err);
	save_writer_done(&writer);
	return result;
}

static int write_state(struct vm *vm, const char *directory, Holdfast__VmState before, int64_t deadline_us,
	struct error *err)
{
	struct saved_state state = { directory, vm->name };
	struct save_header header;
	struct save_memory memory;
	char path[4096];
	// Of a hypervisord that died between a state's use and its removal: its room is needed.
	if (!saved_path(&state, "used", path, sizeof(path), NULL))
		unlink(path);
	if (saved_path(&state, "saving", path, sizeof(path), err))
		return -1;
	cleanup_fd int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (file < 0)
		return error_set_errno(err, errno, "cannot write %s", path);
	vm_save_describe(vm, &header);
	header.paused = before == HOLDFAST__VM_STATE__VM_PAUSED;
	save_memory_init(&memory, &header);
	int result = vm_stop_cpus(vm, err);
	if (!result)
		result = write_parts(vm, &state, file, &header, &memory, deadline_us, err);
	save_memory_done(&memory);
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
	if (vm_stream_cancel(vm, &ignored))
		log_warning("vm=%s after a save that failed: %s", vm->name, ignored.message);
	if (before == HOLDFAST__VM_STATE__VM_RUNNING)
		return vm_continue(vm, err);
	if (vm_stream_rest(vm, &ignored))
		log_warning("vm=%s after a save that failed: %s", vm->name, ignored.message);
	vm_event_now(vm, VM_EVENT_PAUSED);
	return vm_phase(vm, RUNDIR_PHASE_RUNNING, err);
}

int vm_save(struct vm *vm, const char *directory, unsigned timeout_ms, struct error *err)
{
	Holdfast__VmState before = vm->state;
	struct error why = ERROR_INIT, worse = ERROR_INIT;
	int64_t deadline_us = loop_now_us() + timeout_ms * 1000LL;
	const struct move_hooks *hooks = &group_hypervisor(vm->group)->move_hooks;
	if (hooks->give_way)
		hooks->give_way(hooks->moves, group_name(vm->group));
	if (vm_event(vm, VM_EVENT_SAVE, err))
		return -1;
	if (vm_phase(vm,
		    before == HOLDFAST__VM_STATE__VM_PAUSED ? RUNDIR_PHASE_SAVING_PAUSED
							    : RUNDIR_PHASE_SAVING,
		    &why) ||
		write_state(vm, directory, before, deadline_us, &why)) {
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
