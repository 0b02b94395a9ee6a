// SPDX-License-Identifier: GPL-3.0-or-later
// One QEMU per copy: its nodes are added over QMP, a mirror job copies, and its process ends with the copy. No node follows what an image
// names: backing files are given or null, and images with other references were refused before.
#include "hypervisor/convert.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/cage.h"
#include "common/cleanup.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/spawn.h"
#include "hypervisor/image-check.h"
#include "hypervisor/qmp.h"

#define QMP_MS 30000
#define GREETING_MS 15000
#define LOOK_MS 500 // between two looks at how far it is; QEMU tells when it is done
#define END_MS 5000
#define FIRST_FD 10

enum { SET_SOURCE = 1, SET_TARGET = 2, SET_PARENT = 3 };

struct converter {
	const struct convert_params *params;
	pid_t pid;
	int pidfd;
	struct qmp *qmp;
	struct task_wait news; // a job changed, or the connection ended
	double percent;
};

static void on_event(const char *event, const json_t *data, double seconds, void *arg)
{
	struct converter *converter = arg;
	if (!strncmp(event, "JOB_", 4) || !strncmp(event, "BLOCK_JOB_", 10))
		task_wake(&converter->news);
}

static void on_closed(void *arg)
{
	struct converter *converter = arg;
	task_wake(&converter->news);
}

// ---- the process

static int listen_for(const struct convert_params *params, char path[108], int *fd, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int length = snprintf(
		path, 108, "%s/copy-%s.sock", params->hv->run.root ?: CONFIG_RUN_DIRECTORY, params->name);
	if (length < 0 || length >= 108)
		return error_set(err, ERROR_USAGE, "the run directory's path is too long");
	memcpy(address.sun_path, path, (size_t)length + 1);
	unlink(path);
	cleanup_fd int opened = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (opened < 0 || bind(opened, (struct sockaddr *)&address, sizeof(address)) || listen(opened, 1))
		return error_set_errno(err, errno, "cannot listen at %s", path);
	*fd = steal_fd(&opened);
	return 0;
}

static int spawn(struct converter *converter, int listening, struct error *err)
{
	const struct convert_params *params = converter->params;
	struct spawn_fd fds[4 + CONVERT_PARENTS_MAX];
	const char *argv[64] = { params->hv->config.qemu, "-nodefaults", "-no-user-config", "-S", "-machine",
		"none", "-display", "none", "-sandbox",
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny", "-chardev",
		"socket,id=qmp,fd=10,server=on,wait=off", "-mon", "chardev=qmp,mode=control" };
	char texts[2 + CONVERT_PARENTS_MAX][32];
	size_t count = 0, words = 14;
	fds[count++] = (struct spawn_fd){ listening, FIRST_FD };
	for (size_t i = 0; i < 2 + params->parent_count; i++) {
		int fd = i == 0 ? params->source.fd : i == 1 ? params->target.fd : params->parents[i - 2].fd;
		snprintf(texts[i], sizeof(texts[i]), "fd=%d,set=%d", FIRST_FD + 1 + (int)i,
			SET_SOURCE + (int)i);
		argv[words++] = "-add-fd";
		argv[words++] = texts[i];
		fds[count] = (struct spawn_fd){ fd, FIRST_FD + (int)count };
		count++;
	}
	fds[count] = (struct spawn_fd){ -1, -1 };
	struct cage_entry *cage = cage_entry_new(
		params->hv->cage, params->hv->config.qemu, (const char *const[]){ NULL }, false, err);
	if (!cage)
		return -1;
	// uid_base itself is no guest's.
	struct spawn_params spawn = { .argv = argv,
		.fds = fds,
		.uid = params->hv->config.uid_base,
		.gid = params->hv->config.uid_base,
		.cage = cage };
	int result = spawn_attached(&spawn, &converter->pid, &converter->pidfd, err);
	cage_entry_free(cage);
	return result;
}

static void on_exit_of(pid_t pid, void *data)
{
	task_wake(data);
}

