// SPDX-License-Identifier: GPL-3.0-or-later
// The console of a VM on this terminal, or between pipes.
#ifndef CTL_CONSOLE_H
#define CTL_CONSOLE_H

#include "ctl/session.h"

#define CONSOLE_DETACH 0x1d	// Ctrl-]

// Until Ctrl-] is typed or the console ends. The terminal is as it was afterwards, whatever happened.
int console_run(struct session *session, char *vm, struct error *err) MUST_CHECK;	// waits

#endif
