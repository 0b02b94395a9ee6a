// SPDX-License-Identifier: GPL-3.0-or-later
// A CPU model for the whole cluster: which of QEMU's models is better than which, and the best one that every node can run. Pure.
#ifndef CLUSTERD_CPU_BASELINE_H
#define CLUSTERD_CPU_BASELINE_H

#include <stdbool.h>
#include "clusterd/status.h"

// The best of COUNT names; NULL: none that is ranked.
const char *cpu_baseline_best(char *const *names, size_t count);
// The best model that all nodes can run that have said theirs; NULL: there is none, or none has said it.
const char *cpu_baseline_of(const struct status_input *in);
bool cpu_baseline_can(const Holdfast__HostStatus *host, const char *model);	// false too: it did not say
// The model that is meant by WISH: "baseline", "host" or a name; every node must be there and able to run it. *MODEL is "host" or static.
int cpu_baseline_choose(
	const struct status_input *in, const char *wish, const char **model, struct error *err) MUST_CHECK;

#endif
