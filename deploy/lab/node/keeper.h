// SPDX-License-Identifier: GPL-3.0-or-later
// UML now and then loses the completion of a disk request until another one comes (whoever waits for it hangs in D state). The keeper, a
// process of its own because it may hang too, reads a sector past the page cache a few times a second, so that there always is one.
#ifndef NODE_KEEPER_H
#define NODE_KEEPER_H

#include <sys/types.h>
#include "common/error.h"

int keeper_start(pid_t *pid, struct error *err) MUST_CHECK;

#endif
