// SPDX-License-Identifier: GPL-3.0-or-later
// The heartbeat of one guest: its agent is asked again and again, and the time of its last answer kept. A guest whose agent never answered since it
// was started is not judged: it may have none yet.
#ifndef HYPERVISOR_HEARTBEAT_H
#define HYPERVISOR_HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>
#include "common/loop.h"

struct heartbeat;
struct heartbeat *heartbeat_new(struct loop *loop);	// NULL: no memory
void heartbeat_free(struct heartbeat *beat);
// Asks at the socket PATH if it is time to; does not wait.
void heartbeat_ask(struct heartbeat *beat, const char *path, unsigned period_s);
void heartbeat_forgive(struct heartbeat *beat);		// it could not answer meanwhile, or we did not listen: its time begins anew
void heartbeat_rest(struct heartbeat *beat);		// forgives, and lets go of the agent: somebody else has to talk with it
void heartbeat_forget(struct heartbeat *beat);		// the guest begins anew: it is not judged until it answers
bool heartbeat_late(const struct heartbeat *beat, unsigned period_s);
double heartbeat_age_s(const struct heartbeat *beat);	// since the last answer; negative: there was none

#endif
