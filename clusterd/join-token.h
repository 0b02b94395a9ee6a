// SPDX-License-Identifier: GPL-3.0-or-later
// The token that lets a node join: BASE64(secret ":" fingerprint of the CA). The secret is "EXPIRY.HMAC", keyed by the
// CA's private key, which every member has: so any member can check it, nothing is stored, and it is worthless after
// its time. Pure but for the key's bytes.
#ifndef CLUSTERD_JOIN_TOKEN_H
#define CLUSTERD_JOIN_TOKEN_H

#include <stddef.h>
#include <time.h>
#include "common/error.h"

#define JOIN_TOKEN_LIFE_S 3600

// KEY is the CA's private key as PEM. The caller frees the results.
char *join_secret_make(const char *key, time_t expiry);
// ERROR_DENIED if it was not made with this key or is out of time.
int join_secret_check(const char *key, const char *secret, time_t now, struct error *err) MUST_CHECK;
char *join_token_make(const char *secret, const char *fingerprint);
int join_token_parse(const char *token, char **secret, char **fingerprint, struct error *err) MUST_CHECK;

#endif
