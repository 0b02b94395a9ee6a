// SPDX-License-Identifier: GPL-3.0-or-later
// Takes up, at hypervisord's start, the groups and guests that the run directory tells of. Two halves: moves_recover comes between them.
#ifndef HYPERVISOR_ADOPT_H
#define HYPERVISOR_ADOPT_H

#include "hypervisor/group.h"

// Every group with its definition, every living guest with its process and QMP; nothing is started, continued or ended but guests that
// were being spawned. Those that a move may own are in MOVING_IN or MOVING_OUT afterwards.
int adopt_guests(struct hypervisor *hv, struct error *err) MUST_CHECK;	// waits
// What no move owned and nobody finished: ended or continued, by its phase; guests that have died meanwhile are restarted as ever.
void adopt_finish(struct hypervisor *hv);	// waits

#endif