// However it goes, the process is gone afterwards: whoever waits for the volume must not meet it alive.
static void end(struct converter *converter)
{
	struct task_wait gone = { 0 };
	struct error err = ERROR_INIT;
	bool cancelled = task_cancelled(task_self());
	qmp_free(steal_ptr(converter->qmp));
	if (converter->pidfd < 0)
		return;
	task_uncancel(task_self());
	syscall(SYS_pidfd_send_signal, converter->pidfd, SIGKILL, NULL, 0);
	struct loop_source *source =
		loop_add_pidfd(task_loop(), converter->pidfd, converter->pid, on_exit_of, &gone);
	int failed = task_wait(&gone, END_MS, "the end of a copy", &err);
	if (failed)
		loop_source_remove(source);
	// A process in an uninterruptible sleep is reaped by nobody, and its volume stays busy: both can be seen.
	if (waitpid(converter->pid, NULL, failed ? WNOHANG : 0) <= 0)
		log_error("copy=%s process %d does not end", converter->params->name, (int)converter->pid);
	close(steal_fd(&converter->pidfd));
	if (cancelled)
		task_cancel(task_self());
}

// One try: nothing was touched when it fails.
static int start_once(struct converter *converter, struct error *err)
{
	char path[108];
	cleanup_fd int listening = -1;
	if (listen_for(converter->params, path, &listening, err))
		return -1;
	int failed = spawn(converter, listening, err);
	if (!failed) {
		converter->qmp = qmp_open(
			converter->params->hv->loop, path, GREETING_MS, on_event, on_closed, converter, err);
		failed = converter->qmp ? 0 : -1;
	}
	unlink(path);
	return failed;
}

// A QEMU that was met too early, or on a very busy machine, has been seen not to answer at all (once in some hundreds): another one does.
static int start(struct converter *converter, struct error *err)
{
	struct error first = ERROR_INIT;
	if (!start_once(converter, &first))
		return 0;
	if (first.code != ERROR_TIMEOUT)
		return error_copy(err, &first);
	log_warning("copy=%s %s: once more", converter->params->name, first.message);
	end(converter);
	return start_once(converter, err);
}

// ---- its nodes

static int add_node(struct converter *converter, json_t *node, struct error *err)
{
	return qmp_command(converter->qmp, "blockdev-add", node, QMP_MS, NULL, err);
}

// The file or device behind fd set SET, named "NAMEf".
static int add_file(struct converter *converter, const struct convert_image *image, const char *name, int set,
	bool writable, struct error *err)
{
	char path[32], node[32];
	snprintf(path, sizeof(path), "/dev/fdset/%d", set);
	snprintf(node, sizeof(node), "%sf", name);
	bool sparse = writable && converter->params->sparse;
	return add_node(converter,
		json_pack("{s:s s:s s:s s:s s:b s:s s:{s:b s:b}}", "driver",
			image->device ? "host_device" : "file", "node-name", node, "filename", path,
			"locking", "off", "read-only", !writable, "discard", sparse ? "unmap" : "ignore",
			"cache", "direct", image->device, "no-flush", 0),
		err);
}

// The image in it, named NAME, over the node BACKING (NULL: none).
static int add_image(struct converter *converter, const struct convert_image *image, const char *name,
	const char *backing, bool writable, struct error *err)
{
	char file[32];
	bool sparse = writable && converter->params->sparse;
	snprintf(file, sizeof(file), "%sf", name);
	json_t *node =
		json_pack("{s:s s:s s:s s:b s:s}", "driver", image_format_name(image->format), "node-name",
			name, "file", file, "read-only", !writable, "discard", sparse ? "unmap" : "ignore");
	if (sparse)
		json_object_set_new(node, "detect-zeroes", json_string("unmap"));
	if (!writable && !strcmp(name, "s") && converter->params->source_bytes)
		json_object_set_new(node, "size", json_integer((json_int_t)converter->params->source_bytes));
	if (image->format == HOLDFAST__IMAGE_FORMAT__IMAGE_QCOW2 ||
		image->format == HOLDFAST__IMAGE_FORMAT__IMAGE_VMDK)
		json_object_set_new(node, "backing", backing ? json_string(backing) : json_null());
	return add_node(converter, node, err);
}

static int add_source(struct converter *converter, struct error *err)
{
	const struct convert_params *params = converter->params;
	char name[32], backing[32];
	for (size_t i = params->parent_count; i > 0; i--) {
		snprintf(name, sizeof(name), "p%zu", i - 1);
		snprintf(backing, sizeof(backing), "p%zu", i);
		if (add_file(converter, &params->parents[i - 1], name, SET_PARENT + (int)i - 1, false, err) ||
			add_image(converter, &params->parents[i - 1], name,
				i < params->parent_count ? backing : NULL, false, err))
			return error_prefix(err, "its parent cannot be opened");
	}
	if (add_file(converter, &params->source, "s", SET_SOURCE, false, err) ||
		add_image(converter, &params->source, "s", params->parent_count ? "p0" : NULL, false, err))
		return error_prefix(err, "the image cannot be opened");
	return 0;
}

