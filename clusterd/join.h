// SPDX-License-Identifier: GPL-3.0-or-later
// Growing a cluster (docs/architecture.md, "Joining a cluster"): the member's side checks the secret, signs, and tells
// all members; the joining side asks a member and writes what it is given.
#ifndef CLUSTERD_JOIN_H
#define CLUSTERD_JOIN_H

#include "clusterd/api.h"

// BASE64 token for a node that wants to join. The caller frees it.
char *join_token_new(struct clusterd *cd, struct error *err) MUST_CHECK;
int join_serve(struct clusterd *cd, struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply, struct error *err);
int join_via_serve(struct clusterd *cd, struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply, struct error *err);

#endif
