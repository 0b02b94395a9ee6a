// SPDX-License-Identifier: GPL-3.0-or-later
// Whether a guest finds the processor that it was started with on another node too: what QEMU says it cannot give of the VM's CPU model,
// there and here.
#ifndef MIGRATE_CPU_CHECK_H
#define MIGRATE_CPU_CHECK_H

#include <stddef.h>
#include "hypervisor/vm.h"

// What the QEMU of VM cannot give of its CPU model, with its accelerator on this machine, as words with a comma between; "" for nothing, and
// for a model of which QEMU does not say it (`host`). The caller frees it. NULL with err: QEMU does not answer.
char *cpu_unavailable(struct vm *vm, struct error *err) MUST_CHECK;	// waits
// Of the words in HERE those that are not in THERE: what the guest would lose. True if there are any.
bool cpu_lost(const char *there, const char *here, char *lost, size_t size);
// The same two answers of `query-cpu-definitions`, parsed. For tests.
char *cpu_unavailable_in(const json_t *definitions, const char *model);

#endif
