// SPDX-License-Identifier: GPL-3.0-or-later
// What a disk's definition means for its volume. Pure; the same for clusterd and hypervisord.
#ifndef PROTO_DISK_H
#define PROTO_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"
#include "proto/definition.pb-c.h"

// The size of its volume, a multiple of 1 MiB: that of a qcow2 disk has room for checkpoints (common/qcow2.h says how much).
uint64_t disk_volume_bytes(const Holdfast__Disk *disk);

// What kinds of disk there are, on storage of this kind: thin ones in files only, differencing ones in qcow2. The message names the disk.
int disk_check(const Holdfast__Disk *disk, Holdfast__StorageKind storage, struct error *err) MUST_CHECK;
// Whether its volume takes room only as it is written: thin and differencing disks in files.
bool disk_is_thin(const Holdfast__Disk *disk, Holdfast__StorageKind storage);
// The parent is a path; else it is VM.DISK of a template, or "".
bool disk_parent_is_path(const Holdfast__Disk *disk);

// SPEC's disk NAME (VM.DISK) with BYTES, in whole MiB, and a volume that is large enough; *vm and *disk point into SPEC. ERROR_NOT_FOUND, or
// ERROR_UNSAFE if it would be smaller than it is.
int disk_grow(Holdfast__GroupSpec *spec, const char *name, uint64_t bytes, Holdfast__Vm **vm, const Holdfast__Disk **disk,
	struct error *err) MUST_CHECK;

// A volume that was VM's disk until a checkpoint without it was applied: nobody's now, and kept. It goes with its VM.
bool disk_volume_is_detached(const Holdfast__GroupSpec *spec, const Holdfast__Volume *volume);
Holdfast__Volume *disk_volume_find(const Holdfast__Group *group, const char *name);	// VM.DISK; NULL: there is none
// That it can be deleted by itself.
int disk_check_detached(const Holdfast__GroupSpec *spec, const Holdfast__Volume *volume, struct error *err) MUST_CHECK;
bool disk_volume_is_named_for(const Holdfast__Volume *volume, const char *vm);	// VM.DISK
// The name of VM's new disk I: its own, or, if it has none or a detached volume has that, the first diskN that is free.
void disk_name_new(const Holdfast__Group *group, const Holdfast__Vm *vm, size_t i, char name[64]);

#endif
