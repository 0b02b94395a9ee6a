// SPDX-License-Identifier: GPL-3.0-or-later
// Which of QEMU's CPU models a guest can have on this machine, with nothing of them missing: what the cluster's baseline is chosen from.
#ifndef HYPERVISOR_CPU_MODELS_H
#define HYPERVISOR_CPU_MODELS_H

#include <stddef.h>
#include "common/error.h"

struct hypervisor;

struct cpu_models {		// zero: not known
	char **names;
	size_t count;
};

void cpu_models_find(struct hypervisor *hv);	// asks QEMU, in the background
void cpu_models_done(struct cpu_models *models);
// What QEMU said to query-cpu-definitions, among other lines of QMP. Pure.
int cpu_models_parse(const char *output, struct cpu_models *models, struct error *err) MUST_CHECK;

#endif
