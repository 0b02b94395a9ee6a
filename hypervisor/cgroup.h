// SPDX-License-Identifier: GPL-3.0-or-later
// The cgroup of a guest: holdfast.slice/vm-NAME.scope, where cgroup v2 is there and ours to write; else none. Under systemd this will be a
// transient scope asked of it; limits come with it.
#ifndef HYPERVISOR_CGROUP_H
#define HYPERVISOR_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

// True with PROCS, the path of its cgroup.procs; false if guests run without one here.
bool cgroup_make(const char *vm, char *procs, size_t size);
void cgroup_remove(const char *vm);	// when its last process has ended; fine if there is none
// For the log, once at start: where guests go, or why nowhere.
const char *cgroup_describe(void);

#endif
