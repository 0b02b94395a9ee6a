// SPDX-License-Identifier: GPL-3.0-or-later
// A child that is waited for: started with posix_spawn in a session of its own, so that a kill reaches all that it started,
// with its stdout and stderr in pipes. Knows neither tasks nor poll: spawn.c drives it.
#include "common/spawn-private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/cleanup.h"

#define OUT_LIMIT (256u << 10)
#define ERR_LIMIT (16u << 10)
#define READ_BYTES (16u << 10)
#define LAST_READS 16 // a pipe's content; whoever else holds the other end may go on writing

void spawn_output_done(struct spawn_output *output)
{
	free(output->out);
	free(output->err);
	*output = (struct spawn_output){ 0 };
}

void spawn_command_text(const char *const argv[], char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; argv[i] && used < size - 1; i++) {
		int count = snprintf(text + used, size - used, "%s%s", i ? " " : "", argv[i]);
		used += count > 0 ? (size_t)count : 0;
	}
	if (used >= size && size > 4)
		memcpy(text + size - 4, "...", 4);
}

bool spawn_stream_read(struct spawn_stream *stream)
{
	char bytes[READ_BYTES];

	if (stream->fd < 0)
		return false;
	ssize_t count = read(stream->fd, bytes, sizeof(bytes));
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (count <= 0) {
		close(stream->fd);
		stream->fd = -1;
		return false;
	}
	size_t room = stream->limit - stream->used;
	size_t take = (size_t)count < room ? (size_t)count : room;
	if (stream->used + take + 1 > stream->size) {
		size_t size = (stream->used + take + 1) * 2;
		char *text = realloc(stream->text, size);
		if (!text)
			return true; // dropped, as past the limit
		stream->text = text;
		stream->size = size;
	}
	memcpy(stream->text + stream->used, bytes, take);
	stream->used += take;
	stream->text[stream->used] = '\0';
	return true;
}

// Tools that we read from must speak one language.
static char **environment_in_c(void)
{
	size_t count = 0, kept = 0;

	while (environ[count])
		count++;
	char **variables = calloc(count + 2, sizeof(*variables));
	if (!variables)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (strncmp(environ[i], "LC_", 3) != 0 && strncmp(environ[i], "LANG", 4) != 0)
			variables[kept++] = environ[i];
	variables[kept] = (char *)"LC_ALL=C";
	return variables;
}

static int spawn_with(const char *const argv[], int in, int out, int err_out, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t all, none;

	char **environment = environment_in_c();
	if (!environment)
		return ENOMEM;
	sigfillset(&all);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	if (in >= 0)
		posix_spawn_file_actions_adddup2(&actions, in, 0);
	else
		posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	posix_spawn_file_actions_adddup2(&actions, err_out, 2);
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(
		&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setsigmask(&attributes, &none);
	int errnum = posix_spawnp(
		pid, argv[0], &actions, &attributes, (char *const *)(uintptr_t)argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	free(environment);
	return errnum;
}

int spawn_child_start(struct spawn_child *child, const char *const argv[], int in, struct error *err)
{
	int out[2], err_out[2];

	*child = (struct spawn_child){
		.argv = argv,
		.pidfd = -1,
		.out = { .fd = -1, .limit = OUT_LIMIT },
		.err = { .fd = -1, .limit = ERR_LIMIT },
	};
	if (pipe2(out, O_CLOEXEC) < 0)
		return error_set_errno(err, errno, "cannot run %s", argv[0]);
	child->out.fd = out[0];
	cleanup_fd int out_end = out[1];
	if (pipe2(err_out, O_CLOEXEC) < 0) {
		spawn_child_abandon(child);
		return error_set_errno(err, errno, "cannot run %s", argv[0]);
	}
	child->err.fd = err_out[0];
	cleanup_fd int err_end = err_out[1];
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err_out[0], F_SETFL, O_NONBLOCK);
	int errnum = spawn_with(argv, in, out_end, err_end, &child->pid);
	if (errnum != 0) {
		spawn_child_abandon(child);
		return error_set_errno(err, errnum, "cannot run %s", argv[0]);
	}
	// not reaped yet, so the number is still the child's
	child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	if (child->pidfd < 0) {
		errnum = errno;
		spawn_child_kill(child);
		waitpid(child->pid, NULL, 0);
		spawn_child_abandon(child);
		return error_set_errno(err, errnum, "cannot watch %s", argv[0]);
	}
	return 0;
}

void spawn_child_kill(const struct spawn_child *child)
{
	kill(-child->pid, SIGKILL); // its session's first process group, so what it started dies with it
	kill(child->pid, SIGKILL);
}

void spawn_child_reap(struct spawn_child *child)
{
	while (waitpid(child->pid, &child->status, 0) < 0 && errno == EINTR)
		;
	for (int i = 0; i < LAST_READS && spawn_stream_read(&child->out); i++)
		;
	for (int i = 0; i < LAST_READS && spawn_stream_read(&child->err); i++)
		;
}

void spawn_child_abandon(struct spawn_child *child)
{
	cleanup_fd_p(&child->pidfd);
	cleanup_fd_p(&child->out.fd);
	cleanup_fd_p(&child->err.fd);
	free(child->out.text);
	free(child->err.text);
	child->pidfd = child->out.fd = child->err.fd = -1;
	child->out.text = child->err.text = NULL;
}

static int judge(const struct spawn_child *child, struct error *err)
{
	const char *said = child->err.text ? child->err.text : "";
	char command[160];

	spawn_command_text(child->argv, command, sizeof(command));
	if (WIFSIGNALED(child->status))
		return error_set(err, ERROR_FAILED, "%s was killed by signal %d (%s)", command,
			WTERMSIG(child->status), strsignal(WTERMSIG(child->status)));
	if (WEXITSTATUS(child->status) == 0)
		return 0;
	said += strspn(said, "\n");
	return error_set(err, ERROR_FAILED, "%s ended with exit status %d: %.*s", command,
		WEXITSTATUS(child->status), *said ? (int)strcspn(said, "\n") : 15,
		*said ? said : "it gave no reason");
}

int spawn_child_finish(struct spawn_child *child, struct spawn_output *output, struct error *err)
{
	int result = judge(child, err);

	if (output) {
		*output = (struct spawn_output){
			.status = child->status,
			.out = child->out.text ? steal_ptr(child->out.text) : strdup(""),
			.out_bytes = child->out.used,
			.err = child->err.text ? steal_ptr(child->err.text) : strdup(""),
		};
	}
	spawn_child_abandon(child);
	return result;
}
