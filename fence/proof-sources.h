// SPDX-License-Identifier: GPL-3.0-or-later
// The kinds of proof that there are. Only proof.c and the tests include this.
#ifndef FENCE_PROOF_SOURCES_H
#define FENCE_PROOF_SOURCES_H

#include "fence/proof.h"

extern const struct proof_source proof_fenced;		// the cluster: a fence agent's success, `stonith_admin --confirm`, or an orderly leave
extern const struct proof_source proof_confirmed;	// an administrator's word, kept in a file

// The directory that `node confirm-down N` writes N into.
#define PROOF_CONFIRMED_DIRECTORY CONFIG_STATE_DIRECTORY "/confirmed"
// The same for another DIRECTORY: for tests.
int proof_confirmed_in(const char *directory, const char *node, time_t since, struct proof *proof, struct error *err) MUST_CHECK;

#endif
