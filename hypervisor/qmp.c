// SPDX-License-Identifier: GPL-3.0-or-later
// The QMP session: what is sent is queued and leaves in order, each reply belongs to the oldest command that has none (QEMU answers in
// order), and whatever breaks that ends the session. QEMU reads ahead (oob), and keeps only the last descriptor that came: a command with
// one leaves when no other such is unanswered. Knows no command. qmp-parse.c reads the lines.
#include "hypervisor/qmp.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "common/cleanup.h"
#include "common/fault.h"
#include "common/log.h"
#include "hypervisor/qmp-parse.h"

struct outgoing {
	struct outgoing *next;
	char *bytes;
	size_t size, sent;
	uint64_t id;
	int fd; // ours to close; -1: none
};

struct command {
	struct command *next;
	uint64_t id;
	bool answered, abandoned; // abandoned: its task gave up; freed when the reply comes
	json_t *value;
	struct error error;
	struct task_wait wait;
};

struct watch { // on the stack of the task that waits
	struct watch *next;
	const char *event;
	bool done;
	json_t *data;
	struct error error;
	struct task_wait wait;
};

struct qmp {
	struct loop *loop;
	int fd;
	struct loop_source *in, *out;
	struct qmp_lines lines;
	struct outgoing *out_first, **out_last;
	struct command *first, **last; // sent, not yet answered
	struct watch *watches;
	struct task_wait greeting;
	bool greeted, reads_ahead, closed;
	struct error why; // it was closed
	uint64_t next_id, passing; // passing: the command whose descriptor QEMU has not taken yet, or 0
	char version[32];
	qmp_event_cb *event;
	qmp_closed_cb *on_closed;
	void *arg;
};

static void command_free(struct command *command)
{
	json_decref(command->value);
	free(command);
}

static void outgoing_free(struct outgoing *outgoing)
{
	if (outgoing->fd >= 0)
		close(outgoing->fd);
	free(outgoing->bytes);
	free(outgoing);
}

static void answer(struct command *command)
{
	command->answered = true;
	if (command->abandoned)
		command_free(command);
	else
		task_wake(&command->wait);
}

// Ends the session; everybody who waits in it learns why. Calls nobody back.
static void shut(struct qmp *qmp, const struct error *why)
{
	if (qmp->closed)
		return;
	qmp->closed = true;
	error_copy(&qmp->why, why);
	loop_source_remove(qmp->in);
	loop_source_remove(qmp->out);
	qmp->in = qmp->out = NULL;
	close(qmp->fd);
	qmp->fd = -1;
	for (struct outgoing *next; qmp->out_first; qmp->out_first = next) {
		next = qmp->out_first->next;
		outgoing_free(qmp->out_first);
	}
	qmp->out_last = &qmp->out_first;
	struct command *commands = qmp->first;
	qmp->first = NULL;
	qmp->last = &qmp->first;
	for (struct command *next; commands; commands = next) {
		next = commands->next;
		error_copy(&commands->error, why);
		answer(commands);
	}
	for (struct watch *watch = qmp->watches; watch; watch = watch->next) {
		error_copy(&watch->error, why);
		watch->done = true;
		task_wake(&watch->wait);
	}
	qmp->watches = NULL;
	task_wake(&qmp->greeting);
}

static void break_session(struct qmp *qmp, const struct error *why)
{
	shut(qmp, why);
	if (qmp->on_closed)
		qmp->on_closed(qmp->arg); // last: it may free the session
}

static void start_output(struct qmp *qmp);

// ---- what comes in

static int take_reply(struct qmp *qmp, struct qmp_message *message, struct error *err)
{
	struct command *command = qmp->first;
	if (!command || message->id != command->id)
		return error_set(err, ERROR_PROTOCOL, "QEMU answered what nobody asked");
	qmp->first = command->next;
	if (!qmp->first)
		qmp->last = &qmp->first;
	if (message->kind == QMP_ERROR)
		error_set(&command->error, ERROR_FAILED, "QEMU: %s", message->text);
	else
		command->value = json_incref(message->value);
	if (qmp->passing == command->id) {
		qmp->passing = 0;
		start_output(qmp);
	}
	answer(command);
	return 0;
}

