// SPDX-License-Identifier: GPL-3.0-or-later
// One request for as long as the console is open: its `data` replies go to stdout, stdin goes back as `data` requests. A second task
// reads stdin, so that a guest that does not read holds up only its own input.
#include "ctl/console.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define CHUNK_BYTES 4096
#define QUIET_MS 1000 // after the end of stdin the console is left when it said nothing for so long,
#define LINGER_MS 10000 // or was not quiet for so long
#define LOOK_MS 50

struct console {
	struct session *session;
	Holdfast__Request request;
	struct termios before;
	bool raw, detached;
	bool finished; // stdin is no terminal and has ended
	double output_ms; // of the last output
	bool reading; // the second task is there
	struct task *reader;
	struct error failure; // of stdout, or of sending
};

static void raw_begin(struct console *console)
{
	struct termios raw;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &console->before) < 0)
		return;
	raw = console->before;
	cfmakeraw(&raw);
	console->raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static void raw_end(struct console *console)
{
	if (console->raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &console->before);
	console->raw = false;
}

static void give_up(struct console *console)
{
	task_cancel(console->session->task);
}

static void on_output(const Holdfast__Reply *reply, void *data)
{
	struct console *console = data;
	size_t done = 0;

	console->output_ms = loop_now_ms();
	if (reply->body_case != HOLDFAST__REPLY__BODY_DATA || console->failure.code)
		return;
	while (done < reply->data.len) {
		ssize_t wrote = write(STDOUT_FILENO, reply->data.data + done, reply->data.len - done);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0) {
			error_set_errno(
				&console->failure, errno, "cannot write the console's output to stdout");
			give_up(console);
			return;
		}
		done += (size_t)wrote;
	}
}

// Sends what was read up to Ctrl-]. 1, or 0 when that was in it, or -1.
static int send_input(struct console *console, const uint8_t *bytes, size_t count, struct error *err)
{
	const uint8_t *detach = memchr(bytes, CONSOLE_DETACH, count);

	if (detach)
		count = (size_t)(detach - bytes);
	if (count &&
		rpc_client_send_data(console->session->client, console->request.id, bytes, count, err) < 0)
		return -1;
	console->detached = detach;
	return detach ? 0 : 1;
}

// The end of what was piped in is the end of the command: not before what it brought about has been printed, and never later than that. An input
// with nothing in it (</dev/null) only looks on, until it is interrupted.
static void linger(struct console *console)
{
	struct error ignored = ERROR_INIT;
	double begin_ms = loop_now_ms();

	console->output_ms = begin_ms;
	while (loop_now_ms() - begin_ms < LINGER_MS && loop_now_ms() - console->output_ms < QUIET_MS)
		if (task_pause(LOOK_MS, &ignored) < 0)
			return;
	console->finished = true;
}

static void read_input(void *data)
{
	struct console *console = data;
	struct error err = ERROR_INIT;
	uint8_t bytes[CHUNK_BYTES];
	bool sent = false;
	int more = 1;

	while (more > 0) {
		if (task_wait_fd(STDIN_FILENO, POLLIN, TASK_FOREVER, "input", &err) < 0)
			break;
		ssize_t count = read(STDIN_FILENO, bytes, sizeof(bytes));
		if (count < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (count <= 0)
			break; // the output goes on
		more = send_input(console, bytes, (size_t)count, &err);
		sent = true;
	}
	if (more > 0 && sent && err.code == 0 && !isatty(STDIN_FILENO))
		linger(console);
	console->reading = false;
	if (more < 0 && err.code != ERROR_CANCELLED && !console->failure.code)
		console->failure = err;
	if (more <= 0 || console->finished)
		give_up(console);
}

static int start_reader(struct console *console, struct error *err)
{
	console->reading = true;
	console->reader = task_start(console->session->loop, "console input", read_input, console, err);
	if (!console->reader)
		console->reading = false;
	return console->reader ? 0 : -1;
}

// The reader uses the session and this frame: it is gone before they are.
static void end_reader(struct console *console)
{
	struct error ignored = ERROR_INIT;

	if (!console->reading)
		return;
	task_cancel(console->reader);
	task_uncancel(console->session->task);
	while (console->reading && task_pause(1, &ignored) == 0)
		;
}

static int finish(struct console *console, int result, struct error *err)
{
	if (console->finished && !console->failure.code) {
		error_clear(err);
		return 0;
	}
	if (console->detached) {
		error_clear(err);
		fputs("\ndetached; the VM goes on\n", stderr);
		return 0;
	}
	return console->failure.code ? error_copy(err, &console->failure) : result;
}

int console_run(struct session *session, char *vm, struct error *err)
{
	struct console console = {
		.session = session, .request = HOLDFAST__REQUEST__INIT, .failure = ERROR_INIT
	};
	Holdfast__Name name = HOLDFAST__NAME__INIT;
	Holdfast__Reply *reply = NULL;

	name.name = vm;
	console.request.body_case = HOLDFAST__REQUEST__BODY_VM_CONSOLE;
	console.request.vm_console = &name;
	if (session_connect(session, err) < 0)
		return -1;
	if (isatty(STDIN_FILENO))
		fprintf(stderr, "console of %s: Ctrl-] leaves it\n", vm);
	raw_begin(&console);
	int result = start_reader(&console, err);
	// The reader runs only when this waits: by then the request has its id.
	if (result == 0)
		result = session_call(
			session, &console.request, TASK_FOREVER, on_output, &console, &reply, err);
	end_reader(&console);
	raw_end(&console);
	if (reply)
		holdfast__reply__free_unpacked(reply, NULL);
	return finish(&console, result, err);
}
