// SPDX-License-Identifier: GPL-3.0-or-later
// Commands that the host runs in this node (`lab exec`). The command and its input come as files in the spool directory (/lab/spool),
// its output goes into files there; beginnings and ends are lines on the node's second console (labd/channel.h has them).
//   ID.cmd   "stdin" or "none", then the words of the command, each ended by a NUL byte
//   ID.in.N  pieces of its input;   ID.out, ID.err  its output
#ifndef NODE_COMMANDS_H
#define NODE_COMMANDS_H

#include <stdbool.h>
#include "common/loop.h"

struct commands;

struct commands *commands_new(struct loop *loop, int console_fd);
// One line of the console, without its newline. False: not for us.
bool commands_line(struct commands *commands, const char *line);
// A child of PID 1 ended. False: not ours.
bool commands_child_ended(struct commands *commands, pid_t pid, int status);

#endif
