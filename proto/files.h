// SPDX-License-Identifier: GPL-3.0-or-later
// What files of its node a VM's start needs, from its definition alone. Pure.
#ifndef PROTO_FILES_H
#define PROTO_FILES_H

#include "proto/api.pb-c.h"

// Strings are the definition's. The caller frees the array, not what the wishes point to; NULL: no memory, or none (*COUNT is 0).
Holdfast__FileWish *files_of(const Holdfast__Vm *vm, size_t *count);

#endif
