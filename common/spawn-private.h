// SPDX-License-Identifier: GPL-3.0-or-later
// What the spawn-*.c files share: a child with its two pipes, and how a command is shown. Nobody else includes this.
#ifndef COMMON_SPAWN_PRIVATE_H
#define COMMON_SPAWN_PRIVATE_H

#include <stdbool.h>
#include "common/spawn.h"

struct spawn_stream {
	int fd; // our end, -1 at its end
	char *text;
	size_t used, size, limit;
};

struct spawn_child {
	const char *const *argv;
	pid_t pid;
	int pidfd;
	struct spawn_stream out, err;
	int status;
};

// IN becomes its stdin; -1: /dev/null.
int spawn_child_start(struct spawn_child *child, const char *const argv[], int in, struct error *err);
// One read; past the limit it is dropped. False when there is nothing to read now or any more.
bool spawn_stream_read(struct spawn_stream *stream);
// After the process has ended: takes its status and what is left in the pipes.
void spawn_child_reap(struct spawn_child *child);
void spawn_child_kill(const struct spawn_child *child);
// Judges the status, moves the texts to OUTPUT or frees them, closes everything. The child has been reaped or handed over.
int spawn_child_finish(struct spawn_child *child, struct spawn_output *output, struct error *err);
void spawn_child_abandon(struct spawn_child *child); // the same without judging
void spawn_command_text(const char *const argv[], char *text, size_t size);

#endif
