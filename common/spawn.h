// SPDX-License-Identifier: GPL-3.0-or-later
// Running other programs: argv only, never a shell; descriptors are closed except those asked for; output is limited.
#ifndef COMMON_SPAWN_H
#define COMMON_SPAWN_H

#include <stddef.h>
#include <sys/types.h>
#include "common/error.h"

struct spawn_output {
	int status;		// as of waitpid
	char *out;		// stdout, NUL-terminated, at most 256 KiB
	size_t out_bytes;
	char *err;		// stderr, NUL-terminated, at most 16 KiB
};
void spawn_output_done(struct spawn_output *output);

// Runs ARGV (found on PATH) in a session of its own, stdin from /dev/null, LC_ALL=C, and waits for it. At the deadline, or when the task is
// cancelled, it and its process group are ended with SIGKILL. An exit status other than 0 is an error whose message has the command and
// the first line of stderr; OUTPUT (may be NULL) is filled then too, and empty on all other errors: spawn_output_done is right after either.
int spawn_run(const char *const argv[], unsigned timeout_ms, struct spawn_output *output, struct error *err) MUST_CHECK;	// waits (task)
// The same with INPUT as its stdin (a fence agent's options, which must not be seen among its arguments).
int spawn_run_input(const char *const argv[], const char *input, unsigned timeout_ms, struct spawn_output *output,
	struct error *err) MUST_CHECK;	// waits (task)
// As spawn_run, for programs without a loop.
int spawn_run_blocking(const char *const argv[], unsigned timeout_ms, struct spawn_output *output, struct error *err) MUST_CHECK;

struct cage_entry;
struct spawn_fd { int fd; int as; };	// FD here becomes AS in the child
struct spawn_params {
	const char *const *argv;
	const struct spawn_fd *fds;	// ends with fd -1; 0, 1, 2 are /dev/null unless named here; may be NULL
	const char *directory;		// NULL: /
	const char *cgroup;		// path of a cgroup.procs to join before exec; NULL: none
	uid_t uid;			// with 0: stay as we are
	gid_t gid;
	const struct cage_entry *cage;	// common/cage.h; NULL: none. Only with a uid
};
// Starts a process that outlives us: own session, not our child (a double fork), no inherited descriptors, default signals, no
// supplementary groups and no capabilities and no_new_privs if uid is not 0, only PATH, TMPDIR and LC_ALL=C in its environment. Returns
// when exec has succeeded, or -1 with why it did not. *pidfd is the caller's to close; NULL if it does not want one.
int spawn_detached(const struct spawn_params *params, pid_t *pid, int *pidfd, struct error *err) MUST_CHECK;
// The same for a process that must not outlive us: our child, and the kernel ends it with SIGKILL when the calling thread ends, however that
// ends. The caller reaps it (waitpid).
int spawn_attached(const struct spawn_params *params, pid_t *pid, int *pidfd, struct error *err) MUST_CHECK;

#endif
