// SPDX-License-Identifier: GPL-3.0-or-later
// One TLS 1.3 session over a non-blocking socket, for rpc and its tunnels only. The session owns the socket. All calls on one
// session come from one thread at a time. Knows no frame and no loop, except where it says "waits".
#ifndef COMMON_TLS_SESSION_H
#define COMMON_TLS_SESSION_H

#include <stddef.h>
#include <sys/types.h>
#include "common/tls.h"

struct tls_session;

// All take the descriptor, which is closed on failure too. PEER_NODE NULL: any node of our CA.
struct tls_session *tls_session_accept(struct tls_context *context, int fd, struct error *err) MUST_CHECK;
struct tls_session *tls_session_connect(struct tls_context *context, int fd, const char *peer_node, struct error *err) MUST_CHECK;
// Without a certificate of our own; trusts whoever shows a chain up to the CA with this fingerprint.
struct tls_session *tls_session_join(int fd, const char *ca_fingerprint, struct error *err) MUST_CHECK;
void tls_session_free(struct tls_session *session);	// says good-bye if it can, closes the socket

int tls_session_handshake(struct tls_session *session, unsigned timeout_ms, struct error *err) MUST_CHECK;	// waits
// The peer's node name: 1, or 0 if it has shown no certificate.
int tls_session_peer(const struct tls_session *session, char name[64], struct error *err) MUST_CHECK;
int tls_session_fd(const struct tls_session *session);
// Bytes are inside the session already, so poll would not tell of them.
int tls_session_pending(const struct tls_session *session);

// Bytes moved; 0 at the peer's orderly end (read and peek only); TLS_AGAIN: poll for POLLIN (read), POLLOUT (write); else -1.
#define TLS_AGAIN (-2)
ssize_t tls_session_read(struct tls_session *session, void *bytes, size_t count, struct error *err) MUST_CHECK;
ssize_t tls_session_peek(struct tls_session *session, void *bytes, size_t count, struct error *err) MUST_CHECK;
ssize_t tls_session_write(struct tls_session *session, const void *bytes, size_t count, struct error *err) MUST_CHECK;
// No more will be written: the peer reads its end. Reading goes on. 0, TLS_AGAIN or -1.
int tls_session_end_write(struct tls_session *session, struct error *err) MUST_CHECK;
// For bulk data: larger pieces read from the socket, and what is written waits for tls_session_flush, so that many records make one packet; when
// there is no room for it any more, writing says TLS_AGAIN.
void tls_session_set_bulk(struct tls_session *session);
int tls_session_flush(struct tls_session *session, struct error *err) MUST_CHECK;	// 0: nothing waits; TLS_AGAIN; -1

#endif
