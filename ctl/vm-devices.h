// SPDX-License-Identifier: GPL-3.0-or-later
// The options of `vm create` that say what kind of machine a VM is. Pure.
#ifndef CTL_VM_DEVICES_H
#define CTL_VM_DEVICES_H

#include "ctl/args.h"
#include "proto/definition.pb-c.h"

#define VM_CDROMS_MAX 4
#define VM_BOOT_MAX 4

struct vm_devices_parts { // what a definition points into
	Holdfast__Cdrom cdroms[VM_CDROMS_MAX], *cdrom_list[VM_CDROMS_MAX];
	char *boot[VM_BOOT_MAX];
};

int vm_devices_fill(const struct args *args, struct vm_devices_parts *parts, Holdfast__Vm *vm, struct error *err) MUST_CHECK;

// clang-format off
#define VM_DEVICES_OPTIONS \
	{ .name = "os", .kind = ARG_CHOICE, .what = "os", .choices = "linux|windows|other", \
		.help = "picks devices that it knows: linux [default], windows or other (old systems)" }, \
	{ .name = "firmware", .kind = ARG_CHOICE, .what = "firmware", .choices = "bios|uefi", \
		.help = "bios [default] or uefi, with variables of its own" }, \
	{ .name = "bits", .kind = ARG_CHOICE, .what = "n", .choices = "64|32", \
		.help = "of its processors: 64 [default] or 32" }, \
	{ .name = "cpu-model", .kind = ARG_TEXT, .what = "model", \
		.help = "QEMU's name of a processor, like Westmere" }, \
	{ .name = "cdrom", .kind = ARG_TEXT, .what = "path", .flags = ARG_REPEATED, \
		.help = "a CD-ROM drive with this ISO image, or \"empty\"; it must be on each possible node" }, \
	{ .name = "boot", .kind = ARG_NAMES, .what = "order", \
		.help = "what it boots from, in order [disk,cdrom,network]" }, \
	{ .name = "vga", .kind = ARG_CHOICE, .what = "card", .choices = "std|none", \
		.help = "std [default], with VNC on a Unix socket; none: serial console only" }, \
	{ .name = "agent", .kind = ARG_FLAG, .help = "the guest runs qemu-guest-agent" }
// clang-format on

#endif
