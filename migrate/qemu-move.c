// SPDX-License-Identifier: GPL-3.0-or-later
// What a move asks of one QEMU, over QMP (FACTS of the hand-over: capabilities on both sides, stream as a descriptor). Knows nothing of
// peers, journals or groups.
#include "migrate/internal.h"

#include <inttypes.h>
#include <string.h>
#include "common/log.h"

#define STREAM_NAME "move"
#define POLL_MS 5u

static json_t *capability(const char *name)
{
	return json_pack("{s:s, s:b}", "capability", name, "state", 1);
}

static int set_capabilities(struct vm *vm, struct error *err)
{
	json_t *arguments = json_pack(
		"{s:[o, o]}", "capabilities", capability("late-block-activate"), capability("events"));

	return qmp_command(
		vm_qmp(vm), "migrate-set-capabilities", arguments, MOVE_CALL_TIMEOUT_MS, NULL, err);
}

int qemu_move_prepare_source(struct vm *vm, struct error *err)
{
	if (set_capabilities(vm, err) < 0)
		return -1;
	// The guest is stopped before the stream starts: nothing is gained by a limit.
	json_t *parameters = json_pack(
		"{s:I, s:I}", "max-bandwidth", (json_int_t)10 << 30, "downtime-limit", (json_int_t)2000000);
	return qmp_command(vm_qmp(vm), "migrate-set-parameters", parameters, MOVE_CALL_TIMEOUT_MS, NULL, err);
}

int qemu_move_prepare_target(struct vm *vm, int stream, struct error *err)
{
	if (set_capabilities(vm, err) < 0)
		return -1;
	if (qmp_get_fd(vm_qmp(vm), stream, STREAM_NAME, err) < 0)
		return -1;
	json_t *arguments = json_pack("{s:s}", "uri", "fd:" STREAM_NAME);
	return qmp_command(vm_qmp(vm), "migrate-incoming", arguments, MOVE_CALL_TIMEOUT_MS, NULL, err);
}

int qemu_move_send(struct vm *vm, int stream, struct error *err)
{
	if (qmp_get_fd(vm_qmp(vm), stream, STREAM_NAME, err) < 0)
		return -1;
	return qmp_command(vm_qmp(vm), "migrate", json_pack("{s:s}", "uri", "fd:" STREAM_NAME),
		MOVE_CALL_TIMEOUT_MS, NULL, err);
}

// 1: completed, 0: still going on, -1: failed.
static int migration_state(struct vm *vm, struct error *err)
{
	json_t *answer = NULL;
	int verdict = 0;

	if (!vm_qmp(vm))
		return error_set(err, ERROR_FAILED, "the QEMU of VM %s has ended", vm_name(vm));
	if (qmp_command(vm_qmp(vm), "query-migrate", NULL, MOVE_CALL_TIMEOUT_MS, &answer, err) < 0)
		return -1;
	const char *status = json_string_value(json_object_get(answer, "status"));
	if (status && strcmp(status, "completed") == 0)
		verdict = 1;
	else if (status && (strcmp(status, "failed") == 0 || strcmp(status, "cancelled") == 0))
		verdict = error_set(err, ERROR_FAILED, "QEMU says that the transfer of VM %s's memory has %s",
			vm_name(vm), status);
	json_decref(answer);
	return verdict;
}

int qemu_move_await(struct vm *vm, unsigned timeout_ms, const bool *stop, struct error *err)
{
	double deadline = loop_now_ms() + timeout_ms;

	// QEMU 7.2 sends no MIGRATION event on some ways to the end, so its state is asked for.
	for (;;) {
		int verdict = migration_state(vm, err);
		if (verdict != 0)
			return verdict < 0 ? -1 : 0;
		if (stop && *stop)
			return error_set(err, ERROR_CANCELLED, "the other node has gone away");
		if (loop_now_ms() >= deadline)
			return error_set(err, ERROR_TIMEOUT,
				"the memory of VM %s was not transferred within %u ms", vm_name(vm),
				timeout_ms);
		if (task_pause(POLL_MS, err) < 0)
			return -1;
	}
}

uint64_t qemu_move_bytes(struct vm *vm)
{
	json_t *answer = NULL;

	if (qmp_command(vm_qmp(vm), "query-migrate", NULL, MOVE_CALL_TIMEOUT_MS, &answer, NULL) < 0)
		return 0;
	json_int_t bytes =
		json_integer_value(json_object_get(json_object_get(answer, "ram"), "transferred"));
	json_decref(answer);
	return bytes > 0 ? (uint64_t)bytes : 0;
}

int qemu_move_cancel(struct vm *vm, struct error *err)
{
	double deadline = loop_now_ms() + MOVE_CALL_TIMEOUT_MS;

	if (!vm_qmp(vm))
		return 0;
	if (qmp_command(vm_qmp(vm), "migrate_cancel", NULL, MOVE_CALL_TIMEOUT_MS, NULL, err) < 0)
		return -1;
	for (;;) {
		json_t *answer = NULL;
		if (qmp_command(vm_qmp(vm), "query-migrate", NULL, MOVE_CALL_TIMEOUT_MS, &answer, err) < 0)
			return -1;
		const char *status = json_string_value(json_object_get(answer, "status"));
		bool over = !status || strcmp(status, "none") == 0 || strcmp(status, "cancelled") == 0 ||
			strcmp(status, "failed") == 0 || strcmp(status, "completed") == 0;
		json_decref(answer);
		if (over)
			return 0;
		if (loop_now_ms() >= deadline)
			return error_set(err, ERROR_TIMEOUT,
				"QEMU does not end the transfer of VM %s's memory", vm_name(vm));
		if (task_pause(POLL_MS, err) < 0)
			return -1;
	}
}
