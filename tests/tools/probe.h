// SPDX-License-Identifier: GPL-3.0-or-later
// A program that is run in QEMU's place and tries what a guest that took its QEMU over would try. Each try runs in a process of its own, so that none
// spoils another, and says whether it was refused.
#ifndef TESTS_TOOLS_PROBE_H
#define TESTS_TOOLS_PROBE_H

#include <sys/types.h>

struct probe_targets { // what there is to be found on this machine; from the words of -append
	pid_t daemon, other; // hypervisord; another guest's QEMU
	uid_t other_uid;
	const char *run, *state, *volume, *own_volume, *secret; // directories; disks; a file of root's
	const char *abstract; // name of an abstract socket that somebody listens at
	int port; // that somebody listens at on 127.0.0.1 and ::1
	int fds[32]; // that it was passed
	int fd_count;
};

// 0: it was done, which is a hole; -1: refused, errno says why.
struct probe {
	const char *name;
	int (*act)(const struct probe_targets *targets, const char *argument);
	const char *argument;
};

extern const struct probe file_probes[], process_probes[], kernel_probes[]; // each ends with a NULL name

#endif
