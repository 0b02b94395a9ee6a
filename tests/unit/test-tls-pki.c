// SPDX-License-Identifier: GPL-3.0-or-later
// The cluster's CA and what it signs: names, keys, modes, and every request that must not be signed.
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/tls.h"

static int make_directory(void **state)
{
	char *directory = strdup("/tmp/holdfast-pki-XXXXXX");

	*state = mkdtemp(directory);
	return *state ? 0 : -1;
}

static void path_of(char *path, const char *directory, const char *file)
{
	snprintf(path, 128, "%s/%s", directory, file);
}

static int remove_directory(void **state)
{
	static const char *const files[] = { "ca.pem", "ca.key", "node.pem", "node.key" };
	char path[128];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		path_of(path, *state, files[i]);
		unlink(path);
	}
	rmdir(*state);
	free(*state);
	return 0;
}

static X509 *parse(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	return certificate;
}

static X509 *load(const char *directory, const char *file)
{
	struct error err = ERROR_INIT;
	cleanup_free char *text = NULL;
	char path[128];
	size_t size;

	path_of(path, directory, file);
	assert_ok(file_read(path, 65536, &text, &size, &err), err);
	return parse(text);
}

static void assert_signed_by(X509 *certificate, X509 *ca)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	X509_STORE_add_cert(store, ca);
	X509_STORE_CTX_init(ctx, store, certificate, NULL);
	X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT);
	assert_int_equal(X509_verify_cert(ctx), 1);
	X509_STORE_CTX_cleanup(ctx);
	X509_STORE_CTX_init(ctx, store, certificate, NULL);
	X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER);
	assert_int_equal(X509_verify_cert(ctx), 1);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
}

static void assert_mode(const char *directory, const char *file, mode_t mode)
{
	struct stat status;
	char path[128];

	path_of(path, directory, file);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, mode);
}

static void ca_signs_its_node(void **state)
{
	struct error err = ERROR_INIT;
	char fingerprint[65], again[65];

	assert_fails(tls_node_issue(*state, "a1", &err), err, ERROR_NOT_FOUND);
	assert_ok(tls_ca_create(*state, "c1", &err), err);
	assert_fails(tls_ca_create(*state, "c1", &err), err, ERROR_EXISTS);
	assert_fails(tls_node_issue(*state, "../a1", &err), err, ERROR_USAGE);
	assert_ok(tls_node_issue(*state, "a1", &err), err);
	X509 *ca = load(*state, "ca.pem"), *node = load(*state, "node.pem");
	assert_signed_by(node, ca);
	assert_int_equal(X509_check_ca(ca), 1);
	assert_int_equal(X509_check_ca(node), 0);
	assert_int_equal(X509_check_host(node, "a1", 2, 0, NULL), 1);
	assert_int_equal(X509_check_host(node, "b1", 2, 0, NULL), 0);
	X509_free(ca);
	X509_free(node);
	assert_mode(*state, "ca.key", 0600);
	assert_mode(*state, "node.key", 0600);
	assert_mode(*state, "ca.pem", 0644);
	assert_ok(tls_ca_fingerprint(*state, fingerprint, &err), err);
	assert_int_equal(strlen(fingerprint), 64);
	assert_int_equal(strspn(fingerprint, "0123456789abcdef"), 64);
	assert_ok(tls_ca_fingerprint(*state, again, &err), err);
	assert_string_equal(fingerprint, again);
	struct tls_context *context = tls_context_load(*state, &err);
	assert_non_null(context);
	tls_context_free(context);
}

