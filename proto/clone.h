// SPDX-License-Identifier: GPL-3.0-or-later
// New VMs made of others: what of a definition is copied, and what a template may not lose. Pure; the same for clusterd and hypervisord.
#ifndef PROTO_CLONE_H
#define PROTO_CLONE_H

#include <stdbool.h>
#include "common/error.h"
#include "proto/api.pb-c.h"

// The definition of a clone, to be made like any new VM; the caller frees it. LINKED ones lie over the disks of a template.
int clone_definition(const Holdfast__GroupSpec *spec, const Holdfast__VmClone *wish, Holdfast__Vm **vm, struct error *err) MUST_CHECK;
// The definition in an export as the new VM of WISH.
int clone_imported(Holdfast__Vm *vm, const Holdfast__VmImport *wish, struct error *err) MUST_CHECK;
// What an export has: a definition that stands alone.
int clone_exported(const Holdfast__Vm *vm, Holdfast__Vm **exported, struct error *err) MUST_CHECK;
// A VM whose disks lie over those of NAME, or NULL.
const char *clone_user(const Holdfast__GroupSpec *spec, const char *name);
// That vm set takes no disk away that another VM's disk lies over.
int clone_check_set(const Holdfast__GroupSpec *spec, const Holdfast__Vm *before, const Holdfast__Vm *after, struct error *err) MUST_CHECK;

#endif
