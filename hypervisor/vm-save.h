// SPDX-License-Identifier: GPL-3.0-or-later
// What saving and restoring share.
#ifndef HYPERVISOR_VM_SAVE_H
#define HYPERVISOR_VM_SAVE_H

#include "hypervisor/save-header.h"
#include "hypervisor/vm-private.h"

// What a saved state must be of to fit VM.
void vm_save_describe(const struct vm *vm, struct save_header *header);

#endif
