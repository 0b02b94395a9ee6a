// SPDX-License-Identifier: GPL-3.0-or-later
// /proc/drbd of DRBD 8.4, parsed: the state of every minor as the kernel has it now. Pure.
#ifndef STORAGE_DRBD_PROC_H
#define STORAGE_DRBD_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/error.h"
#include "proto/status.pb-c.h"

enum drbd_sync { DRBD_SYNC_NONE, DRBD_SYNC_SOURCE, DRBD_SYNC_TARGET };

struct drbd_minor {
	uint32_t minor;
	char connection[24];		// Connected, Connecting, StandAlone, ... (the words of events2)
	bool connected;			// the peer answers, whatever is going on with it
	enum drbd_sync sync;		// a resync is on, or waits for its turn
	Holdfast__Role role, peer_role;
	char disk[16], peer_disk[16];	// UpToDate, Inconsistent, ...; DUnknown for a peer that is away
	bool suspended;			// I/O is frozen
	double sync_percent;		// 100 unless a resync is on
	uint64_t out_of_sync_kib;
};

// The configured minors in *minors, one allocation. Lines that are not understood are an error: a new DRBD is not guessed at.
int drbd_proc_parse(const char *text, struct drbd_minor **minors, size_t *count, struct error *err) MUST_CHECK;
const struct drbd_minor *drbd_proc_find(const struct drbd_minor *minors, size_t count, uint32_t minor);

#endif
