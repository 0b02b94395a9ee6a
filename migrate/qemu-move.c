// SPDX-License-Identifier: GPL-3.0-or-later
// What a move asks of one QEMU, over QMP (FACTS of the hand-over: capabilities on both sides, stream as a descriptor). Knows nothing of
// peers, journals or groups.
#include "migrate/internal.h"

#include <inttypes.h>
#include <string.h>
#include "common/log.h"

#define STREAM_NAME "move"
#define POLL_MS 5u
#define POLL_SOON_MS 1u // at first, when the end may be near
#define POLLS_SOON 200
#define NO_LIMIT (10ull << 30) // bytes per second
#define DIRTY_MEASURE_S 1

static json_t *capability(const char *name, bool on)
{
	return json_pack("{s:s, s:b}", "capability", name, "state", on);
}

static json_t *capabilities(bool throttle, bool without_shared)
{
	// x-ignore-shared is said each time: a save or a quick move that failed must not make another move leave the memory out.
	return json_pack("{s:[o, o, o, o]}", "capabilities", capability("late-block-activate", true),
		capability("events", true), capability("auto-converge", throttle),
		capability("x-ignore-shared", without_shared));
}

static uint64_t or_no_limit(uint64_t bandwidth)
{
	return bandwidth ? bandwidth : NO_LIMIT;
}

static json_t *parameters(uint64_t bandwidth, unsigned downtime_ms)
{
	return json_pack("{s:I, s:I}", "max-bandwidth", (json_int_t)bandwidth, "downtime-limit",
		(json_int_t)downtime_ms);
}

int qemu_move_prepare_source(struct vm *vm, const struct qemu_move_params *params, struct error *err)
{
	// A guest that was stopped before needs no second pass, and QEMU must not look for one.
	const struct qmp_step steps[] = {
		{ "migrate-set-capabilities", capabilities(params->throttle, params->without_shared) },
		{ "migrate-set-parameters",
			parameters(or_no_limit(params->bandwidth), params->live ? 1 : QEMU_MOVE_ANY_DOWNTIME_MS) },
	};

	return qmp_batch(vm_qmp(vm), steps, 2, MOVE_CALL_TIMEOUT_MS, err);
}

int qemu_move_set(struct vm *vm, uint64_t bandwidth, unsigned downtime_ms, struct error *err)
{
	return qmp_command(vm_qmp(vm), "migrate-set-parameters",
		parameters(or_no_limit(bandwidth), downtime_ms), MOVE_CALL_TIMEOUT_MS, NULL, err);
}

json_t *qemu_move_end_copy(uint64_t bandwidth)
{
	// The shorter, the sooner it is read (qemu-args.c).
	return bandwidth ? parameters(NO_LIMIT, QEMU_MOVE_ANY_DOWNTIME_MS)
			 : json_pack("{s:i}", "downtime-limit", (int)QEMU_MOVE_ANY_DOWNTIME_MS);
}

int qemu_move_widen(struct vm *vm, struct error *err)
{
	json_t *answer = NULL;

	if (qmp_command(vm_qmp(vm), "query-qmp-schema", NULL, MOVE_CALL_TIMEOUT_MS, &answer, err) < 0)
		return -1;
	json_decref(answer);
	return 0;
}

int qemu_move_prepare_target(struct vm *vm, int stream, bool without_shared, struct error *err)
{
	// The network must not be told of a guest that may never run here: qemu_move_announce does it after the commit.
	const struct qmp_step steps[] = {
		{ "migrate-set-capabilities", capabilities(false, without_shared) },
		{ "migrate-set-parameters", json_pack("{s:i}", "announce-rounds", 0) },
	};

	if (qmp_batch(vm_qmp(vm), steps, 2, MOVE_CALL_TIMEOUT_MS, err) < 0 ||
		qmp_get_fd(vm_qmp(vm), stream, STREAM_NAME, err) < 0)
		return -1;
	return without_shared ? 0 : qemu_move_load(vm, err);
}

int qemu_move_load(struct vm *vm, struct error *err)
{
	if (!vm_qmp(vm))
		return error_set(err, ERROR_FAILED, "the QEMU of VM %s has ended", vm_name(vm));
	json_t *arguments = json_pack("{s:s}", "uri", "fd:" STREAM_NAME);
	return qmp_command(vm_qmp(vm), "migrate-incoming", arguments, MOVE_CALL_TIMEOUT_MS, NULL, err);
}

