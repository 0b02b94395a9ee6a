// SPDX-License-Identifier: GPL-3.0-or-later
// A mark beside a group's saved states, VM.DISK.unfinished: this disk is being written from outside (an import, a clone), or that broke off. It
// is durable before the first byte and goes after the last one, so that no guest ever meets half a disk, on whatever node it starts. A mark is of
// the VM with its uuid: of an earlier one of that name it says nothing. Blocking: for a worker thread.
#ifndef HYPERVISOR_DISK_MARK_H
#define HYPERVISOR_DISK_MARK_H

#include <stddef.h>
#include "common/error.h"
#include "proto/definition.pb-c.h"

int disk_mark_set(const char *directory, const Holdfast__Vm *vm, const char *disk, const char *work, struct error *err) MUST_CHECK;
int disk_mark_clear(const char *directory, const char *vm, const char *disk, struct error *err) MUST_CHECK;
// 1 with what was being done in WORK, 0 without a mark, -1.
int disk_mark_get(const char *directory, const Holdfast__Vm *vm, const char *disk, char *work, size_t size, struct error *err) MUST_CHECK;
// ERROR_UNSAFE with what to do if any disk of VM has a mark.
int disk_marks_check(const char *directory, const Holdfast__Vm *vm, struct error *err) MUST_CHECK;

#endif
