// SPDX-License-Identifier: GPL-3.0-or-later
// A TLS session that one thread of its own uses, waiting where it must: for bulk data in one direction, without a tunnel's two more copies. The loop
// knows nothing of it. tls_lane_cut from any other thread ends whatever it waits for.
#ifndef COMMON_TLS_LANE_H
#define COMMON_TLS_LANE_H

#include <stdint.h>
#include "common/tls-session.h"

void tls_lane_begin(struct tls_session *tls);	// once, before its thread
void tls_lane_cut(const struct tls_session *tls);	// both ends find the connection broken
int tls_lane_give(struct tls_session *tls, const uint8_t *bytes, size_t count, struct error *err) MUST_CHECK;
int tls_lane_flush(struct tls_session *tls, struct error *err) MUST_CHECK;	// all that was given is with the kernel
// COUNT bytes, or an error: ERROR_UNREACHABLE if the peer ends before.
int tls_lane_take(struct tls_session *tls, uint8_t *bytes, size_t count, struct error *err) MUST_CHECK;
// Waits up to MS; at once back when the connection was cut.
void tls_lane_wait(const struct tls_session *tls, unsigned ms);

#endif
