// SPDX-License-Identifier: GPL-3.0-or-later
// The files of a node that VMs' starts need there: asked of its hypervisord, which alone knows what its configuration permits.
#ifndef CLUSTERD_FILES_H
#define CLUSTERD_FILES_H

#include "clusterd/cib.h"
#include "clusterd/clusterd.h"

// What VM needs and NODE has not: an error that names the first.
int files_check_vm(struct clusterd *cd, const char *node, const Holdfast__Vm *vm, unsigned timeout_ms, struct error *err)
	MUST_CHECK;	// waits
// What VMs of groups that NODE may own need and it has not is added to its STATUS.
int files_add_missing(struct clusterd *cd, const char *node, const struct cib_snapshot *cib, Holdfast__HostStatus *status,
	unsigned timeout_ms, struct error *err) MUST_CHECK;	// waits

#endif
