// SPDX-License-Identifier: GPL-3.0-or-later
// Moving a group between two nodes with its disks writable on one side only. Source and target are state machines (move-state.c has
// the tables, PROTOCOL.md the rules); each keeps a journal that survives hypervisord. The target decides: until it has journaled COMMIT
// the source may take the guest back, afterwards never.
#ifndef MIGRATE_MIGRATE_H
#define MIGRATE_MIGRATE_H

#include "common/error.h"
#include "common/rpc.h"
#include "hypervisor/group.h"

struct moves;

// Sets hv->move_hooks. TLS must outlive it; NULL: journals are recovered, but nothing can be moved. Journals are in STATE_DIRECTORY/moves.
struct moves *moves_open(struct hypervisor *hv, struct tls_context *tls, const char *state_directory,
	struct error *err) MUST_CHECK;
void moves_close(struct moves *moves);
// At start: every journal of this boot is brought to an end, back or forward, as its table says. Called after guests were taken up again.
int moves_recover(struct moves *moves, struct error *err) MUST_CHECK; // waits

// The handlers for hypervisord's tables: move_prepare, move_commit, move_cancel, move_confirm, move_state (local socket) and
// move_hello, move_stream, move_take, move_query, move_forget (TLS, from nodes). Their data is a struct hypervisor.
extern const struct rpc_handler migrate_local_handlers[];
extern const struct rpc_handler migrate_peer_handlers[];

#endif
