// SPDX-License-Identifier: GPL-3.0-or-later
// The holdfast command: reads its line, runs the verb in a task, prints what went wrong in one line, and ends with the contract's
// status. Nothing else of it exits.
#include "config.h"

#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ctl/complete.h"
#include "ctl/help.h"
#include "ctl/nouns.h"
#include "ctl/session.h"

struct run {
	struct session *session;
	int result;
	struct error *err;
};

static void run_verb(void *data)
{
	struct run *run = data;

	run->session->task = task_self();
	run->result = run->session->args->verb->run(run->session, run->session->args, run->err);
	session_done(run->session);
	run->session->task = NULL;
}

// The first one stops waiting; the verb then ends by itself.
static void on_signal(int signum, void *data)
{
	struct session *session = data;

	session->signal = signum;
	if (session->task)
		task_cancel(session->task);
}

static void explain_interrupt(const struct session *session, struct error *err)
{
	const char *goes_on = session->args->verb->goes_on;

	if (err->code == ERROR_CANCELLED && session->signal)
		error_set(
			err, ERROR_CANCELLED, "interrupted%s%s", goes_on ? ": " : "", goes_on ? goes_on : "");
}

static int run_session(struct session *session, struct error *err)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct run run = { session, -1, err };

	session->loop = loop_new();
	if (!session->loop)
		return error_set(err, ERROR_NO_SPACE, "no memory");
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		loop_add_signal(session->loop, signals[i], on_signal, session);
	if (task_run(session->loop, "holdfast", run_verb, &run, err) < 0)
		run.result = -1;
	if (run.result < 0)
		explain_interrupt(session, err);
	task_end_all(session->loop, 1000);
	loop_free(session->loop);
	return run.result;
}

static bool wants_colour(void)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && (!no_colour || !*no_colour) && term && strcmp(term, "dumb");
}

static int run_args(const struct args *args, struct error *err)
{
	struct session session = {
		.args = args,
		.printer = { .out = stdout,
			.terminal = isatty(STDOUT_FILENO),
			.colour = wants_colour(),
			.json = args->json },
		.progress = isatty(STDERR_FILENO),
	};

	if (args->version)
		return printf("holdfast " PACKAGE_VERSION "\n") < 0;
	if (args->help) {
		help_print(stdout, nouns, args);
		return 0;
	}
	return run_session(&session, err);
}

int main(int argc, char *argv[])
{
	struct error err = ERROR_INIT;
	struct args args;

	setlocale(LC_ALL, "");
	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && !strcmp(argv[1], "--complete"))
		return complete(argc - 2, argv + 2);
	int result = args_parse(nouns, argc - 1, argv + 1, &args, &err);
	if (result == 0)
		result = run_args(&args, &err);
	if (fflush(stdout) == EOF && result == 0)
		result = error_set(&err, ERROR_FAILED,
			"cannot write to stdout: is the disk full, or did its reader end?");
	args_done(&args);
	if (result == 0)
		return 0;
	print_clean(err.message);
	fprintf(stderr, "holdfast: %s\n", err.message);
	return error_exit_status(err.code ? err.code : ERROR_FAILED);
}
