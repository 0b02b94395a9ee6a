// SPDX-License-Identifier: GPL-3.0-or-later
// The cluster's own CA and what it signs. The keys of nodes are made on the nodes and never leave them. A certificate says
// nothing but the node's name; requests cannot add anything to it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/name.h"
#include "common/tls-private.h"

#define VALID_DAYS (20 * 365)
#define CLOCKS_APART_S (24 * 3600) // valid from a day ago: a node's clock may be behind
#define SERIAL_BYTES 16
#define PEM_LIMIT_BYTES 65536

// Scope-bound release of OpenSSL's objects.
#define RELEASE(type, release)                 \
	static void release##_p(type **object) \
	{                                      \
		release(*object);              \
	}
RELEASE(X509, X509_free)
RELEASE(X509_REQ, X509_REQ_free)
RELEASE(EVP_PKEY, EVP_PKEY_free)
RELEASE(BIO, BIO_free_all)
#define cleanup_with(release) __attribute__((cleanup(release##_p)))

struct ca {
	X509 *certificate;
	EVP_PKEY *key;
};

static void ca_done(struct ca *ca)
{
	X509_free(ca->certificate);
	EVP_PKEY_free(ca->key);
}

static int path_in(char path[512], const char *directory, const char *file, struct error *err)
{
	if ((size_t)snprintf(path, 512, "%s/%s", directory, file) >= 512)
		return error_set(
			err, ERROR_USAGE, "the path of the directory \"%.100s...\" is too long", directory);
	return 0;
}

static int write_bio(const char *directory, const char *file, BIO *bio, mode_t mode, struct error *err)
{
	char path[512], *text;

	if (path_in(path, directory, file, err) < 0)
		return -1;
	long size = BIO_get_mem_data(bio, &text);
	return file_write_atomic(path, text, (size_t)size, mode, err);
}

static int write_key(const char *directory, const char *file, EVP_PKEY *key, struct error *err)
{
	cleanup_with(BIO_free_all) BIO *bio = BIO_new(BIO_s_secmem());

	if (!bio || !PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL))
		return tls_error_set(err, ERROR_FAILED, "cannot encode a private key");
	return write_bio(directory, file, bio, 0600, err);
}

static int write_certificate(const char *directory, const char *file, X509 *certificate, struct error *err)
{
	cleanup_with(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());

	if (!bio || !PEM_write_bio_X509(bio, certificate))
		return tls_error_set(err, ERROR_FAILED, "cannot encode a certificate");
	return write_bio(directory, file, bio, 0644, err);
}

static X509 *load_certificate(const char *directory, const char *file, struct error *err)
{
	char path[512];
	cleanup_free char *text = NULL;
	size_t size;

	if (path_in(path, directory, file, err) < 0 ||
		file_read(path, PEM_LIMIT_BYTES, &text, &size, err) < 0)
		return NULL;
	cleanup_with(BIO_free_all) BIO *bio = BIO_new_mem_buf(text, (int)size);
	X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	if (!certificate)
		tls_error_set(err, ERROR_FAILED, "%s is no certificate", path);
	return certificate;
}

static EVP_PKEY *load_key(const char *directory, const char *file, struct error *err)
{
	char path[512];
	char *text = NULL;
	size_t size;

	if (path_in(path, directory, file, err) < 0 ||
		file_read(path, PEM_LIMIT_BYTES, &text, &size, err) < 0)
		return NULL;
	BIO *bio = BIO_new_mem_buf(text, (int)size);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
	if (!key)
		tls_error_set(err, ERROR_FAILED, "%s is no private key", path);
	BIO_free_all(bio);
	OPENSSL_cleanse(text, size);
	free(text);
	return key;
}

static int load_ca(const char *directory, struct ca *ca, struct error *err)
{
	*ca = (struct ca){ .certificate = load_certificate(directory, "ca.pem", err) };
	if (!ca->certificate)
		return error_prefix(err, "no cluster CA");
	ca->key = load_key(directory, "ca.key", err);
	if (ca->key && X509_check_private_key(ca->certificate, ca->key))
		return 0;
	if (ca->key)
		tls_error_set(err, ERROR_FAILED, "%s/ca.key is not the key of ca.pem", directory);
	else
		error_prefix(err,
			"this node cannot sign certificates, as it has not the CA's key: ask the node where "
			"the "
			"cluster was made");
	ca_done(ca);
	*ca = (struct ca){ 0 };
	return -1;
}

