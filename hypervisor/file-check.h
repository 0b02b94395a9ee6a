// SPDX-License-Identifier: GPL-3.0-or-later
// Whether the files that a VM's start needs can be used on this node. A group is not started where one of its VMs lacks a file, so that
// a node that has them all is tried.
#ifndef HYPERVISOR_FILE_CHECK_H
#define HYPERVISOR_FILE_CHECK_H

#include "common/error.h"
#include "proto/api.pb-c.h"

struct hypervisor;

// Names the file, the node and the remedy.
int file_check(struct hypervisor *hv, const Holdfast__FileWish *wish, struct error *err) MUST_CHECK;	// waits
// Only the images that its disks lie over: for a definition, whose other files may come later on a machine by itself.
int file_check_parents(struct hypervisor *hv, const Holdfast__Vm *vm, struct error *err) MUST_CHECK;	// waits
int file_check_vm(struct hypervisor *hv, const Holdfast__Vm *vm, struct error *err) MUST_CHECK;	// waits

#endif