static void take_event(struct qmp *qmp, const struct qmp_message *message)
{
	for (struct watch **link = &qmp->watches; *link;) {
		struct watch *watch = *link;
		if (strcmp(watch->event, message->text)) {
			link = &watch->next;
			continue;
		}
		*link = watch->next;
		watch->data = json_incref(message->value);
		watch->done = true;
		task_wake(&watch->wait);
	}
	if (qmp->event)
		qmp->event(message->text, message->value, message->seconds, qmp->arg);
}

static int take_line(struct qmp *qmp, const char *line, size_t length, struct error *err)
{
	struct qmp_message message;
	int result = 0;
	if (qmp_message_parse(line, length, &message, err))
		return -1;
	if ((message.kind == QMP_GREETING) == qmp->greeted) {
		result = error_set(err, ERROR_PROTOCOL, "QEMU did not greet once, and first");
	} else if (message.kind == QMP_GREETING) {
		memcpy(qmp->version, message.version, sizeof(qmp->version));
		qmp->reads_ahead = message.reads_ahead;
		qmp->greeted = true;
		task_wake(&qmp->greeting);
	} else if (message.kind == QMP_EVENT) {
		take_event(qmp, &message);
	} else {
		result = take_reply(qmp, &message, err);
	}
	qmp_message_done(&message);
	return result;
}

static int take_input(struct qmp *qmp, struct error *err)
{
	char bytes[16384];
	ssize_t count = recv(qmp->fd, bytes, sizeof(bytes), 0);
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (count < 0)
		return error_set_errno(err, errno, "the connection to QEMU broke");
	if (count == 0)
		return error_set(err, ERROR_UNREACHABLE, "QEMU closed the connection");
	if (qmp_lines_feed(&qmp->lines, bytes, (size_t)count, err))
		return -1;
	const char *line;
	size_t length;
	while (!qmp->closed && qmp_lines_next(&qmp->lines, &line, &length))
		if (length && take_line(qmp, line, length, err))
			return -1;
	return 0;
}

static enum loop_verdict on_input(int fd, short events, void *data)
{
	struct qmp *qmp = data;
	struct error err = ERROR_INIT;
	if (!take_input(qmp, &err))
		return LOOP_CONTINUE;
	if (err.code == ERROR_FAILED)
		err.code = ERROR_UNREACHABLE;
	break_session(qmp, &err);
	return LOOP_STOP;
}

// ---- what goes out

static ssize_t send_some(int fd, struct outgoing *outgoing)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { outgoing->bytes + outgoing->sent, outgoing->size - outgoing->sent };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (outgoing->fd >= 0) { // goes with the first byte
		message.msg_control = control.space;
		message.msg_controllen = sizeof(control.space);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &outgoing->fd, sizeof(int));
	}
	return sendmsg(fd, &message, MSG_NOSIGNAL);
}

// 1: all is sent that may be; 0: the socket is full; -1: broken.
static int flush(struct qmp *qmp, struct error *err)
{
	while (qmp->out_first) {
		struct outgoing *outgoing = qmp->out_first;
		if (outgoing->fd >= 0 && qmp->passing)
			return 1;
		ssize_t count = send_some(qmp->fd, outgoing);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0 && errno == EAGAIN)
			return 0;
		if (count < 0)
			return error_set_errno(err, errno, "the connection to QEMU broke");
		if (outgoing->fd >= 0) {
			close(steal_fd(&outgoing->fd));
			qmp->passing = outgoing->id;
		}
		outgoing->sent += (size_t)count;
		if (outgoing->sent < outgoing->size)
			continue;
		qmp->out_first = outgoing->next;
		if (!qmp->out_first)
			qmp->out_last = &qmp->out_first;
		outgoing_free(outgoing);
	}
	return 1;
}

static enum loop_verdict on_output(int fd, short events, void *data)
{
	struct qmp *qmp = data;
	struct error err = ERROR_INIT;
	int done = flush(qmp, &err);
	if (done == 0)
		return LOOP_CONTINUE;
	qmp->out = NULL;
	if (done < 0) {
		err.code = ERROR_UNREACHABLE;
		break_session(qmp, &err);
	}
	return LOOP_STOP;
}