static int source_bytes(struct converter *converter, uint64_t *bytes, struct error *err)
{
	json_t *nodes = NULL, *node;
	size_t index;
	*bytes = 0;
	if (qmp_command(converter->qmp, "query-named-block-nodes", json_pack("{s:b}", "flat", 1), QMP_MS,
		    &nodes, err))
		return -1;
	json_array_foreach (nodes, index, node) {
		const char *name = json_string_value(json_object_get(node, "node-name"));
		json_int_t size =
			json_integer_value(json_object_get(json_object_get(node, "image"), "virtual-size"));
		if (name && !strcmp(name, "s") && size > 0)
			*bytes = (uint64_t)size;
	}
	json_decref(nodes);
	return *bytes ? 0 : error_set(err, ERROR_USAGE, "the image is of a disk of no size");
}

// ---- its jobs

// QEMU's text of an error has the reason for people, not its number.
static int job_failed(const char *text, struct error *err)
{
	enum error_code code = strstr(text, strerror(ENOSPC)) || strstr(text, strerror(EDQUOT))
		? ERROR_NO_SPACE
		: ERROR_FAILED;
	return error_set(err, code, "the copy failed: %.200s", text);
}

// The state of job ID: 1 with STATUS, its error in err if it has concluded with one.
static int look_at_job(struct converter *converter, const char *id, char status[24], struct error *err)
{
	json_t *jobs = NULL, *job;
	size_t index;
	int result = error_set(err, ERROR_FAILED, "the copy has gone");
	if (qmp_command(converter->qmp, "query-jobs", NULL, QMP_MS, &jobs, err))
		return -1;
	json_array_foreach (jobs, index, job) {
		const char *name = json_string_value(json_object_get(job, "id"));
		const char *text = json_string_value(json_object_get(job, "status"));
		const char *failed = json_string_value(json_object_get(job, "error"));
		double total = json_number_value(json_object_get(job, "total-progress"));
		double done = json_number_value(json_object_get(job, "current-progress"));
		if (!name || !text || strcmp(name, id))
			continue;
		snprintf(status, 24, "%s", text);
		converter->percent = total > 0 && done <= total ? 100 * done / total : 0;
		result = failed ? job_failed(failed, err) : 0;
	}
	json_decref(jobs);
	if (!result)
		error_clear(err);
	return result;
}

// Until job ID has the state WANTED, or has failed.
static int await_job(struct converter *converter, const char *id, const char *wanted, struct error *err)
{
	char status[24] = "";
	double said = -1;
	for (;;) {
		struct error late = ERROR_INIT;
		if (look_at_job(converter, id, status, err))
			return -1;
		if (!strcmp(status, wanted))
			return 0;
		if (!strcmp(status, "concluded") || !strcmp(status, "aborting"))
			return error_set(err, ERROR_FAILED, "the copy ended before it was complete");
		if (converter->params->progress && converter->percent != said)
			converter->params->progress(said = converter->percent, converter->params->data);
		if (task_wait(&converter->news, LOOK_MS, "a copy", &late) && late.code != ERROR_TIMEOUT)
			return error_copy(err, &late);
	}
}

static int create_target(struct converter *converter, struct error *err)
{
	const struct convert_params *params = converter->params;
	json_t *options = json_pack("{s:s s:s s:I}", "driver", image_format_name(params->target.format),
		"file", "tf", "size", (json_int_t)params->create_bytes);
	if (qmp_command(converter->qmp, "blockdev-create",
		    json_pack("{s:s s:o}", "job-id", "create", "options", options), QMP_MS, NULL, err) ||
		await_job(converter, "create", "concluded", err))
		return error_prefix(err, "the target cannot be made");
	return qmp_command(
		converter->qmp, "job-dismiss", json_pack("{s:s}", "id", "create"), QMP_MS, NULL, err);
}

// The copy wants two disks of one size: of a larger target it is shown the beginning, "window".
static int add_window(struct converter *converter, uint64_t bytes, struct error *err)
{
	return add_node(converter,
		json_pack("{s:s s:s s:s s:i s:I s:s}", "driver", "raw", "node-name", "window", "file", "t",
			"offset", 0, "size", (json_int_t)bytes, "discard",
			converter->params->sparse ? "unmap" : "ignore"),
		err);
}

