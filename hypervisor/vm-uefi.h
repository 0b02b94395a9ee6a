// SPDX-License-Identifier: GPL-3.0-or-later
// UEFI's variables of a VM: kept in the group's state volume as UUID.vars, written there by QEMU itself while the guest runs. The flash device reads
// all of them at the start, from a private copy, and a move or a save carries them as memory; so the real file is needed only when the disks are.
// The state volume's mount is not held for it: an open file keeps a detached file system in use, and QEMU's letting go frees it.
#ifndef HYPERVISOR_VM_UEFI_H
#define HYPERVISOR_VM_UEFI_H

#include "hypervisor/vm.h"

bool uefi_has(const struct vm *vm);
// The firmware's code, and a private copy of the variables to start from: the VM's own for a boot, else blank ones of their size.
int uefi_open(const struct vm *vm, enum vm_spawn kind, int *code, int *vars, struct error *err) MUST_CHECK;	// waits
// For vm-disks.c, of a VM with UEFI; the group is Primary here. Both are fine when it is done already.
int uefi_attach(struct vm *vm, struct error *err) MUST_CHECK;	// waits
int uefi_detach(struct vm *vm, struct error *err) MUST_CHECK;	// waits
// Whether its QEMU still has the file open.
bool uefi_is_open(const struct vm *vm);

#endif
