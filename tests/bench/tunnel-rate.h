// SPDX-License-Identifier: GPL-3.0-or-later
// What tunnel-rate needs of tunnel-tls.c and tunnel-plain.c: sessions over two connected sockets.
#ifndef TESTS_BENCH_TUNNEL_RATE_H
#define TESTS_BENCH_TUNNEL_RATE_H

#include "common/task.h"
#include "common/tls-session.h"

// ARGUMENTS: what followed on the command line. In a task; may wait. Takes the sockets.
int tunnel_rate_sessions(int fds[2], char **arguments, int count, struct tls_session *sessions[2], struct error *err) MUST_CHECK;

#endif