// Queues one command; steals ARGUMENTS. FD (or -1) is duplicated.
static struct command *submit(struct qmp *qmp, const char *name, json_t *arguments, int fd, struct error *err)
{
	if (!qmp || qmp->closed) {
		json_decref(arguments);
		if (qmp)
			error_copy(err, &qmp->why);
		else
			error_set(err, ERROR_UNREACHABLE, "there is no connection to QEMU");
		return NULL;
	}
	struct command *command = calloc(1, sizeof(*command));
	struct outgoing *outgoing = calloc(1, sizeof(*outgoing));
	uint64_t id = ++qmp->next_id;
	json_t *json = arguments
		? json_pack("{s:s s:I s:o}", "execute", name, "id", (json_int_t)id, "arguments", arguments)
		: json_pack("{s:s s:I}", "execute", name, "id", (json_int_t)id);
	char *bytes = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	int copy = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	if (!command || !outgoing || !bytes || (fd >= 0 && copy < 0)) {
		free(command);
		free(outgoing);
		free(bytes);
		error_set(err, ERROR_FAILED, "no memory or no descriptor for the QMP command %s", name);
		return NULL;
	}
	outgoing->size = strlen(bytes) + 1;
	bytes[outgoing->size - 1] = '\n'; // in place of the NUL
	outgoing->bytes = bytes;
	outgoing->fd = copy;
	outgoing->id = command->id = id;
	*qmp->out_last = outgoing;
	qmp->out_last = &outgoing->next;
	*qmp->last = command;
	qmp->last = &command->next;
	return command;
}

static void start_output(struct qmp *qmp)
{
	bool held = qmp && qmp->out_first && qmp->out_first->fd >= 0 && qmp->passing;
	if (qmp && !qmp->closed && !qmp->out && qmp->out_first && !held)
		qmp->out = loop_add_fd(qmp->loop, qmp->fd, POLLOUT, on_output, qmp);
}

// Waits for the reply of a command and lets go of it.
static int await(
	struct command *command, const char *name, unsigned timeout_ms, json_t **result, struct error *err)
{
	char what[96];
	snprintf(what, sizeof(what), "QEMU's answer to %s", name);
	if (!command->answered && task_wait(&command->wait, timeout_ms, what, err) && !command->answered) {
		command->abandoned = true;
		return -1;
	}
	fault_point("qmp:%s", name);
	int failed = 0;
	if (command->error.code) {
		error_copy(err, &command->error);
		failed = error_prefix(err, "%s", name);
	} else if (result) {
		*result = steal_ptr(command->value);
	}
	command_free(command);
	return failed;
}

static int run(struct qmp *qmp, const char *name, json_t *arguments, int fd, unsigned timeout_ms,
	json_t **result, struct error *err)
{
	struct command *command = submit(qmp, name, arguments, fd, err);
	if (!command)
		return -1;
	start_output(qmp);
	return await(command, name, timeout_ms, result, err);
}

int qmp_command(struct qmp *qmp, const char *command, json_t *arguments, unsigned timeout_ms, json_t **result,
	struct error *err)
{
	return run(qmp, command, arguments, -1, timeout_ms, result, err);
}

int qmp_batch(
	struct qmp *qmp, const struct qmp_step *steps, size_t count, unsigned timeout_ms, struct error *err)
{
	return qmp_batch_passing(qmp, steps, NULL, count, timeout_ms, NULL, err);
}

int qmp_batch_passing(struct qmp *qmp, const struct qmp_step *steps, const int *fds, size_t count,
	unsigned timeout_ms, json_t **last, struct error *err)
{
	struct command *commands[QMP_BATCH_MAX];
	size_t sent = 0;
	int result = 0;
	struct error local = ERROR_INIT;

	for (size_t i = 0; i < count; i++) {
		if (result || i >= QMP_BATCH_MAX) {
			json_decref(steps[i].arguments);
			if (!result)
				result = error_set(err, ERROR_USAGE, "more than %d QMP commands in one batch",
					QMP_BATCH_MAX);
			continue;
		}
		commands[sent] = submit(qmp, steps[i].command, steps[i].arguments, fds ? fds[i] : -1, err);
		if (!commands[sent])
			result = -1;
		else
			sent++;
	}
	start_output(qmp);
	for (size_t i = 0; i < sent; i++) {
		error_clear(&local);
		if (await(commands[i], steps[i].command, timeout_ms, i + 1 == count ? last : NULL, &local) &&
			!result)
			result = error_copy(err, &local);
	}
	return result;
}