static void request_is_signed_for_its_own_name(void **state)
{
	struct error err = ERROR_INIT;
	void *joining;
	cleanup_free char *csr = NULL;
	cleanup_free char *certificate = NULL;
	char path[128];

	assert_int_equal(make_directory(&joining), 0);
	assert_ok(tls_ca_create(*state, "c1", &err), err);
	assert_ok(tls_request_create(joining, "b1", &csr, &err), err);
	assert_fails(tls_request_sign(*state, "a1", csr, &certificate, &err), err, ERROR_DENIED);
	assert_ok(tls_request_sign(*state, "b1", csr, &certificate, &err), err);
	X509 *ca = load(*state, "ca.pem"), *node = parse(certificate);
	assert_signed_by(node, ca);
	assert_int_equal(X509_check_host(node, "b1", 2, 0, NULL), 1);
	X509_free(ca);
	X509_free(node);
	// with the grant in place the node has a context; with another's certificate it has not
	path_of(path, joining, "node.pem");
	assert_ok(file_write_atomic(path, certificate, strlen(certificate), 0644, &err), err);
	assert_null(tls_context_load(joining, &err));
	assert_non_null(strstr(err.message, "ca.pem"));
	cleanup_free char *ca_text = NULL;
	size_t size;
	path_of(path, *state, "ca.pem");
	assert_ok(file_read(path, 65536, &ca_text, &size, &err), err);
	path_of(path, joining, "ca.pem");
	assert_ok(file_write_atomic(path, ca_text, size, 0644, &err), err);
	struct tls_context *context = tls_context_load(joining, &err);
	assert_non_null(context);
	tls_context_free(context);
	assert_fails(tls_node_issue(joining, "b1", &err), err, ERROR_NOT_FOUND); // it has no ca.key
	assert_non_null(strstr(err.message, "has not the CA's key"));
	remove_directory(&joining);
}

static char *csr_with(EVP_PKEY *key, EVP_PKEY *signer, const char *name)
{
	X509_REQ *request = X509_REQ_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;

	X509_REQ_set_pubkey(request, key);
	X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "CN", MBSTRING_UTF8,
		(const unsigned char *)name, -1, -1, 0);
	X509_REQ_sign(request, signer, EVP_sha256());
	PEM_write_bio_X509_REQ(bio, request);
	long size = BIO_get_mem_data(bio, &text);
	char *pem = strndup(text, (size_t)size);
	BIO_free(bio);
	X509_REQ_free(request);
	return pem;
}

static void bad_requests_are_not_signed(void **state)
{
	struct error err = ERROR_INIT;
	char *certificate = NULL;
	EVP_PKEY *right = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256"), *rsa = EVP_RSA_gen(2048);
	EVP_PKEY *curve = EVP_EC_gen("P-384");
	cleanup_free char *stolen = csr_with(right, other, "b1");
	cleanup_free char *of_rsa = csr_with(rsa, rsa, "b1");
	cleanup_free char *of_p384 = csr_with(curve, curve, "b1");

	assert_ok(tls_ca_create(*state, "c1", &err), err);
	assert_fails(tls_request_sign(*state, "b1", stolen, &certificate, &err), err, ERROR_DENIED);
	assert_non_null(strstr(err.message, "own key"));
	assert_fails(tls_request_sign(*state, "b1", of_rsa, &certificate, &err), err, ERROR_DENIED);
	assert_fails(tls_request_sign(*state, "b1", of_p384, &certificate, &err), err, ERROR_DENIED);
	assert_fails(tls_request_sign(*state, "b1", "rubbish", &certificate, &err), err, ERROR_USAGE);
	assert_fails(tls_request_sign(*state, "b1", "", &certificate, &err), err, ERROR_USAGE);
	assert_fails(tls_request_sign(*state, "B 1", of_p384, &certificate, &err), err, ERROR_USAGE);
	assert_null(certificate);
	EVP_PKEY_free(right);
	EVP_PKEY_free(other);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(curve);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(ca_signs_its_node, make_directory, remove_directory),
	cmocka_unit_test_setup_teardown(request_is_signed_for_its_own_name, make_directory, remove_directory),
	cmocka_unit_test_setup_teardown(bad_requests_are_not_signed, make_directory, remove_directory),
};

UNIT_MAIN(tests)
