// SPDX-License-Identifier: GPL-3.0-or-later
// The file system that a node lives in: the host's files, read-only, with the staged product over them and a tmpfs for all that the node
// writes; a small disk of its own under /state for what survives a reboot. Becomes the root of PID 1 and of the kernel's threads.
#ifndef NODE_STAGE_H
#define NODE_STAGE_H

#include "common/error.h"

// Called once, by PID 1, with the host's root as its root. NODE_DIRECTORY is the host's path of the node's own directory (seen as /lab
// afterwards), STAGE that of the installed product ("" if there is none).
int stage_enter(const char *node_directory, const char *stage, struct error *err) MUST_CHECK;

#endif