#define FD_TIMEOUT_MS 10000

int qmp_add_fd(struct qmp *qmp, int fd, int set, struct error *err)
{
	return run(qmp, "add-fd", json_pack("{s:i}", "fdset-id", set), fd, FD_TIMEOUT_MS, NULL, err);
}

int qmp_remove_fd(struct qmp *qmp, int set, struct error *err)
{
	return run(qmp, "remove-fd", json_pack("{s:i}", "fdset-id", set), -1, FD_TIMEOUT_MS, NULL, err);
}

int qmp_get_fd(struct qmp *qmp, int fd, const char *name, struct error *err)
{
	return run(qmp, "getfd", json_pack("{s:s}", "fdname", name), fd, FD_TIMEOUT_MS, NULL, err);
}

int qmp_wait_event(struct qmp *qmp, const char *event, unsigned timeout_ms, json_t **data, struct error *err)
{
	struct watch watch = { .event = event };
	char what[96];
	if (!qmp || qmp->closed)
		return qmp ? error_copy(err, &qmp->why)
			   : error_set(err, ERROR_UNREACHABLE, "there is no connection to QEMU");
	watch.next = qmp->watches;
	qmp->watches = &watch;
	snprintf(what, sizeof(what), "QEMU's event %s", event);
	int result = task_wait(&watch.wait, timeout_ms, what, err);
	if (!watch.done) { // timed out or cancelled: the session is there, else it would be done
		struct watch **link = &qmp->watches;
		while (*link != &watch)
			link = &(*link)->next;
		*link = watch.next;
		return result;
	}
	if (watch.error.code)
		return error_copy(err, &watch.error);
	error_clear(err);
	if (data)
		*data = watch.data;
	else
		json_decref(watch.data);
	return 0;
}

// ---- life

static int connect_to(const char *path, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, ERROR_USAGE, "the socket's path %s is too long", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set_errno(err, errno, "no socket");
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		error_set_errno(err, errno, "cannot connect to QEMU at %s", path);
		if (err)
			err->code = ERROR_UNREACHABLE;
		return -1;
	}
	return steal_fd(&fd);
}

static int negotiate(struct qmp *qmp, unsigned timeout_ms, struct error *err)
{
	json_t *arguments = qmp->reads_ahead ? json_pack("{s:[s]}", "enable", "oob") : NULL;
	return qmp_command(qmp, "qmp_capabilities", arguments, timeout_ms, NULL, err);
}

struct qmp *qmp_open(struct loop *loop, const char *path, unsigned timeout_ms, qmp_event_cb *event,
	qmp_closed_cb *closed, void *arg, struct error *err)
{
	int fd = connect_to(path, err);
	if (fd < 0)
		return NULL;
	struct qmp *qmp = calloc(1, sizeof(*qmp));
	if (!qmp) {
		close(fd);
		error_set(err, ERROR_FAILED, "no memory for a QMP session");
		return NULL;
	}
	qmp->loop = loop;
	qmp->fd = fd;
	qmp->out_last = &qmp->out_first;
	qmp->last = &qmp->first;
	qmp->event = event;
	qmp->arg = arg;
	qmp->in = loop_add_fd(loop, fd, POLLIN, on_input, qmp);
	int failed = task_wait(&qmp->greeting, timeout_ms, "QEMU's greeting", err);
	if (!failed && qmp->closed)
		failed = error_copy(err, &qmp->why);
	if (failed || negotiate(qmp, timeout_ms, err)) {
		qmp_free(qmp);
		return NULL;
	}
	qmp->on_closed = closed; // only now: until here the caller learns from the result
	return qmp;
}

void qmp_set_arg(struct qmp *qmp, void *arg)
{
	if (qmp)
		qmp->arg = arg;
}

void qmp_free(struct qmp *qmp)
{
	struct error why = ERROR_INIT;
	if (!qmp)
		return;
	error_set(&why, ERROR_UNREACHABLE, "the connection to QEMU was closed");
	shut(qmp, &why);
	qmp_lines_done(&qmp->lines);
	free(qmp);
}

const char *qmp_version(const struct qmp *qmp)
{
	return qmp ? qmp->version : "";
}
