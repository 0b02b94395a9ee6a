// SPDX-License-Identifier: GPL-3.0-or-later
// See checkpoint-memory.h. QEMU copies the memory while the guest runs, slows a guest down that changes it faster than it can be written, and stops
// it when what is left takes less than PAUSE_MS (pause-before-switchover): then the disks have their instant, the rest is written, and the guest
// goes on from where it is in the same process.
#include "hypervisor/checkpoint-memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/fault.h"
#include "common/log.h"
#include "hypervisor/checkpoint-pump.h"

#define POLL_MS 5
#define SAVE_MS 900000
#define LOAD_MS 600000
#define UNDO_MS 30000
#define PAUSE_MS 150 // what QEMU may plan with: the disks and the way there come on top
#define PIPE_BYTES (1 << 20)
#define EXTRA_BYTES ((uint64_t)8 << 20) // devices, and what the stream adds

// ---- QEMU

static int set_capability(json_t *list, const char *name, bool on)
{
	return json_array_append_new(list, json_pack("{s:s s:b}", "capability", name, "state", on));
}

// BY_STEPS: for a save; else what everybody else expects.
static int set_stream(struct vm *vm, bool by_steps, struct error *err)
{
	json_t *list = json_array();
	set_capability(list, "pause-before-switchover", by_steps);
	set_capability(list, "auto-converge", by_steps);
	set_capability(list, "late-block-activate", false);
	set_capability(list, "x-ignore-shared", false);
	struct qmp_step steps[] = {
		{ "migrate-set-capabilities", json_pack("{s:o}", "capabilities", list) },
		{ "migrate-set-parameters",
			json_pack("{s:I s:i}", "max-bandwidth", (json_int_t)10 << 30, "downtime-limit",
				by_steps ? PAUSE_MS : 300) },
	};
	return qmp_batch(vm->qmp, steps, 2, QMP_TIMEOUT_MS, err);
}

// A pipe whose end OURS never blocks and whose other end is QEMU's, under the name "state".
static int open_pipe(struct vm *vm, int ours, int *fd, struct error *err)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC))
		return error_set_errno(err, errno, "no pipe for the memory of VM %s", vm->name);
	*fd = ends[ours];
	cleanup_fd int theirs = ends[1 - ours];
	fcntl(theirs, F_SETPIPE_SZ, PIPE_BYTES); // faster, if it is allowed
	if (fcntl(*fd, F_SETFL, O_NONBLOCK))
		return error_set_errno(err, errno, "no pipe for the memory of VM %s", vm->name);
	return qmp_get_fd(vm->qmp, theirs, "state", err);
}

static int query(struct vm *vm, char status[32], struct error *err)
{
	json_t *result = NULL;
	if (qmp_command(vm->qmp, "query-migrate", NULL, QMP_TIMEOUT_MS, &result, err))
		return -1;
	const char *text = json_string_value(json_object_get(result, "status"));
	const char *why = json_string_value(json_object_get(result, "error-desc"));
	snprintf(status, 32, "%s", text ? text : "none");
	bool over = !strcmp(status, "failed") || !strcmp(status, "cancelled");
	int failed = over ? error_set(err, ERROR_FAILED, "QEMU's stream %s: %s", status, why ? why : "it does not say why")
			  : 0;
	json_decref(result);
	return failed;
}

static int await(struct vm *vm, const char *wanted, int64_t deadline_us, struct error *err)
{
	char status[32];
	for (;;) {
		if (query(vm, status, err))
			return -1;
		if (!strcmp(status, wanted))
			return 0;
		if (loop_now_us() >= deadline_us)
			return error_set(err, ERROR_TIMEOUT, "its time was up (QEMU says %s)", status);
		if (task_pause(POLL_MS, err))
			return -1;
	}
}

// ---- save

struct saving {
	struct vm *vm;
	struct checkpoint_memory *memory;
	struct checkpoint_pump pump;
	struct task_wait finished;
	bool done;
	int result;
	struct error why;
	bool ran; // and not paused
};

static void pump_task(void *data)
{
	struct saving *saving = data;
	task_uncancel(task_self());
	saving->result = task_offload(checkpoint_pump_out, &saving->pump, &saving->why);
	saving->done = true;
	task_wake(&saving->finished);
}