static int add_target(struct converter *converter, uint64_t bytes, struct error *err)
{
	const struct convert_params *params = converter->params;
	bool raw = params->target.format == HOLDFAST__IMAGE_FORMAT__IMAGE_RAW;
	if (add_file(converter, &params->target, "t", SET_TARGET, true, err) ||
		(params->create_bytes && !raw && create_target(converter, err)) ||
		add_image(converter, &params->target, "t", NULL, true, err) ||
		add_window(converter, bytes, err))
		return error_prefix(err, "the target");
	return 0;
}

static int copy(struct converter *converter, struct error *err)
{
	if (qmp_command(converter->qmp, "blockdev-mirror",
		    json_pack("{s:s s:s s:s s:s s:b}", "job-id", "copy", "device", "s", "target", "window",
			    "sync", "full", "auto-dismiss", 0),
		    QMP_MS, NULL, err) ||
		await_job(converter, "copy", "ready", err) ||
		qmp_command(converter->qmp, "block-job-cancel", json_pack("{s:s}", "device", "copy"), QMP_MS,
			NULL, err) ||
		await_job(converter, "copy", "concluded", err) ||
		qmp_command(
			converter->qmp, "job-dismiss", json_pack("{s:s}", "id", "copy"), QMP_MS, NULL, err) ||
		qmp_command(converter->qmp, "blockdev-del", json_pack("{s:s}", "node-name", "window"), QMP_MS,
			NULL, err))
		return -1;
	// Closing the image writes what its format keeps back.
	return qmp_command(
		converter->qmp, "blockdev-del", json_pack("{s:s}", "node-name", "t"), QMP_MS, NULL, err);
}

static int flush(void *data, struct error *err)
{
	const int *fd = data;
	return fsync(*fd) ? error_set_errno(err, errno, "the copy cannot be made durable") : 0;
}

static int run(struct converter *converter, uint64_t *bytes, struct error *err)
{
	const struct convert_params *params = converter->params;
	uint64_t size;
	if (start(converter, err) || add_source(converter, err) || source_bytes(converter, &size, err))
		return -1;
	if (params->most_bytes && size > params->most_bytes)
		return error_set(err, ERROR_NO_SPACE,
			"the image is of a disk of %" PRIu64 " MiB and this disk has %" PRIu64
			" MiB: grow it first (holdfast volume grow)",
			(size + (1 << 20) - 1) >> 20, params->most_bytes >> 20);
	if (add_target(converter, size, err))
		return -1;
	fault_point("copy-begins");
	if (copy(converter, err))
		return -1;
	if (bytes)
		*bytes = size;
	return 0;
}

static int resize(struct converter *converter, uint64_t bytes, struct error *err)
{
	const struct convert_params *params = converter->params;
	if (start(converter, err) || add_file(converter, &params->target, "t", SET_TARGET, true, err) ||
		add_image(converter, &params->target, "t", NULL, true, err))
		return -1;
	return qmp_command(converter->qmp, "block_resize",
		       json_pack("{s:s s:I}", "node-name", "t", "size", (json_int_t)bytes), QMP_MS, NULL,
		       err) ||
			qmp_command(converter->qmp, "blockdev-del", json_pack("{s:s}", "node-name", "t"),
				QMP_MS, NULL, err)
		? -1
		: 0;
}

int convert_resize(struct hypervisor *hv, const char *name, const struct convert_image *image, uint64_t bytes,
	struct error *err)
{
	const struct convert_params params = { .hv = hv, .name = name, .source = *image, .target = *image };
	struct converter converter = { .params = &params, .pidfd = -1 };
	int fd = image->fd, failed = resize(&converter, bytes, err);
	end(&converter);
	return failed ? -1 : task_offload(flush, &fd, err);
}

int convert_run(const struct convert_params *params, uint64_t *bytes, struct error *err)
{
	struct converter converter = { .params = params, .pidfd = -1 };
	int fd = params->target.fd;
	if (params->parent_count > CONVERT_PARENTS_MAX)
		return error_set(err, ERROR_USAGE, "it lies over more than %d parents", CONVERT_PARENTS_MAX);
	int failed = run(&converter, bytes, err);
	end(&converter);
	return failed ? -1 : task_offload(flush, &fd, err);
}
