// SPDX-License-Identifier: GPL-3.0-or-later
// AES-GCM for TLS from libIPSec_MB (Intel's Multi-Buffer Crypto library), where the processor has vector AES: more than twice as fast as OpenSSL
// 3.0's, which knows no such instructions (3.2 does). The records, the handshake and everything else stay OpenSSL's.
#ifndef COMMON_TLS_GCM_H
#define COMMON_TLS_GCM_H

// What to ask OpenSSL's default library context for (a property query, as SSL_CTX_new_ex takes it), so that it uses these ciphers; NULL where they
// are not built in or would be no faster. Loads them the first time. By the main thread only.
const char *tls_gcm_properties(void);

#endif
