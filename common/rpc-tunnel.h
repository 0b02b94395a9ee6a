// SPDX-License-Identifier: GPL-3.0-or-later
// A TLS session as a plain descriptor: a worker thread that owns the session and one end of a socketpair, and nothing else.
#ifndef COMMON_RPC_TUNNEL_H
#define COMMON_RPC_TUNNEL_H

#include <stdint.h>
#include "common/tls-session.h"

// Bytes that tunnels have written to their sessions, as it grows: shared with threads that end when they like.
struct rpc_tunnel_meter;

struct rpc_tunnel_meter *rpc_tunnel_meter_new(struct error *err) MUST_CHECK;
uint64_t rpc_tunnel_meter_bytes(const struct rpc_tunnel_meter *meter); // NULL: 0
void rpc_tunnel_meter_drop(struct rpc_tunnel_meter *meter); // NULL is fine

// What goes out, or comes in, is a stream of frames (common/pack.h); the other direction is as it is.
enum rpc_tunnel_pack {
	RPC_TUNNEL_PLAIN,
	RPC_TUNNEL_PACKS, // if it pays
	RPC_TUNNEL_PACKS_ALWAYS,
	RPC_TUNNEL_UNPACKS,
};

// Takes the session, on failure too. *fd (non-blocking) is the caller's; closing it ends the tunnel. The end of each direction is
// passed on by itself.
int rpc_tunnel_start(struct tls_session *tls, int *fd, struct error *err) MUST_CHECK;
// METER NULL: nothing counts.
int rpc_tunnel_start_packed(struct tls_session *tls, enum rpc_tunnel_pack pack, struct rpc_tunnel_meter *meter, int *fd,
	struct error *err) MUST_CHECK;

#endif
