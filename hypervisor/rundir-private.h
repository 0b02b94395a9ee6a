// SPDX-License-Identifier: GPL-3.0-or-later
// What the two halves of the run directory share.
#ifndef HYPERVISOR_RUNDIR_PRIVATE_H
#define HYPERVISOR_RUNDIR_PRIVATE_H

#include "hypervisor/rundir.h"

#define RUNDIR_PATH 512

// ROOT/KIND/NAME[/FILE]; NAME is checked, so that it cannot lead out of ROOT.
int rundir_path(const struct rundir *run, const char *kind, const char *name, const char *file, char *path, size_t size,
		struct error *err) MUST_CHECK;
// A directory of files, whatever they are: those that a killed writer left too. Missing is fine.
int rundir_remove_directory(const char *path, struct error *err) MUST_CHECK;
// Whether VM is the name of a second record; then BASE is the VM's own.
bool rundir_base(const char *vm, char base[64]);

#endif
