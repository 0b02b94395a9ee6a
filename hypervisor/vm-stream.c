// SPDX-License-Identifier: GPL-3.0-or-later
// QEMU's migration as save, restore and refresh use it. Knows nothing of files, groups or what the stream is for.
#include "hypervisor/vm-stream.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/log.h"
#include "hypervisor/guest-ram.h"
#include "hypervisor/vm-private.h"

#define POLL_MS 2
#define UNDO_MS 30000
#define PIPE_BYTES (1 << 20)

int vm_stream_set(struct vm *vm, enum vm_stream_memory memory, struct error *err)
{
	struct qmp_step steps[] = {
		{ "migrate-set-capabilities",
			json_pack("{s:[{s:s s:b} {s:s s:b}]}", "capabilities", "capability",
				"late-block-activate", "state", 0, "capability", "x-ignore-shared", "state",
				memory == VM_STREAM_WITHOUT_SHARED) },
		{ "migrate-set-parameters", json_pack("{s:I}", "max-bandwidth", (json_int_t)10 << 30) },
	};
	return qmp_batch(vm->qmp, steps, 2, QMP_TIMEOUT_MS, err);
}

int vm_stream_pipe(struct vm *vm, int ours, int *fd, struct error *err)
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

int vm_stream_await(struct vm *vm, int64_t deadline_us, struct error *err)
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

int vm_stream_cancel(struct vm *vm, struct error *err)
{
	struct error ignored = ERROR_INIT;
	int64_t deadline_us = loop_now_us() + UNDO_MS * 1000LL;
	bool over = qmp_command(vm->qmp, "migrate_cancel", NULL, QMP_TIMEOUT_MS, NULL, &ignored) != 0;
	while (!over && loop_now_us() < deadline_us) {
		json_t *result = NULL;
		if (qmp_command(vm->qmp, "query-migrate", NULL, QMP_TIMEOUT_MS, &result, err))
			return -1;
		const char *status = json_string_value(json_object_get(result, "status"));
		over = !status || !strcmp(status, "none") || !strcmp(status, "completed") ||
			!strcmp(status, "failed") || !strcmp(status, "cancelled");
		json_decref(result);
		if (!over && task_pause(POLL_MS, err))
			return -1;
	}
	return vm_stream_set(vm, VM_STREAM_ALL, err);
}

int vm_stream_rest(struct vm *vm, struct error *err)
{
	struct qmp_step steps[] = { { "cont", NULL }, { "stop", NULL } };
	char status[32];
	if (vm_query_status(vm, status, err))
		return -1;
	return strcmp(status, "postmigrate") ? 0 : qmp_batch(vm->qmp, steps, 2, QMP_TIMEOUT_MS, err);
}

// 1: taken, or not shared and so none of ours; 0: shared, and cannot be opened.
static int take_backend(
	struct vm *vm, const json_t *backend, struct save_header *header, struct save_memory *memory)
{
	struct error ignored = ERROR_INIT;
	const char *id = json_string_value(json_object_get(backend, "id"));
	json_int_t bytes = json_integer_value(json_object_get(backend, "size"));
	struct save_ram_header *ram = &header->rams[header->ram_count];
	if (!json_is_true(json_object_get(backend, "share")))
		return 1;
	if (!id || strlen(id) >= sizeof(ram->id) || bytes <= 0 || bytes % SAVE_PAGE ||
		header->ram_count == SAVE_RAMS_MAX)
		return 0;
	if (guest_ram_open(vm->guest.pid, id, (uint64_t)bytes, &memory->fds[header->ram_count], &ignored)) {
		log_info("vm=%s its memory goes into the stream: %s", vm->name, ignored.message);
		return 0;
	}
	memset(ram, 0, sizeof(*ram));
	memcpy(ram->id, id, strlen(id));
	ram->bytes = (uint64_t)bytes;
	header->ram_count++;
	return 1;
}

int vm_stream_memory(struct vm *vm, struct save_header *header, struct save_memory *memory, struct error *err)
{
	json_t *backends = NULL, *backend;
	size_t i;
	bool all = true;
	header->ram_count = 0;
	if (qmp_command(vm->qmp, "query-memdev", NULL, QMP_TIMEOUT_MS, &backends, err))
		return error_prefix(err, "VM %s", vm->name);
	json_array_foreach (backends, i, backend)
		all = all && take_backend(vm, backend, header, memory);
	json_decref(backends);
	if (!all) {
		save_memory_done(memory);
		header->ram_count = 0;
	}
	return 0;
}
