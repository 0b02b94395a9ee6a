// SPDX-License-Identifier: GPL-3.0-or-later
// A guest's RAM as shared memory: one sealed memfd per memory backend, which lives in its QEMU and nowhere else. Anybody who may look into
// /proc/PID/fd finds it again by the backend's id, so that hypervisord keeps no descriptor and loses none when it dies. Blocking, short.
#ifndef HYPERVISOR_GUEST_RAM_H
#define HYPERVISOR_GUEST_RAM_H

#include <stdint.h>
#include <sys/types.h>
#include "common/error.h"

#define GUEST_RAM_MAIN "ram0"		// the id of the backend that every guest has
#define GUEST_RAM_ID_MAX 32

// Empty memory of BYTES (a multiple of 4096) for the backend ID; *fd is the caller's. It can neither grow nor shrink, whoever holds it, so that
// who maps it cannot be killed by a QEMU that cuts it.
int guest_ram_create(const char *id, uint64_t bytes, int *fd, struct error *err) MUST_CHECK;
// The memory of backend ID of process PID, opened anew. ERROR_NOT_FOUND: it has none of this name, size and seal.
int guest_ram_open(pid_t pid, const char *id, uint64_t bytes, int *fd, struct error *err) MUST_CHECK;
// Gives back whatever is in it: all of it reads as zero.
int guest_ram_clear(int fd, uint64_t bytes, struct error *err) MUST_CHECK;

#endif
