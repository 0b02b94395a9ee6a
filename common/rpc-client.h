// SPDX-License-Identifier: GPL-3.0-or-later
// What the files of the rpc client share.
#ifndef COMMON_RPC_CLIENT_H
#define COMMON_RPC_CLIENT_H

#include "common/rpc.h"
#include "common/rpc-connection.h"

// Takes FD, or TLS. SERVER names the other side in errors.
struct rpc_client *rpc_client_new(int fd, struct tls_session *tls, const char *server, struct error *err) MUST_CHECK;

#endif
