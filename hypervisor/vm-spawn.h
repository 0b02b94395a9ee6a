// SPDX-License-Identifier: GPL-3.0-or-later
// What taking guests up again needs of the way they are spawned.
#ifndef HYPERVISOR_VM_SPAWN_H
#define HYPERVISOR_VM_SPAWN_H

#include <sys/types.h>

// Ends VM's QEMU that runs as this user: one that was spawned and not yet recorded.
void vm_spawn_end_user(uid_t uid, const char *vm);

#endif
