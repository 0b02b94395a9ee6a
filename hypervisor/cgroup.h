// SPDX-License-Identifier: GPL-3.0-or-later
// The guests' cgroups: holdfast.slice/vm-NAME.scope, where cgroup v2 is there and ours to write; else none. What a guest is held to is written
// here; what it should be is control.c's and control-plan.c's business.
#ifndef HYPERVISOR_CGROUP_H
#define HYPERVISOR_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "common/error.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

enum { CGROUP_CPU = 1, CGROUP_MEMORY = 2, CGROUP_IO = 4, CGROUP_PIDS = 8, CGROUP_ALL = 15 };

struct cgroups {
	const char *root;
	bool usable;		// guests get scopes
	unsigned controllers;	// that scopes have
	char problem[200];	// why some are missing; "" if none is
};

// Looks at ROOT, makes the slice and hands the controllers down to it. Called again it hands down what somebody has taken back.
void cgroups_open(struct cgroups *cgroups, const char *root);
// Removes scopes that nobody is in: what guests left that ended while no hypervisord ran.
void cgroups_sweep(const struct cgroups *cgroups);

// True with PROCS, the path of its cgroup.procs; false if guests run without one here.
bool cgroup_make(const struct cgroups *cgroups, const char *vm, char *procs, size_t size);
// Puts a process that runs into VM's scope, which is made if need be; fine if it is there.
int cgroup_take(const struct cgroups *cgroups, const char *vm, pid_t pid, struct error *err) MUST_CHECK;
void cgroup_remove(const struct cgroups *cgroups, const char *vm);	// when its last process has ended; fine if there is none
// Writes a setting of VM's scope (NULL: the slice).
int cgroup_set(const struct cgroups *cgroups, const char *vm, const char *file, const char *value, struct error *err) MUST_CHECK;
bool cgroup_has(const struct cgroups *cgroups, const char *vm, const char *file);

#endif
