// SPDX-License-Identifier: GPL-3.0-or-later
// Restores what vm-save.c wrote into a new QEMU. Every sum is checked, and the state durably marked as used, before the guest's first instruction; a
// guest that was paused when it was saved stays so.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/log.h"
#include "hypervisor/clock.h"
#include "hypervisor/guest-ram.h"
#include "hypervisor/save-stream.h"
#include "hypervisor/saved-state.h"
#include "hypervisor/vm-save.h"
#include "hypervisor/vm-stream.h"
#include "proto/json.h"

#define UNDO_MS 30000
#define RESTORE_MS 600000

struct restore_work { // for the worker threads
	struct saved_state state;
	const struct save_header *header;
	struct save_memory memory;
	struct save_stream stream;
	struct save_index index;
	char *definition;
	int file;
};

static int work_index(void *data, struct error *err)
{
	struct restore_work *work = data;
	save_direct(work->file);
	if (save_read_index(work->file, work->header, &work->index, err))
		return -1;
	return save_read_text(work->file, &work->index, SAVE_DEFINITION, &work->definition, err);
}

static int work_memory(void *data, struct error *err)
{
	struct restore_work *work = data;
	return save_memory_read(&work->memory, err);
}

static int work_mark_used(void *data, struct error *err)
{
	struct restore_work *work = data;
	return saved_mark_used(&work->state, err);
}

// The new QEMU's memory, which nobody has touched yet: it must be all zero.
static int open_memory(struct vm *vm, struct restore_work *work, struct error *err)
{
	const struct save_header *header = work->header;
	for (size_t i = 0; i < header->ram_count; i++) {
		const struct save_ram_header *ram = &header->rams[i];
		int *fd = &work->memory.fds[i];
		if (guest_ram_open(vm->guest.pid, ram->id, ram->bytes, fd, err))
			return error_prefix(
				err, "the saved state has memory %s that this QEMU has not", ram->id);
		if (guest_ram_clear(*fd, ram->bytes, err))
			return -1;
	}
	return 0;
}

static int stream_in(struct vm *vm, struct restore_work *work, struct error *err)
{
	cleanup_fd int pipe_end = -1;
	if (vm_stream_pipe(vm, 1, &pipe_end, err) ||
		qmp_command(vm->qmp, "migrate-incoming", json_pack("{s:s}", "uri", "fd:state"),
			QMP_TIMEOUT_MS, NULL, err))
		return -1;
	work->stream.pipe.fd = pipe_end;
	int result = task_offload(save_stream_read, &work->stream, err);
	close(steal_fd(&pipe_end)); // the stream's end
	return result || vm_stream_await(vm, work->stream.pipe.deadline_us, err) ? -1 : 0;
}

static int fill(struct vm *vm, struct restore_work *work, struct error *err)
{
	save_index_of(&work->index, SAVE_RAM, &work->memory.chunks, &work->memory.chunk_count);
	if (open_memory(vm, work, err) || task_offload(work_memory, work, err) ||
		vm_stream_set(vm, work->header->ram_count ? VM_STREAM_WITHOUT_SHARED : VM_STREAM_ALL, err) ||
		stream_in(vm, work, err))
		return -1;
	return vm_stream_set(vm, VM_STREAM_ALL, err);
}

static int restore_into(struct vm *vm, struct restore_work *work, struct error *err)
{
	char path[4096];
	if (vm_attach_disks(vm, err) || fill(vm, work, err) || task_offload(work_mark_used, work, err) ||
		vm_continue_as(vm, work->header->paused, err))
		return -1;
	if (!saved_path(&work->state, "used", path, sizeof(path), NULL))
		unlink(path);
	return 0;
}

// The guest gets the machine that it had, whatever is wanted of it meanwhile.
static int take_definition(struct vm *vm, struct restore_work *work, struct error *err)
{
	struct save_header wanted;
	ProtobufCMessage *read = proto_from_json_text(&holdfast__vm__descriptor, work->definition, err);
	if (!read || running_set(vm, (Holdfast__Vm *)read, err)) {
		if (read)
			protobuf_c_message_free_unpacked(read, NULL);
		return -1;
	}
	protobuf_c_message_free_unpacked(read, NULL);
	vm_save_describe(vm, &wanted);
	return saved_match(&work->state, work->header, &wanted, work->file, err);
}

static int restore_from(struct vm *vm, struct restore_work *work, struct error *err)
{
	uint64_t disk_bytes[QEMU_DISKS_MAX];
	struct error why = ERROR_INIT, ignored = ERROR_INIT;
	if (task_offload(work_index, work, &why)) {
		error_copy(err, &why);
		return error_prefix(err, "the saved state of VM %s is refused", vm->name);
	}
	if (take_definition(vm, work, err)) {
		running_drop(vm);
		return -1;
	}
	if (vm_disk_bytes(vm, disk_bytes, err) || vm_spawn(vm, VM_SPAWN_INCOMING, disk_bytes, err))
		return -1;
	if (!restore_into(vm, work, &why))
		return 0;
	char words[160] = "";
	if (vm->pidfd < 0) {
		vm_last_words(vm, words, sizeof(words));
		vm_forget_process(vm);
	}
	if (words[0])
		error_set(&why, why.code, "QEMU gave up: %s", words);
	if (vm_end(vm, UNDO_MS, &ignored))
		log_error("vm=%s %s", vm->name, ignored.message);
	error_copy(err, &why);
	return error_prefix(err, "VM %s could not be restored", vm->name);
}

int vm_restore(struct vm *vm, const char *directory, struct error *err)
{
	struct save_header header;
	struct restore_work work = { .state = { directory, vm->name }, .header = &header };
	cleanup_fd int file = -1;
	if (saved_open(&work.state, &header, &file, err))
		return -1;
	save_memory_init(&work.memory, &header);
	work.file = work.memory.file = work.stream.file = file;
	work.stream.index = &work.index;
	work.memory.deadline_us = work.stream.pipe.deadline_us = loop_now_us() + RESTORE_MS * 1000LL;
	int result = restore_from(vm, &work, err);
	save_memory_done(&work.memory);
	save_index_done(&work.index);
	free(work.definition);
	return result;
}
