// SPDX-License-Identifier: GPL-3.0-or-later
// The parts of a duration, by name: what a start or a move spent its time on.
#ifndef HYPERVISOR_STEPS_H
#define HYPERVISOR_STEPS_H

#include "common/loop.h"
#include "proto/status.pb-c.h"

#define STEPS_MAX 16

struct steps {
	struct { const char *name; double ms; } step[STEPS_MAX];
	size_t count;
	double begin_ms, last_ms;
};

void steps_begin(struct steps *steps);
// What has passed since the last call goes to NAME (a literal), added up if it is there already.
void steps_mark(struct steps *steps, const char *name);
// What PART, which was begun after the last mark, has spent its time on; it ends now.
void steps_take(struct steps *steps, const struct steps *part);
double steps_total(const struct steps *steps);
// malloc'ed as protobuf messages; *count is 0 if there is no memory.
Holdfast__Step **steps_messages(const struct steps *steps, size_t *count);
void steps_messages_free(Holdfast__Step **messages, size_t count);

#endif
