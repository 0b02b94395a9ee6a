// SPDX-License-Identifier: GPL-3.0-or-later
// Several threads at one job of many pieces: each takes the next piece. The first failure ends it. Knows nothing of the job.
#ifndef HYPERVISOR_CREW_H
#define HYPERVISOR_CREW_H

#include <stddef.h>
#include <stdint.h>
#include "common/error.h"

// Piece NUMBER; BUFFER is the thread's own, as the job wants it.
typedef int crew_fn(void *data, uint64_t number, uint8_t *buffer, struct error *err);
typedef uint8_t *crew_buffer_fn(void);	// what free() takes back; NULL without memory

// Returns when all threads have ended, the caller's being one of them: it is done even if no other can be had. BUFFER NULL: none is wanted.
int crew_run(crew_fn *work, void *data, uint64_t count, size_t threads, crew_buffer_fn *buffer, struct error *err) MUST_CHECK;

#endif
