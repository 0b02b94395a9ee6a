// SPDX-License-Identifier: GPL-3.0-or-later
// What the files of common/tls share: the context, and OpenSSL's errors. Nobody else includes OpenSSL's headers.
#ifndef COMMON_TLS_PRIVATE_H
#define COMMON_TLS_PRIVATE_H

#include <openssl/ssl.h>
#include "common/tls.h"

struct tls_context {
	SSL_CTX *server, *client;
};

// A context with our settings and nothing else.
SSL_CTX *tls_settings_new(const SSL_METHOD *method, struct error *err) MUST_CHECK;
// Adds OpenSSL's own words for the first error in its queue.
int tls_error_set(struct error *err, enum error_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
