// SPDX-License-Identifier: GPL-3.0-or-later
// What clusterd and Pacemaker do in a cluster, for a single machine: definitions on the disk, start and stop of groups.
#ifndef HYPERVISOR_STANDALONE_H
#define HYPERVISOR_STANDALONE_H

#include "hypervisor/handlers.h"

int standalone_want(struct group *group, enum wanted wanted, struct error *err) MUST_CHECK;
int standalone_forget(struct hypervisor *hv, const char *group, struct error *err) MUST_CHECK;
int standalone_start(struct group *group, struct error *err) MUST_CHECK;	// waits
int standalone_stop(struct group *group, struct error *err) MUST_CHECK;	// waits

#endif
