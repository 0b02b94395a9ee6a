// SPDX-License-Identifier: GPL-3.0-or-later
// A broadcast to tasks: any number wait, one raise wakes them all. It carries nothing: who wakes looks again. Zeroed is ready.
#ifndef CLUSTERD_NOTICE_H
#define CLUSTERD_NOTICE_H

#include "common/error.h"

struct notice_waiter;
struct notice {
	struct notice_waiter *first;
};

void notice_raise(struct notice *notice);
// 0 when it was raised; -1 with ERROR_TIMEOUT or ERROR_CANCELLED.
int notice_wait(struct notice *notice, unsigned timeout_ms, const char *what, struct error *err) MUST_CHECK;	// waits
// As notice_wait for those who look at a state that also changes unsaid: 0 when the time is up, too; -1 only with ERROR_CANCELLED.
int notice_look(struct notice *notice, unsigned at_most_ms, const char *what, struct error *err) MUST_CHECK;	// waits

#endif
