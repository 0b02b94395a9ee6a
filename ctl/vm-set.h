// SPDX-License-Identifier: GPL-3.0-or-later
// The verb `vm set`, for vm.c's table.
#ifndef CTL_VM_SET_H
#define CTL_VM_SET_H

#include "ctl/session.h"

verb_fn vm_set;
extern const struct arg vm_set_options[];

#endif
