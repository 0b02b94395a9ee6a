// SPDX-License-Identifier: GPL-3.0-or-later
// The line protocol with each node's PID 1 over its second console, and the commands that run in nodes (`lab exec`): only their
// beginnings, ends and "there is more" pass here, their input and output are files in the node's spool directory.
//   to the node     exec ID | in ID N | eof ID | signal ID NUMBER
//   from the node   ready | out ID | exit ID STATUS | poweroff
#ifndef LABD_CHANNEL_H
#define LABD_CHANNEL_H

#include <stdbool.h>
#include "common/loop.h"
#include "deploy/lab/labd/config.h"

struct channels;
struct exec_job;

enum exec_news { EXEC_OUTPUT, EXEC_EXITED, EXEC_GONE };	// GONE: the node ended first

// After EXITED or GONE the job is freed.
typedef void exec_news_cb(enum exec_news news, int status, void *data);
// The node is up and runs commands (GONE if it ended instead).
typedef void channel_ready_cb(bool ready, void *data);
typedef void channel_poweroff_cb(unsigned node, void *data);

struct channels *channels_new(struct loop *loop, const struct lab_config *config, channel_poweroff_cb *poweroff, void *data);
void channels_free(struct channels *channels);
void channels_started(struct channels *channels, unsigned node, int fd);
void channels_ended(struct channels *channels, unsigned node);
bool channels_ready(const struct channels *channels, unsigned node);
void channels_wait_ready(struct channels *channels, unsigned node, channel_ready_cb *ready, void *data);
void channels_forget_waiter(struct channels *channels, void *data);	// its client has hung up

// The node must have been started; the command begins when the node is up. ID: up to 16 letters and digits.
struct exec_job *exec_start(struct channels *channels, unsigned node, const char *id, exec_news_cb *news, void *data,
			    struct error *err) MUST_CHECK;
void exec_input(struct exec_job *job, unsigned piece);	// the next file of input is there
void exec_input_end(struct exec_job *job);
void exec_signal(struct exec_job *job, int signum);
void exec_abandon(struct exec_job *job);		// the caller has gone: hang up on the command

#endif