static int set_serial(X509 *certificate)
{
	unsigned char random[SERIAL_BYTES];
	BIGNUM *number;

	if (RAND_bytes(random, sizeof(random)) != 1)
		return 0;
	random[0] = (random[0] & 0x7f) | 0x40; // positive, and of full length
	number = BN_bin2bn(random, sizeof(random), NULL);
	int result = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
	BN_free(number);
	return result;
}

static int add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	int result = extension && X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
	return result;
}

// All that CA and node certificates have in common, unsigned.
static X509 *draft(const char *name, EVP_PKEY *key)
{
	X509 *certificate = X509_new();

	if (certificate && X509_set_version(certificate, X509_VERSION_3) && set_serial(certificate) &&
		X509_gmtime_adj(X509_getm_notBefore(certificate), -CLOCKS_APART_S) &&
		X509_time_adj_ex(X509_getm_notAfter(certificate), VALID_DAYS, 0, NULL) &&
		X509_set_pubkey(certificate, key) &&
		X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
			(const unsigned char *)name, -1, -1, 0))
		return certificate;
	X509_free(certificate);
	return NULL;
}

int tls_ca_create(const char *directory, const char *cluster, struct error *err)
{
	char path[512], name[96];

	if (name_check("cluster", cluster, err) < 0 || path_in(path, directory, "ca.pem", err) < 0 ||
		file_make_directory(directory, 0755, err) < 0)
		return -1;
	if (access(path, F_OK) == 0)
		return error_set(err, ERROR_EXISTS, "%s exists: this node has a cluster already", path);
	snprintf(name, sizeof(name), "%s Holdfast CA", cluster);
	cleanup_with(EVP_PKEY_free) EVP_PKEY *key = EVP_EC_gen("P-256");
	cleanup_with(X509_free) X509 *certificate = key ? draft(name, key) : NULL;
	if (!certificate || !X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) ||
		!add_extension(
			certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
		!add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") ||
		!add_extension(certificate, certificate, NID_subject_key_identifier, "hash") ||
		!X509_sign(certificate, key, EVP_sha256()))
		return tls_error_set(err, ERROR_FAILED, "cannot make the cluster's CA");
	// the key first: a CA certificate without a key would be in the way of the next try
	if (write_key(directory, "ca.key", key, err) < 0)
		return -1;
	return write_certificate(directory, "ca.pem", certificate, err);
}

static X509 *sign(const struct ca *ca, const char *node, EVP_PKEY *key, struct error *err)
{
	char names[80];
	X509 *certificate = draft(node, key);

	snprintf(names, sizeof(names), "DNS:%s", node);
	if (certificate && X509_set_issuer_name(certificate, X509_get_subject_name(ca->certificate)) &&
		add_extension(certificate, ca->certificate, NID_basic_constraints, "critical,CA:FALSE") &&
		add_extension(certificate, ca->certificate, NID_key_usage, "critical,digitalSignature") &&
		add_extension(certificate, ca->certificate, NID_ext_key_usage, "serverAuth,clientAuth") &&
		add_extension(certificate, ca->certificate, NID_subject_key_identifier, "hash") &&
		add_extension(certificate, ca->certificate, NID_authority_key_identifier, "keyid:always") &&
		add_extension(certificate, ca->certificate, NID_subject_alt_name, names) &&
		X509_sign(certificate, ca->key, EVP_sha256()))
		return certificate;
	tls_error_set(err, ERROR_FAILED, "cannot make a certificate for \"%s\"", node);
	X509_free(certificate);
	return NULL;
}

int tls_node_issue(const char *directory, const char *node, struct error *err)
{
	struct ca ca;

	if (name_check("node", node, err) < 0 || load_ca(directory, &ca, err) < 0)
		return -1;
	cleanup_with(EVP_PKEY_free) EVP_PKEY *key = EVP_EC_gen("P-256");
	if (!key)
		tls_error_set(err, ERROR_FAILED, "cannot make a key");
	cleanup_with(X509_free) X509 *certificate = key ? sign(&ca, node, key, err) : NULL;
	ca_done(&ca);
	if (!certificate || write_key(directory, "node.key", key, err) < 0)
		return -1;
	return write_certificate(directory, "node.pem", certificate, err);
}

