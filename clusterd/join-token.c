// SPDX-License-Identifier: GPL-3.0-or-later
// Join tokens: see the header. The comparison takes the same time wherever the secrets differ.
#include "clusterd/join-token.h"

#include <glib.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define TOKEN_MOST_BYTES 1024

char *join_secret_make(const char *key, time_t expiry)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned bytes = 0;
	char text[96];

	int length = snprintf(text, sizeof(text), "holdfast join until %lld", (long long)expiry);
	HMAC(EVP_sha256(), key, (int)strlen(key), (const unsigned char *)text, (size_t)length, digest,
		&bytes);
	GString *secret = g_string_new(NULL);
	g_string_printf(secret, "%lld.", (long long)expiry);
	for (unsigned i = 0; i < bytes; i++)
		g_string_append_printf(secret, "%02x", digest[i]);
	return g_string_free(secret, FALSE);
}

int join_secret_check(const char *key, const char *secret, time_t now, struct error *err)
{
	char *end;
	long long expiry = strtoll(secret, &end, 10);

	if (*secret < '0' || *secret > '9' || *end != '.')
		return error_set(err, ERROR_DENIED,
			"the join token is not one of this cluster: run 'holdfast cluster token' on a "
			"member");
	cleanup_free char *right = join_secret_make(key, (time_t)expiry);
	if (strlen(right) != strlen(secret) || CRYPTO_memcmp(right, secret, strlen(right)) != 0)
		return error_set(err, ERROR_DENIED,
			"the join token is not one of this cluster: run 'holdfast cluster token' on a "
			"member");
	if ((time_t)expiry < now)
		return error_set(err, ERROR_DENIED,
			"the join token is too old: run 'holdfast cluster token' on a member");
	return 0;
}

char *join_token_make(const char *secret, const char *fingerprint)
{
	cleanup_free char *plain = g_strdup_printf("%s:%s", secret, fingerprint);

	return g_base64_encode((const guchar *)plain, strlen(plain));
}

static bool token_characters(const char *token)
{
	size_t length = strlen(token);

	return length > 0 && length <= TOKEN_MOST_BYTES && length % 4 == 0 &&
		strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") == length;
}

int join_token_parse(const char *token, char **secret, char **fingerprint, struct error *err)
{
	cleanup_free guchar *plain = NULL;
	cleanup_free char *text = NULL;
	gsize bytes = 0;

	if (token_characters(token)) {
		plain = g_base64_decode(token, &bytes);
		text = g_strndup((const char *)plain, bytes);
	}
	char *colon = text && strlen(text) == bytes ? strchr(text, ':') : NULL;
	if (!colon || colon == text || strlen(colon + 1) != 64 || strspn(colon + 1, "0123456789abcdef") != 64)
		return error_set(err, ERROR_USAGE,
			"this is no join token: paste the whole line that 'holdfast cluster token' printed "
			"on a member");
	*colon = '\0';
	*secret = g_strdup(text);
	*fingerprint = g_strdup(colon + 1);
	return 0;
}
