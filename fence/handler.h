// SPDX-License-Identifier: GPL-3.0-or-later
// What the three DRBD handlers share. The kernel starts them, through drbdadm and a shell, in the root of PID 1, with no descriptors and next to
// no environment: DRBD_RESOURCE is the group.
#ifndef FENCE_HANDLER_H
#define FENCE_HANDLER_H

#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"

struct handler {
	const char *program;
	const char *group;
	char node[64];		// this one
	int log;
};

// Descriptors 0 to 2, the log, the names. On failure it has been logged.
int handler_init(struct handler *handler, const char *program, struct error *err) MUST_CHECK;
// To syslog and to handlers.log, one line.
void handler_say(const struct handler *handler, int priority, const char *format, ...) __attribute__((format(printf, 3, 4)));
// Goes on in a process that nobody waits for: 1 in it, 0 in the caller's, -1.
int handler_detach(void);
int64_t handler_now_ms(void);

#endif
