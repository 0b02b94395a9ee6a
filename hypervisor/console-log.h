// SPDX-License-Identifier: GPL-3.0-or-later
// What guests print is kept, but not for ever.
#ifndef HYPERVISOR_CONSOLE_LOG_H
#define HYPERVISOR_CONSOLE_LOG_H

#include "hypervisor/group.h"

void console_log_keep_small(struct hypervisor *hv);	// from now on, until the loop ends

#endif
