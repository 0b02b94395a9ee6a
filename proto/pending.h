// SPDX-License-Identifier: GPL-3.0-or-later
// What lies between the definition as a running guest has it (hypervisor/running.h) and the one that is wanted: the settings that the guest gets at
// its next start. Every field that is not known to hold at once counts, also one that this file has never heard of. Pure.
#ifndef PROTO_PENDING_H
#define PROTO_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include "common/error.h"
#include "proto/definition.pb-c.h"

// One clear line each; *lines and its texts are the caller's to free. Nothing without memory.
void pending_lines(const Holdfast__Vm *running, const Holdfast__Vm *wanted, char ***lines, size_t *count);
// Whether two definitions say the same but for what is wanted of the VM just now (running, off, saved).
bool pending_same(const Holdfast__Vm *one, const Holdfast__Vm *other);

// The disk, or NIC, of OTHER that is the same one as DISK (by its volume), or NIC (by its MAC address); NULL: it has none.
const Holdfast__Disk *pending_disk_in(const Holdfast__Vm *other, const Holdfast__Disk *disk);
const Holdfast__Nic *pending_nic_in(const Holdfast__Vm *other, const Holdfast__Nic *nic);
// What may not change in a definition, once it is made: name, group, UUID, machine type, the place of a disk, the MAC of a NIC.
int pending_check_identity(const Holdfast__Vm *before, const Holdfast__Vm *after, struct error *err) MUST_CHECK;

#endif
