// SPDX-License-Identifier: GPL-3.0-or-later
// The notice: each waiter is on its own task's stack and in the list only while it waits.
#include "clusterd/notice.h"

#include "common/task.h"

struct notice_waiter {
	struct task_wait wait;
	struct notice_waiter *next, **link;
};

void notice_raise(struct notice *notice)
{
	for (struct notice_waiter *waiter = notice->first; waiter; waiter = waiter->next)
		task_wake(&waiter->wait);
}

int notice_wait(struct notice *notice, unsigned timeout_ms, const char *what, struct error *err)
{
	struct notice_waiter waiter = { .next = notice->first, .link = &notice->first };

	if (waiter.next)
		waiter.next->link = &waiter.next;
	notice->first = &waiter;
	int result = task_wait(&waiter.wait, timeout_ms, what, err);
	*waiter.link = waiter.next;
	if (waiter.next)
		waiter.next->link = waiter.link;
	return result;
}

int notice_look(struct notice *notice, unsigned at_most_ms, const char *what, struct error *err)
{
	struct error waited = ERROR_INIT;

	if (notice_wait(notice, at_most_ms, what, &waited) == 0 || waited.code == ERROR_TIMEOUT)
		return 0;
	return error_copy(err, &waited);
}
