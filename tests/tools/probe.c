// SPDX-License-Identifier: GPL-3.0-or-later
// Runs every probe and says of each whether it was refused, on the descriptor of its first serial port; its last words on stderr count them.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/tools/probe.h"

#define PATIENCE_S 3

static void take_word(struct probe_targets *targets, char *word)
{
	char *value = strchr(word, '=');
	if (!value)
		return;
	*value++ = '\0';
	if (!strcmp(word, "daemon"))
		targets->daemon = atoi(value);
	else if (!strcmp(word, "other"))
		targets->other = atoi(value);
	else if (!strcmp(word, "other-uid"))
		targets->other_uid = (uid_t)atoi(value);
	else if (!strcmp(word, "port"))
		targets->port = atoi(value);
	else if (!strcmp(word, "run"))
		targets->run = value;
	else if (!strcmp(word, "state"))
		targets->state = value;
	else if (!strcmp(word, "volume"))
		targets->volume = value;
	else if (!strcmp(word, "own-volume"))
		targets->own_volume = value;
	else if (!strcmp(word, "secret"))
		targets->secret = value;
	else if (!strcmp(word, "abstract"))
		targets->abstract = value;
}

// What QEMU would be told: descriptors are named as fd=N or fd/N anywhere in its arguments.
static void take_arguments(struct probe_targets *targets, char **argv)
{
	for (int i = 1; argv[i]; i++) {
		char *rest = NULL;
		if (!strcmp(argv[i], "-append") && argv[i + 1]) {
			for (char *word = strtok_r(argv[++i], " ", &rest); word;
				word = strtok_r(NULL, " ", &rest))
				take_word(targets, word);
			continue;
		}
		for (const char *at = argv[i]; (at = strstr(at, "fd")) && targets->fd_count < 32; at += 2)
			if (at[2] == '=' || at[2] == '/')
				targets->fds[targets->fd_count++] = atoi(at + 3);
	}
}

static int report_fd(char **argv)
{
	for (int i = 1; argv[i]; i++)
		if (!strncmp(argv[i], "fd=", 3) && strstr(argv[i], ",set=8"))
			return atoi(argv[i] + 3);
	return 1;
}

// The errno of the refusal; 0 when it was done; 1000 + signal when it was ended; -1: nobody answered it.
static int try(const struct probe *probe, const struct probe_targets *targets)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		alarm(PATIENCE_S);
		errno = 0;
		_exit(probe->act(targets, probe->argument) == 0 ? 0 : errno ? errno : 255);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		fprintf(stderr, "probe: no process for %s: %s\n", probe->name, strerror(errno));
		exit(2);
	}
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGALRM ? -1 : 1000 + WTERMSIG(status);
	return WEXITSTATUS(status);
}

static void run(const struct probe *probes, const struct probe_targets *targets, FILE *report,
	unsigned *tried, unsigned *done)
{
	for (const struct probe *probe = probes; probe->name; probe++) {
		const char *argument = probe->argument ? probe->argument : "";
		int result = try(probe, targets);
		(*tried)++;
		if (result == 0) {
			(*done)++;
			fprintf(report, "DONE %s %s\n", probe->name, argument);
		} else {
			fprintf(report, "refused %s %s (%s)\n", probe->name, argument,
				result < 0		 ? "no answer"
					: result >= 1000 ? strsignal(result - 1000)
							 : strerror(result));
		}
		fflush(report);
	}
}

int main(int argc, char **argv)
{
	struct probe_targets targets = { 0 };
	unsigned tried = 0, done = 0;
	int fd = report_fd(argv);
	take_arguments(&targets, argv);
	FILE *report = fdopen(fd, "a");
	if (!report || !targets.daemon) {
		fprintf(stderr,
			"probe: it needs -append \"daemon=PID ...\" and a serial port for its report\n");
		return 2;
	}
	run(file_probes, &targets, report, &tried, &done);
	run(process_probes, &targets, report, &tried, &done);
	run(kernel_probes, &targets, report, &tried, &done);
	fprintf(report, "probe: %u tried, %u done\n", tried, done);
	fflush(report);
	fprintf(stderr, "probe: %u tried, %u done\n", tried, done);
	return 1;
}
