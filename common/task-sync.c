// SPDX-License-Identifier: GPL-3.0-or-later
// What tasks wait for besides time and descriptors: conditions, mutexes, worker threads. A mutex is handed to the first in
// its queue at the unlock itself, so nobody can overtake; a waiter that gives up hands it on.
#include "common/task-private.h"

#include <assert.h>
#include <string.h>
#include <glib.h>
#include "common/loop-private.h"

#define WORKERS_MAX 16

int task_wait(struct task_wait *wait, unsigned timeout_ms, const char *what, struct error *err)
{
	struct task *self = task_self();
	enum task_reason reason = TASK_WOKEN;

	if (task_check_cancelled(self, what, err) < 0)
		return -1;
	assert(!wait->waiter);
	if (!wait->woken) {
		wait->waiter = self;
		reason = task_suspend(self, timeout_ms);
		wait->waiter = NULL;
	}
	if (reason == TASK_TIMED_OUT && wait->woken)
		reason = TASK_WOKEN;
	if (reason == TASK_WOKEN)
		wait->woken = false;
	return task_set_reason(reason, timeout_ms, what, err);
}

void task_wake(struct task_wait *wait)
{
	wait->woken = true;
	if (wait->waiter)
		task_ready(wait->waiter, TASK_WOKEN);
}

struct task_mutex_waiter {
	struct task_mutex_waiter *next;
	struct task *task;
	struct task_wait wait;
};

static void mutex_dequeue(struct task_mutex *mutex, struct task_mutex_waiter *waiter)
{
	struct task_mutex_waiter **link = &mutex->first, *previous = NULL;

	while (*link != waiter) {
		previous = *link;
		link = &(*link)->next;
	}
	*link = waiter->next;
	if (mutex->last == waiter)
		mutex->last = previous;
}

int task_lock(struct task_mutex *mutex, unsigned timeout_ms, struct error *err)
{
	struct task *self = task_self();
	struct task_mutex_waiter waiter = { .task = self };

	if (task_check_cancelled(self, "waiting for its turn", err) < 0)
		return -1;
	assert(mutex->owner != self);
	if (!mutex->owner) {
		mutex->owner = self;
		return 0;
	}
	if (mutex->last)
		mutex->last->next = &waiter;
	else
		mutex->first = &waiter;
	mutex->last = &waiter;
	if (task_wait(&waiter.wait, timeout_ms, "waiting for its turn", err) == 0)
		return 0;
	if (mutex->owner == self) // it came together with the cancel
		task_unlock(mutex);
	else
		mutex_dequeue(mutex, &waiter);
	return -1;
}

void task_unlock(struct task_mutex *mutex)
{
	struct task_mutex_waiter *heir = mutex->first;

	assert(mutex->owner && mutex->owner == task_self());
	mutex->owner = NULL;
	if (!heir)
		return;
	mutex_dequeue(mutex, heir);
	mutex->owner = heir->task;
	task_wake(&heir->wait);
}

struct offload {
	task_work_fn *fn;
	void *data;
	struct error err;
	int result;
	struct task *task;
	bool done;
};

static enum loop_verdict offload_done(void *data)
{
	struct offload *offload = data;

	offload->done = true;
	task_ready(offload->task, TASK_WOKEN);
	return LOOP_STOP;
}

// On a worker thread: touches the job, and the loop only through loop_post.
static void offload_work(gpointer data, gpointer loop)
{
	struct offload *offload = data;

	offload->result = offload->fn(offload->data, &offload->err);
	loop_post(loop, offload_done, offload);
}

int task_offload(task_work_fn *fn, void *data, struct error *err)
{
	struct task *self = task_self();

	if (task_check_cancelled(self, "before work on a thread", err) < 0)
		return -1;
	struct task_scheduler *scheduler = self->scheduler;
	if (!scheduler->workers)
		scheduler->workers =
			g_thread_pool_new(offload_work, scheduler->loop, WORKERS_MAX, FALSE, NULL);
	struct offload offload = { .fn = fn, .data = data, .task = self };
	g_thread_pool_push(scheduler->workers, &offload, NULL);
	while (!offload.done) // a cancel wakes us too, but the thread has our stack's address
		task_suspend(self, TASK_FOREVER);
	return offload.result < 0 ? error_copy(err, &offload.err) : 0;
}
