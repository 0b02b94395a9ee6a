// SPDX-License-Identifier: GPL-3.0-or-later
// The options of `vm create` and `vm set` that say what a VM may take of its node. Pure.
#ifndef CTL_VM_CONTROL_H
#define CTL_VM_CONTROL_H

#include "ctl/args.h"
#include "proto/definition.pb-c.h"

#define VM_CONTROL_DISKS_MAX 16

struct vm_control { // what a definition points into
	Holdfast__Control control;
	Holdfast__Throttle limits[VM_CONTROL_DISKS_MAX];
};

// Puts what was given into VM, whose disks and NICs are there already; what was not given stays as it is. A disk or NIC without a name is
// called by its place: disk0, nic0. VM->control stays NULL if there is nothing for it.
int vm_control_fill(const struct args *args, struct vm_control *parts, Holdfast__Vm *vm, struct error *err) MUST_CHECK;

// clang-format off
#define VM_CONTROL_OPTIONS \
	{ .name = "cpus-max", .kind = ARG_NUMBER, .what = "n", .most = 255, \
		.help = "what its virtual CPUs can grow to while it runs [as many as it has]" }, \
	{ .name = "cpu-reserve", .kind = ARG_NUMBER, .what = "percent", .most = 100, \
		.help = "of its virtual CPUs that is kept for it; a node that cannot does not start it [0]" }, \
	{ .name = "cpu-limit", .kind = ARG_NUMBER, .what = "percent", .most = 100, \
		.help = "of its virtual CPUs that it may take at most; 0 or 100: all [0]" }, \
	{ .name = "cpu-weight", .kind = ARG_NUMBER, .what = "weight", .least = 1, .most = 10000, \
		.help = "its share when VMs compete for CPUs, 1 to 10000 [100]" }, \
	{ .name = "memory-max", .kind = ARG_MEMORY, .what = "MiB", .most = UINT32_MAX, \
		.help = "what its memory can grow to while it runs [its memory]" }, \
	{ .name = "memory-floor", .kind = ARG_MEMORY, .what = "MiB", .most = UINT32_MAX, \
		.help = "its balloon never leaves the guest less [its memory]" }, \
	{ .name = "memory-target", .kind = ARG_MEMORY, .what = "MiB", .most = UINT32_MAX, \
		.help = "what its balloon leaves the guest now; 0: all [0]" }, \
	{ .name = "disk-limit", .kind = ARG_TEXT, .what = "disk=limit", .flags = ARG_REPEATED, \
		.help = "like disk0=iops:500,bytes:20M (each second), or disk0=none; again for more disks" }, \
	{ .name = "disk-weight", .kind = ARG_TEXT, .what = "disk=weight", .flags = ARG_REPEATED, \
		.help = "like disk0=300: its share when disks compete, 1 to 10000 [100]" }, \
	{ .name = "nic-limit", .kind = ARG_TEXT, .what = "nic=size", .flags = ARG_REPEATED, \
		.help = "like nic0=10M (bytes each second, each way), or nic0=none" }
// clang-format on

#endif
