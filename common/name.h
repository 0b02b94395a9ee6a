// SPDX-License-Identifier: GPL-3.0-or-later
// The rule for names of nodes, groups, VMs and disks: 1 to 63 of a-z 0-9 -, starting with a letter (DESIGN.md section 8).
#ifndef COMMON_NAME_H
#define COMMON_NAME_H

#include <stdbool.h>
#include "common/error.h"

bool name_valid(const char *name);
// WHAT is the kind of thing, for the message: "group", "VM", ...
int name_check(const char *what, const char *name, struct error *err) MUST_CHECK;

#endif