// Until the guest stands still. *before_ms: when it was last seen not to.
static int copy_memory(struct saving *saving, double *before_ms, struct error *err)
{
	char status[32];
	for (;;) {
		*before_ms = loop_now_ms();
		if (query(saving->vm, status, err))
			return -1;
		if (!strcmp(status, "pre-switchover"))
			return 0;
		if (loop_now_us() >= saving->pump.pipe.deadline_us)
			return error_set(err, ERROR_TIMEOUT,
				"the guest changes its memory faster than it can be written: pause it first");
		if (task_pause(POLL_MS, err))
			return -1;
	}
}

// A paused guest has to be let go for an instant: QEMU leaves the state after a migration no other way.
static int go_on(struct saving *saving, struct error *err)
{
	struct qmp_step steps[] = { { "cont", NULL }, { "stop", NULL } };
	return qmp_batch(saving->vm->qmp, steps, saving->ran ? 1 : 2, QMP_TIMEOUT_MS, err);
}

static int stream_out(struct saving *saving, struct error *err)
{
	struct vm *vm = saving->vm;
	double before_ms, last_ms;
	if (copy_memory(saving, &before_ms, err))
		return -1;
	fault_point("checkpoint-instant");
	if (saving->memory->at_instant(saving->memory->data, err))
		return -1;
	fault_point("checkpoint-disks-taken");
	if (qmp_command(vm->qmp, "migrate-continue", json_pack("{s:s}", "state", "pre-switchover"), QMP_TIMEOUT_MS,
		    NULL, err) ||
		await(vm, "completed", saving->pump.pipe.deadline_us, err) || go_on(saving, err))
		return -1;
	last_ms = loop_now_ms();
	saving->memory->pause_ms = saving->ran ? last_ms - before_ms + POLL_MS : 0;
	return 0;
}

// Whatever became of the stream: nothing is left of it in QEMU, and the guest is as it was.
static int stream_undo(struct saving *saving, struct error *err)
{
	struct vm *vm = saving->vm;
	char status[32];
	struct error ignored = ERROR_INIT;
	task_uncancel(task_self());
	if (vm->pidfd < 0)
		return 0;
	if (qmp_command(vm->qmp, "migrate_cancel", NULL, QMP_TIMEOUT_MS, NULL, &ignored))
		log_debug("vm=%s %s", vm->name, ignored.message);
	int64_t deadline_us = loop_now_us() + UNDO_MS * 1000LL;
	while (!query(vm, status, NULL) && strcmp(status, "completed") && strcmp(status, "none"))
		if (loop_now_us() >= deadline_us || task_pause(POLL_MS, err))
			break;
	if (vm_query_status(vm, status, err))
		return -1;
	bool running = !strcmp(status, "running");
	return running == saving->ran || !strcmp(status, "paused") || !strcmp(status, "io-error") ? 0
												 : go_on(saving, err);
}

static int begin_stream(struct saving *saving, struct error *err)
{
	struct vm *vm = saving->vm;
	cleanup_fd int pipe_end = -1;
	if (set_stream(vm, true, err) || open_pipe(vm, 0, &pipe_end, err) ||
		qmp_command(vm->qmp, "migrate", json_pack("{s:s}", "uri", "fd:state"), QMP_TIMEOUT_MS, NULL, err))
		return -1;
	saving->pump.pipe.fd = pipe_end;
	if (!task_start(group_hypervisor(vm->group)->loop, "checkpoint-pump", pump_task, saving, err))
		return -1;
	saving->pump.pipe.fd = steal_fd(&pipe_end);
	return 0;
}

static int save_to(struct saving *saving, struct error *err)
{
	struct error why = ERROR_INIT, worse = ERROR_INIT;
	int result = begin_stream(saving, &why);
	bool pumping = !result;
	if (!result)
		result = stream_out(saving, &why);
	if (result && stream_undo(saving, &worse))
		log_error("vm=%s it does not go on after a checkpoint that failed: %s", saving->vm->name,
			worse.message);
	error_clear(&worse);
	if (saving->vm->pidfd >= 0 && set_stream(saving->vm, false, &worse))
		log_warning("vm=%s %s", saving->vm->name, worse.message);
	// QEMU has closed its end, or is gone.
	while (pumping && !saving->done) {
		task_uncancel(task_self());
		if (task_wait(&saving->finished, SAVE_MS, "the checkpoint's memory to be written", NULL))
			continue;
	}
	cleanup_fd_p(&saving->pump.pipe.fd);
	if (!result && saving->result)
		result = error_copy(&why, &saving->why);
	return result ? error_copy(err, &why) : 0;
}

