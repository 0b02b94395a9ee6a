// SPDX-License-Identifier: GPL-3.0-or-later
// TLS contexts: our settings (TLS 1.3 only, no resumption), our certificate, and the one CA that we trust.
#include "common/tls-private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include "common/tls-gcm.h"

int tls_error_set(struct error *err, enum error_code code, const char *format, ...)
{
	unsigned long why = ERR_peek_error();
	const char *reason = NULL;
	char message[sizeof(err->message)];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (why)
		reason = ERR_SYSTEM_ERROR(why) ? strerror(ERR_GET_REASON(why)) : ERR_reason_error_string(why);
	ERR_clear_error();
	return error_set(err, code, "%s: %s", message, reason ? reason : "unknown error in OpenSSL");
}

SSL_CTX *tls_settings_new(const SSL_METHOD *method, struct error *err)
{
	// Worker threads may still be in OpenSSL when the process exits.
	OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
	const char *properties = tls_gcm_properties();
	ERR_clear_error();
	SSL_CTX *ctx = SSL_CTX_new_ex(NULL, properties, method);
	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ||
		!SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384") ||
		!SSL_CTX_set_num_tickets(ctx, 0)) {
		tls_error_set(err, ERROR_FAILED, "cannot set up TLS 1.3");
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_ENABLE_KTLS); // tls-seal.h
	SSL_CTX_set_mode(ctx,
		SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
			SSL_MODE_RELEASE_BUFFERS);
	// Clients without a certificate come in, as strangers; one that we cannot verify does not.
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return ctx;
}

// The CA goes into the chain that we show: a joining node recognizes it by its fingerprint.
static int show_ca(SSL_CTX *ctx, const char *ca_path)
{
	FILE *file = fopen(ca_path, "re");
	X509 *ca = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
	int added = ca ? (int)SSL_CTX_add1_chain_cert(ctx, ca) : 0;

	X509_free(ca);
	if (file)
		fclose(file);
	return added;
}

static SSL_CTX *load(const SSL_METHOD *method, const char *directory, struct error *err)
{
	char ca[512], certificate[512], key[512];
	SSL_CTX *ctx = tls_settings_new(method, err);

	if (!ctx)
		return NULL;
	snprintf(ca, sizeof(ca), "%s/ca.pem", directory);
	snprintf(certificate, sizeof(certificate), "%s/node.pem", directory);
	snprintf(key, sizeof(key), "%s/node.key", directory);
	int result = 0;
	if (!SSL_CTX_load_verify_file(ctx, ca))
		result = tls_error_set(err, ERROR_FAILED, "cannot load the cluster's CA from %s", ca);
	else if (SSL_CTX_use_certificate_file(ctx, certificate, SSL_FILETYPE_PEM) != 1)
		result = tls_error_set(
			err, ERROR_FAILED, "cannot load the node's certificate from %s", certificate);
	else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		result = tls_error_set(err, ERROR_FAILED, "cannot load the node's key from %s", key);
	else if (!SSL_CTX_check_private_key(ctx))
		result = tls_error_set(err, ERROR_FAILED, "%s is not the key of %s", key, certificate);
	else if (!show_ca(ctx, ca))
		result = tls_error_set(err, ERROR_FAILED, "cannot load the cluster's CA from %s", ca);
	if (result < 0) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

struct tls_context *tls_context_load(const char *directory, struct error *err)
{
	struct tls_context *context = calloc(1, sizeof(*context));

	if (!context) {
		error_set(err, ERROR_NO_SPACE, "no memory for a TLS context");
		return NULL;
	}
	context->server = load(TLS_server_method(), directory, err);
	if (context->server)
		context->client = load(TLS_client_method(), directory, err);
	if (!context->client) {
		tls_context_free(context);
		return NULL;
	}
	return context;
}

void tls_context_free(struct tls_context *context)
{
	if (!context)
		return;
	SSL_CTX_free(context->server);
	SSL_CTX_free(context->client);
	free(context);
}
