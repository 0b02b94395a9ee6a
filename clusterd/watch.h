// SPDX-License-Identifier: GPL-3.0-or-later
// Turns what corosync and Pacemaker show into events: nodes lost, joined and fenced, quorum and witness, failovers.
// Each is told by one node only. Keeps an administrator's word that a node is down where the proof of a lost owner
// looks for it.
#ifndef CLUSTERD_WATCH_H
#define CLUSTERD_WATCH_H

#include "clusterd/cib.h"
#include "clusterd/clusterd.h"

struct watch *watch_new(struct clusterd *cd);
void watch_free(struct watch *watch);
void watch_membership(struct watch *watch, enum membership_change change, const struct member *member);
void watch_snapshot(struct watch *watch, const struct cib_snapshot *cib);

#endif