int checkpoint_memory_save(struct vm *vm, struct checkpoint_memory *memory, struct error *err)
{
	cleanup_fd int file = open(memory->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct error ignored = ERROR_INIT;
	if (file < 0)
		return error_set_errno(err, errno, "cannot write %s", memory->path);
	struct saving saving = {
		.vm = vm,
		.memory = memory,
		.pump = { .pipe = { -1, loop_now_us() + SAVE_MS * 1000LL }, .file = file },
		.ran = vm->state == HOLDFAST__VM_STATE__VM_RUNNING,
	};
	// If hypervisord dies while the guest stands still, the next one lets it go on.
	int result = saving.ran ? vm_phase(vm, RUNDIR_PHASE_CHECKPOINT, err) : 0;
	if (!result)
		result = save_to(&saving, err);
	if (saving.ran && vm->pidfd >= 0 && vm_phase(vm, RUNDIR_PHASE_RUNNING, &ignored))
		log_warning("vm=%s %s", vm->name, ignored.message);
	if (result)
		unlink(memory->path);
	memory->bytes = saving.pump.bytes;
	memcpy(memory->sha256, saving.pump.sha256, sizeof(memory->sha256));
	return result;
}

int checkpoint_memory_settle(struct vm *vm, struct error *err)
{
	struct saving saving = { .vm = vm, .ran = vm->state == HOLDFAST__VM_STATE__VM_RUNNING };
	return stream_undo(&saving, err) ? -1 : set_stream(vm, false, err);
}

uint64_t checkpoint_memory_bytes(const struct vm *vm)
{
	char path[64], line[256];
	unsigned long long kib = 0, part;
	uint64_t ram = qemu_ram_kib(vm->definition, vm->kvm) << 10;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)vm->guest.pid);
	cleanup_file FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmRSS: %llu kB", &part) == 1)
			kib = part;
	uint64_t used = (uint64_t)kib << 10;
	return (used && used < ram ? used : ram) + EXTRA_BYTES;
}

// ---- load

static int open_file(const struct checkpoint_memory *memory, int *fd, struct error *err)
{
	struct stat info;
	cleanup_fd int file = open(memory->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (file < 0 && errno == ENOENT)
		return error_set(err, ERROR_UNSAFE, "its memory %s is gone", memory->path);
	if (file < 0 || fstat(file, &info))
		return error_set_errno(err, errno, "cannot read %s", memory->path);
	if ((uint64_t)info.st_size != memory->bytes)
		return error_set(err, ERROR_UNSAFE, "its memory %s has %llu bytes, and should have %llu", memory->path,
			(unsigned long long)info.st_size, (unsigned long long)memory->bytes);
	*fd = steal_fd(&file);
	return 0;
}

static int compare(const struct checkpoint_memory *memory, const struct checkpoint_pump *pump, struct error *err)
{
	if (strcmp(memory->sha256, pump->sha256))
		return error_set(err, ERROR_UNSAFE, "its memory %s is damaged", memory->path);
	return 0;
}

int checkpoint_memory_verify(const struct checkpoint_memory *memory, struct error *err)
{
	cleanup_fd int file = -1;
	if (open_file(memory, &file, err))
		return -1;
	struct checkpoint_pump pump = { .pipe = { .fd = -1 }, .file = file, .bytes = memory->bytes };
	return task_offload(checkpoint_pump_in, &pump, err) ? -1 : compare(memory, &pump, err);
}

int checkpoint_memory_load(struct vm *vm, struct checkpoint_memory *memory, struct error *err)
{
	cleanup_fd int file = -1, pipe_end = -1;
	if (open_file(memory, &file, err) || set_stream(vm, false, err) || open_pipe(vm, 1, &pipe_end, err) ||
		qmp_command(vm->qmp, "migrate-incoming", json_pack("{s:s}", "uri", "fd:state"), QMP_TIMEOUT_MS, NULL,
			err))
		return -1;
	int64_t deadline_us = loop_now_us() + LOAD_MS * 1000LL;
	struct checkpoint_pump pump = {
		.pipe = { pipe_end, deadline_us }, .file = file, .bytes = memory->bytes
	};
	int result = task_offload(checkpoint_pump_in, &pump, err);
	close(steal_fd(&pipe_end)); // the stream's end
	if (result || await(vm, "completed", deadline_us, err))
		return -1;
	return compare(memory, &pump, err);
}
