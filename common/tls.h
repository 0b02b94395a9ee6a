// SPDX-License-Identifier: GPL-3.0-or-later
// TLS 1.3 with mutual certificates from the cluster's own CA (OpenSSL 3), and that CA: made by `cluster init`, it signs the
// requests of joining nodes. Files under one directory: ca.pem, ca.key (only where the cluster was made or copied to), node.pem, node.key.
#ifndef COMMON_TLS_H
#define COMMON_TLS_H

#include <stdbool.h>
#include "common/error.h"

struct tls_context;		// what a program presents and whom it trusts

// Loads ca.pem, node.pem, node.key from DIRECTORY.
struct tls_context *tls_context_load(const char *directory, struct error *err) MUST_CHECK;
void tls_context_free(struct tls_context *context);

// PKI. All names are node names; keys are EC P-256; certificates carry the name as CN and DNS subjectAltName.
int tls_ca_create(const char *directory, const char *cluster, struct error *err) MUST_CHECK;
int tls_node_issue(const char *directory, const char *node, struct error *err) MUST_CHECK;	// own key + certificate, signed by ca.key
int tls_request_create(const char *directory, const char *node, char **csr_pem, struct error *err) MUST_CHECK;	// makes node.key
// Checks that the CSR is for NODE and signs it. *certificate_pem is the caller's to free.
int tls_request_sign(const char *directory, const char *node, const char *csr_pem, char **certificate_pem, struct error *err) MUST_CHECK;
// SHA-256 of the CA certificate (DER), lower-case hex.
int tls_ca_fingerprint(const char *directory, char fingerprint[65], struct error *err) MUST_CHECK;

#endif
