// SPDX-License-Identifier: GPL-3.0-or-later
// Records of TLS 1.3 (RFC 8446, 5.2) made from the caller's memory straight into the place where they wait for the socket. OpenSSL copies twice on
// that way: into its own buffer, and out of it. It gives away the key of what is written as it would to the kernel (SSL_OP_ENABLE_KTLS), to the
// session's BIO; handshake, alerts and all that is read stay its own.
#ifndef COMMON_TLS_SEAL_H
#define COMMON_TLS_SEAL_H

#include <stddef.h>
#include <stdint.h>
#include "common/error.h"

#define TLS_SEAL_EXTRA 22u // bytes of a record beside what it carries: header 5, type 1, tag 16
#define TLS_SEAL_MOST 16384u // that a record carries

struct tls_seal;

// INFO: as setsockopt(SOL_TLS, TLS_TX) takes it: struct tls12_crypto_info_aes_gcm_128 or _256 of linux/tls.h. NULL: something else, or no memory.
struct tls_seal *tls_seal_new(const void *info) MUST_CHECK;
void tls_seal_free(struct tls_seal *seal); // NULL is fine; the key is wiped
// One record of COUNT bytes, TLS_SEAL_MOST at most, into RECORD, which has room for TLS_SEAL_EXTRA more. Its length, or 0: nothing can be written any
// more.
size_t tls_seal_record(struct tls_seal *seal, uint8_t type, const uint8_t *bytes, size_t count, uint8_t *record) MUST_CHECK;

#endif
