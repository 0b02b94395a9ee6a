// SPDX-License-Identifier: GPL-3.0-or-later
// A small process between labd and one UML kernel. UML is several processes, and killing the main one leaves threads that can still
// write to the node's disks. The minder is the parent that they all fall back to: it ends when all of them are gone, never before, so
// "the minder has ended" is the proof that a power switch may report. If labd dies, the minder takes its node down.
#ifndef LABD_MINDER_H
#define LABD_MINDER_H

#include <sys/types.h>
#include "common/error.h"
#include "deploy/lab/labd/config.h"

enum minder_order { MINDER_KILL = 'k', MINDER_FREEZE = 's', MINDER_THAW = 'c' };

struct minder {
	pid_t pid;		// the minder itself, our child
	int pidfd;
	int orders;		// one byte each; closing it is MINDER_KILL
	int channel;		// our end of the node's second console
};

// Starts the node's UML. Files that it appends to: console.log and serialN.log in the node's directory.
int minder_start(struct minder *minder, const struct node_config *node, struct error *err) MUST_CHECK;
void minder_order(const struct minder *minder, enum minder_order order);
// Reaps the ended minder (how UML ended is returned as of waitpid) and closes what is open.
int minder_collect(struct minder *minder);

#endif
