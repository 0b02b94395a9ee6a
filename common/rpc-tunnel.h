// SPDX-License-Identifier: GPL-3.0-or-later
// A TLS session as a plain descriptor: a worker thread that owns the session and one end of a socketpair, and nothing else.
#ifndef COMMON_RPC_TUNNEL_H
#define COMMON_RPC_TUNNEL_H

#include "common/tls-session.h"

// Takes the session, on failure too. *fd (non-blocking) is the caller's; closing it ends the tunnel. The end of each direction is
// passed on by itself.
int rpc_tunnel_start(struct tls_session *tls, int *fd, struct error *err) MUST_CHECK;

#endif
