// SPDX-License-Identifier: GPL-3.0-or-later
// Runs commands and carries their input and output through files. A file that the host wrote is opened only after the host has named it
// (hostfs remembers that a name was missing), and what a command wrote is flushed before the host is told of it.
#include "deploy/lab/node/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/cleanup.h"

#define SPOOL "/lab/spool"
#define FLUSH_MS 200 // how soon output of a running command shows on the host
#define COMMAND_MAX_BYTES (512 << 10)

enum { OUT, ERR, STREAMS };

struct command {
	TAILQ_ENTRY(command) link;
	struct commands *owner;
	char id[17];
	pid_t pid;
	int stream[STREAMS];
	off_t flushed[STREAMS];
	int input; // the pipe to its stdin, or -1
	struct loop_source *writer;
	int piece_fd; // the piece of input being written, or -1
	unsigned pieces, next_piece;
	bool input_ended;
	char buffer[16384];
	size_t buffered, written;
};

struct commands {
	struct loop *loop;
	int console;
	struct loop_source *flusher;
	TAILQ_HEAD(, command) list;
};

static const char *const environment[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "USER=root",
	"LANG=C.UTF-8", "SHELL=/bin/bash", NULL
};

struct commands *commands_new(struct loop *loop, int console_fd)
{
	struct commands *commands = calloc(1, sizeof(*commands));

	if (!commands)
		return NULL;
	commands->loop = loop;
	commands->console = console_fd;
	TAILQ_INIT(&commands->list);
	return commands;
}

static int spool_open(const char *id, const char *suffix, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), SPOOL "/%s.%s", id, suffix);
	return open(path, flags | O_CLOEXEC, 0644);
}

