// SPDX-License-Identifier: GPL-3.0-or-later
// What task*.c may know of the loop: the slot that its tasks hang on. Nobody else includes this.
#ifndef COMMON_LOOP_PRIVATE_H
#define COMMON_LOOP_PRIVATE_H

#include <glib.h>
#include "common/loop.h"

struct loop_post;
struct task_scheduler;

struct loop {
	bool quit;
	struct loop_source *first; // all sources that are attached, for loop_free
	struct loop_source *doorbell; // eventfd: something was posted
	int doorbell_fd;
	GMutex post_mutex; // guards the list below, nothing else
	struct loop_post *post_first, *post_last;
	struct task_scheduler *tasks; // made by the first task_start
	void (*tasks_free)(struct task_scheduler *tasks);
};

#endif