int tls_request_create(const char *directory, const char *node, char **csr_pem, struct error *err)
{
	char *text;

	if (name_check("node", node, err) < 0 || file_make_directory(directory, 0755, err) < 0)
		return -1;
	cleanup_with(EVP_PKEY_free) EVP_PKEY *key = EVP_EC_gen("P-256");
	cleanup_with(X509_REQ_free) X509_REQ *request = X509_REQ_new();
	cleanup_with(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
	if (!key || !request || !bio || !X509_REQ_set_pubkey(request, key) ||
		!X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "CN", MBSTRING_UTF8,
			(const unsigned char *)node, -1, -1, 0) ||
		!X509_REQ_sign(request, key, EVP_sha256()) || !PEM_write_bio_X509_REQ(bio, request))
		return tls_error_set(err, ERROR_FAILED, "cannot make a certificate request");
	if (write_key(directory, "node.key", key, err) < 0)
		return -1;
	long size = BIO_get_mem_data(bio, &text);
	*csr_pem = strndup(text, (size_t)size);
	return *csr_pem ? 0 : error_set(err, ERROR_NO_SPACE, "no memory for a certificate request");
}

// The request's key, if the request is for NODE, by the owner of the key, and the key is of our kind.
static EVP_PKEY *check_request(X509_REQ *request, const char *node, struct error *err)
{
	char name[80] = "", curve[32] = "";
	EVP_PKEY *key = X509_REQ_get0_pubkey(request);

	if (X509_NAME_get_text_by_NID(
		    X509_REQ_get_subject_name(request), NID_commonName, name, sizeof(name)) < 0 ||
		strcmp(name, node) != 0) {
		error_set(err, ERROR_DENIED, "the certificate request is for \"%s\", not for \"%s\"", name,
			node);
		return NULL;
	}
	if (!key || EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL) != 1 ||
		strcmp(curve, "prime256v1") != 0) {
		error_set(err, ERROR_DENIED, "the certificate request of \"%s\" has no EC P-256 key", node);
		return NULL;
	}
	if (X509_REQ_verify(request, key) != 1) {
		tls_error_set(err, ERROR_DENIED,
			"the certificate request of \"%s\" is not signed with its own key", node);
		return NULL;
	}
	return key;
}

int tls_request_sign(const char *directory, const char *node, const char *csr_pem, char **certificate_pem,
	struct error *err)
{
	struct ca ca;
	char *text;

	if (name_check("node", node, err) < 0)
		return -1;
	if (strlen(csr_pem) > PEM_LIMIT_BYTES)
		return error_set(err, ERROR_USAGE, "the certificate request is too long");
	ERR_clear_error();
	cleanup_with(BIO_free_all) BIO *in = BIO_new_mem_buf(csr_pem, -1);
	cleanup_with(X509_REQ_free) X509_REQ *request =
		in ? PEM_read_bio_X509_REQ(in, NULL, NULL, NULL) : NULL;
	if (!request)
		return tls_error_set(err, ERROR_USAGE, "this is no certificate request");
	EVP_PKEY *key = check_request(request, node, err);
	if (!key || load_ca(directory, &ca, err) < 0)
		return -1;
	cleanup_with(X509_free) X509 *certificate = sign(&ca, node, key, err);
	ca_done(&ca);
	if (!certificate)
		return -1;
	cleanup_with(BIO_free_all) BIO *out = BIO_new(BIO_s_mem());
	if (!out || !PEM_write_bio_X509(out, certificate))
		return tls_error_set(err, ERROR_FAILED, "cannot encode a certificate");
	long size = BIO_get_mem_data(out, &text);
	*certificate_pem = strndup(text, (size_t)size);
	return *certificate_pem ? 0 : error_set(err, ERROR_NO_SPACE, "no memory for a certificate");
}

int tls_ca_fingerprint(const char *directory, char fingerprint[65], struct error *err)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	cleanup_with(X509_free) X509 *certificate = load_certificate(directory, "ca.pem", err);

	if (!certificate)
		return -1;
	if (!X509_digest(certificate, EVP_sha256(), digest, &size) || size != 32)
		return tls_error_set(err, ERROR_FAILED, "cannot hash the CA's certificate");
	for (unsigned i = 0; i < size; i++)
		snprintf(fingerprint + 2 * i, 3, "%02x", digest[i]);
	return 0;
}