// Returns whether there was anything new.
static bool flush_output(struct command *command)
{
	bool news = false;

	for (int i = 0; i < STREAMS; i++) {
		struct stat about;

		if (fstat(command->stream[i], &about) < 0 || about.st_size == command->flushed[i])
			continue;
		sync_file_range(command->stream[i], 0, 0,
			SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
		command->flushed[i] = about.st_size;
		news = true;
	}
	return news;
}

static enum loop_verdict flush_all(void *data)
{
	struct commands *commands = data;
	struct command *command;

	TAILQ_FOREACH(command, &commands->list, link)
	{
		if (flush_output(command))
			dprintf(commands->console, "out %s\n", command->id);
	}
	if (!TAILQ_EMPTY(&commands->list))
		return LOOP_CONTINUE;
	commands->flusher = NULL;
	return LOOP_STOP;
}

static void input_close(struct command *command)
{
	loop_source_remove(command->writer);
	command->writer = NULL;
	if (command->piece_fd >= 0)
		close(command->piece_fd);
	if (command->input >= 0)
		close(command->input);
	command->piece_fd = command->input = -1;
}

// Fills the buffer from the pieces. False: nothing there now.
static bool input_next(struct command *command)
{
	char suffix[32];
	ssize_t bytes;

	while (command->written == command->buffered) {
		if (command->piece_fd < 0) {
			if (command->next_piece == command->pieces)
				return false;
			snprintf(suffix, sizeof(suffix), "in.%u", command->next_piece++);
			command->piece_fd = spool_open(command->id, suffix, O_RDONLY);
			if (command->piece_fd < 0)
				continue;
		}
		bytes = read(command->piece_fd, command->buffer, sizeof(command->buffer));
		if (bytes <= 0) {
			close(command->piece_fd);
			command->piece_fd = -1;
			continue;
		}
		command->buffered = (size_t)bytes;
		command->written = 0;
	}
	return true;
}

static enum loop_verdict input_writable(int fd, short events, void *data)
{
	struct command *command = data;
	ssize_t bytes;

	while (input_next(command)) {
		bytes = write(fd, command->buffer + command->written, command->buffered - command->written);
		if (bytes < 0 && errno == EAGAIN)
			return LOOP_CONTINUE;
		if (bytes < 0) { // it reads no more
			command->writer = NULL;
			input_close(command);
			return LOOP_STOP;
		}
		command->written += (size_t)bytes;
	}
	command->writer = NULL;
	if (command->input_ended)
		input_close(command);
	return LOOP_STOP;
}

static void input_go_on(struct command *command)
{
	if (command->input >= 0 && !command->writer)
		command->writer =
			loop_add_fd(command->owner->loop, command->input, POLLOUT, input_writable, command);
}

static void command_free(struct command *command)
{
	input_close(command);
	for (int i = 0; i < STREAMS; i++) {
		if (command->stream[i] >= 0)
			close(command->stream[i]);
	}
	free(command);
}

static _Noreturn void become_command(const struct command *command, int input, char **words)
{
	sigset_t none;

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	dup2(input, 0);
	dup2(command->stream[OUT], 1);
	dup2(command->stream[ERR], 2);
	closefrom(3);
	if (chdir("/root") < 0)
		dprintf(2, "no /root: running in /\n");
	execvpe(words[0], words, (char *const *)environment);
	dprintf(2, "cannot run %s: %s\n", words[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

// Splits the text of ID.cmd into words, the last one NULL.
static char **split_words(char *text, size_t bytes)
{
	size_t count = 0, next = 0;
	char **words;

	if (bytes == 0 || text[bytes - 1] != '\0')
		return NULL;
	for (size_t i = 0; i < bytes; i++)
		count += text[i] == '\0';
	words = calloc(count + 1, sizeof(*words));
	for (size_t i = 0; words && i < bytes; i += strlen(text + i) + 1)
		words[next++] = text + i;
	return words;
}

static int read_words(const char *id, char **text, char ***words)
{
	cleanup_fd int fd = spool_open(id, "cmd", O_RDONLY);
	size_t used = 0;
	ssize_t bytes;

	*text = malloc(COMMAND_MAX_BYTES);
	if (fd < 0 || !*text)
		return -1;
	while ((bytes = read(fd, *text + used, COMMAND_MAX_BYTES - used)) > 0)
		used += (size_t)bytes;
	*words = split_words(*text, used);
	return *words && (*words)[0] && (*words)[1] ? 0 : -1;
}

static int start(struct command *command)
{
	cleanup_free char *text = NULL;
	cleanup_free char **words = NULL;
	int pipe_fds[2] = { -1, -1 };

	command->stream[OUT] = spool_open(command->id, "out", O_WRONLY | O_CREAT | O_APPEND);
	command->stream[ERR] = spool_open(command->id, "err", O_WRONLY | O_CREAT | O_APPEND);
	if (command->stream[OUT] < 0 || command->stream[ERR] < 0 ||
		read_words(command->id, &text, &words) < 0)
		return -1;
	if (strcmp(words[0], "stdin") == 0 ? pipe2(pipe_fds, O_CLOEXEC) < 0
					   : (pipe_fds[0] = open("/dev/null", O_RDONLY)) < 0)
		return -1;
	command->input = pipe_fds[1];
	if (command->input >= 0)
		fcntl(command->input, F_SETFL, O_NONBLOCK);
	command->pid = fork();
	if (command->pid == 0)
		become_command(command, pipe_fds[0], words + 1);
	close(pipe_fds[0]);
	return command->pid < 0 ? -1 : 0;
}

static void exec_requested(struct commands *commands, const char *id)
{
	struct command *command = calloc(1, sizeof(*command));

	if (!command)
		return;
	command->owner = commands;
	snprintf(command->id, sizeof(command->id), "%s", id);
	command->input = command->piece_fd = command->stream[OUT] = command->stream[ERR] = -1;
	if (start(command) < 0) {
		dprintf(commands->console, "exit %s 125\n", id);
		command_free(command);
		return;
	}
	TAILQ_INSERT_TAIL(&commands->list, command, link);
	if (!commands->flusher)
		commands->flusher = loop_add_timer(commands->loop, FLUSH_MS, flush_all, commands);
}

static struct command *find(struct commands *commands, const char *id)
{
	struct command *command;

	TAILQ_FOREACH(command, &commands->list, link)
	{
		if (strcmp(command->id, id) == 0)
			return command;
	}
	return NULL;
}

bool commands_line(struct commands *commands, const char *line)
{
	struct command *command;
	char verb[8], id[17];
	int number = 0;

	if (sscanf(line, "%7s %16s %d", verb, id, &number) < 2)
		return false;
	if (strcmp(verb, "exec") == 0) {
		exec_requested(commands, id);
		return true;
	}
	command = find(commands, id);
	if (!command)
		return true; // it has just ended
	if (strcmp(verb, "signal") == 0) {
		kill(-command->pid, number);
	} else if (strcmp(verb, "in") == 0) {
		command->pieces = (unsigned)number + 1;
		input_go_on(command);
	} else if (strcmp(verb, "eof") == 0) {
		command->input_ended = true;
		input_go_on(command);
	}
	return true;
}

bool commands_child_ended(struct commands *commands, pid_t pid, int status)
{
	struct command *command;

	TAILQ_FOREACH(command, &commands->list, link)
	{
		if (command->pid != pid)
			continue;
		TAILQ_REMOVE(&commands->list, command, link);
		flush_output(command);
		dprintf(commands->console, "exit %s %d\n", command->id,
			WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
		command_free(command);
		return true;
	}
	return false;
}