void qemu_move_announce(struct vm *vm)
{
	struct error err = ERROR_INIT;
	json_t *arguments =
		json_pack("{s:i s:i s:i s:i}", "initial", 50, "max", 550, "rounds", 5, "step", 100);

	if (qmp_command(vm_qmp(vm), "announce-self", arguments, MOVE_CALL_TIMEOUT_MS, NULL, &err) < 0)
		log_warning("vm=%s the network is not told where it is now: %s", vm_name(vm), err.message);
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
	unsigned polls = 0;

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
		if (task_pause(polls++ < POLLS_SOON ? POLL_SOON_MS : POLL_MS, err) < 0)
			return -1;
	}
}

// ---- figures

static enum copy_status status_of(const json_t *answer)
{
	static const struct {
		const char *word;
		enum copy_status status;
	} words[] = { { "setup", COPY_ACTIVE }, { "active", COPY_ACTIVE }, { "device", COPY_ACTIVE },
		{ "pre-switchover", COPY_ACTIVE }, { "completed", COPY_COMPLETED }, { "failed", COPY_FAILED },
		{ "cancelled", COPY_FAILED }, { "cancelling", COPY_FAILED } };
	const char *text = json_string_value(json_object_get(answer, "status"));

	for (size_t i = 0; text && i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].word, text) == 0)
			return words[i].status;
	}
	return COPY_NONE;
}

static uint64_t number(const json_t *object, const char *name)
{
	json_int_t value = json_integer_value(json_object_get(object, name));

	return value > 0 ? (uint64_t)value : 0;
}

int qemu_move_sample(struct vm *vm, struct copy_sample *sample, struct error *err)
{
	json_t *answer = NULL;

	if (qmp_command(vm_qmp(vm), "query-migrate", NULL, COPY_LOOK_TIMEOUT_MS, &answer, err) < 0)
		return -1;
	const json_t *ram = json_object_get(answer, "ram");
	*sample = (struct copy_sample){
		.status = status_of(answer),
		.total = number(ram, "total"),
		.remaining = number(ram, "remaining"),
		.transferred = number(ram, "transferred"),
		.passes = number(ram, "dirty-sync-count"),
		.dirty_bytes_s = (double)(number(ram, "dirty-pages-rate") * number(ram, "page-size")),
		.throttle_percent = (unsigned)number(answer, "cpu-throttle-percentage"),
	};
	json_decref(answer);
	return 0;
}

void qemu_move_measure_dirty(struct vm *vm)
{
	struct error err = ERROR_INIT;

	if (qmp_command(vm_qmp(vm), "calc-dirty-rate", json_pack("{s:i}", "calc-time", DIRTY_MEASURE_S),
		    MOVE_CALL_TIMEOUT_MS, NULL, &err) < 0)
		log_info("vm=%s how fast it writes to its memory is not measured: %s", vm_name(vm),
			err.message);
}

double qemu_move_dirty_rate(struct vm *vm)
{
	json_t *answer = NULL;
	double rate = -1;

	if (qmp_command(vm_qmp(vm), "query-dirty-rate", NULL, MOVE_CALL_TIMEOUT_MS, &answer, NULL) < 0)
		return -1;
	const char *status = json_string_value(json_object_get(answer, "status"));
	if (status && strcmp(status, "measured") == 0)
		rate = (double)json_integer_value(json_object_get(answer, "dirty-rate")) * (1 << 20);
	json_decref(answer);
	return rate;
}

uint64_t qemu_move_bytes(struct vm *vm)
{
	json_t *answer = NULL;

	if (qmp_command(vm_qmp(vm), "query-migrate", NULL, MOVE_CALL_TIMEOUT_MS, &answer, NULL) < 0)
		return 0;
	json_int_t bytes = json_integer_value(json_object_get(json_object_get(answer, "ram"), "transferred"));
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

static int run_state(struct vm *vm, char state[32], struct error *err)
{
	json_t *answer = NULL;

	if (qmp_command(vm_qmp(vm), "query-status", NULL, MOVE_CALL_TIMEOUT_MS, &answer, err) < 0)
		return -1;
	const char *text = json_string_value(json_object_get(answer, "status"));
	snprintf(state, 32, "%s", text ? text : "unknown");
	json_decref(answer);
	return 0;
}

int qemu_move_went_on(struct vm *vm, bool paused, struct error *err)
{
	char state[32];

	if (run_state(vm, state, err) < 0)
		return -1;
	bool stands = strcmp(state, "postmigrate") == 0 || strcmp(state, "finish-migrate") == 0;
	bool thought_paused = strcmp(state, "running") == 0 && vm_state(vm) == HOLDFAST__VM_STATE__VM_PAUSED;
	return (stands && !paused) || thought_paused ? vm_continue(vm, err) : 0;
}
