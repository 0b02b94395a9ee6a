// SPDX-License-Identifier: GPL-3.0-or-later
// The file system that a node lives in: the host's files, read-only, with the staged product over them and a tmpfs for all that the node
// writes; a small disk of its own under /state for what survives a reboot. Becomes the root of PID 1 and of the kernel's threads.
#ifndef NODE_STAGE_H
#define NODE_STAGE_H

#include "common/error.h"

// All are paths of the host.
struct stage_params {
	const char *node_directory;	// the node's own directory, seen as /lab afterwards
	const char *product;		// the installed product; "" if there is none
	const char *build;		// seen under its own name, read-only, although it may be in /tmp or /root; "" for none
};

// Called once, by PID 1, with the host's root as its root.
int stage_enter(const struct stage_params *params, struct error *err) MUST_CHECK;

#endif
