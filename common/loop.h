// SPDX-License-Identifier: GPL-3.0-or-later
// The event loop of a program: GLib's main loop, wrapped once (Pacemaker's libraries need GLib's default context, so it is that
// one). Everything runs on the thread that runs the loop, except what says otherwise.
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct loop;
struct loop_source;		// a registration; freed by loop_source_remove or when its callback says stop; its own callback may remove it too

enum loop_verdict { LOOP_STOP, LOOP_CONTINUE };	// LOOP_STOP removes the source

// `events` is a mask of POLLIN, POLLOUT, POLLHUP, POLLERR.
typedef enum loop_verdict loop_fd_cb(int fd, short events, void *data);
typedef enum loop_verdict loop_cb(void *data);
typedef void loop_signal_cb(int signum, void *data);
typedef void loop_exit_cb(pid_t pid, void *data);

struct loop *loop_new(void);
void loop_free(struct loop *loop);		// removes what is still registered; never from a callback. See task_end_all.
void loop_run(struct loop *loop);		// until loop_quit, which counts when it came before loop_run too
void loop_quit(struct loop *loop);
void loop_turn(struct loop *loop);		// waits for something to happen and runs it: for `while (!done) loop_turn(loop);`

struct loop_source *loop_add_fd(struct loop *loop, int fd, short events, loop_fd_cb *cb, void *data);
void loop_fd_set_events(struct loop_source *source, short events);	// 0: only POLLHUP and POLLERR
// First after MS, then every MS for as long as CB says LOOP_CONTINUE.
struct loop_source *loop_add_timer(struct loop *loop, unsigned ms, loop_cb *cb, void *data);
struct loop_source *loop_add_idle(struct loop *loop, loop_cb *cb, void *data);	// next turn of the loop
// From any thread: CB(data) runs once on the loop thread; its verdict means nothing. The loop must outlive the caller's thread.
void loop_post(struct loop *loop, loop_cb *cb, void *data);
// Blocks the signal for the process and delivers it on the loop (signalfd). Call before threads are started. NULL with errno.
struct loop_source *loop_add_signal(struct loop *loop, int signum, loop_signal_cb *cb, void *data);
// Calls CB once when the process has ended; it need not be a child. PIDFD stays the caller's and open until then.
struct loop_source *loop_add_pidfd(struct loop *loop, int pidfd, pid_t pid, loop_exit_cb *cb, void *data);
void loop_source_remove(struct loop_source *source);	// NULL is fine

int64_t loop_now_us(void);			// CLOCK_MONOTONIC, microseconds
double loop_now_ms(void);			// the same in milliseconds

#endif
