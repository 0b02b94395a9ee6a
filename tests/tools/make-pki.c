// SPDX-License-Identifier: GPL-3.0-or-later
// For tests: a cluster's CA and a directory with certificates per node, as `cluster init` and `cluster join` make them.
//   make-pki DIRECTORY NODE...      makes DIRECTORY/NODE/{ca.pem,node.pem,node.key} for each
#include <stdio.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/tls.h"

// Each node's directory gets the CA of the first, signs for itself, and then forgets the CA's key.
static int make(const char *directory, const char *node, const char *first, struct error *err)
{
	static const char *const shared[] = { "ca.pem", "ca.key" };
	char own[512], from[600], to[600];

	snprintf(own, sizeof(own), "%s/%s", directory, node);
	if (file_make_directory(own, 0700, err) < 0)
		return -1;
	if (node == first)
		return tls_ca_create(own, "test", err) < 0 ? -1 : tls_node_issue(own, node, err);
	for (size_t i = 0; i < 2; i++) {
		cleanup_free char *text = NULL;
		size_t bytes = 0;
		snprintf(from, sizeof(from), "%s/%s/%s", directory, first, shared[i]);
		snprintf(to, sizeof(to), "%s/%s", own, shared[i]);
		if (file_read(from, 65536, &text, &bytes, err) < 0 || file_write_atomic(to, text, bytes, 0600, err) < 0)
			return -1;
	}
	return tls_node_issue(own, node, err);
}

int main(int argc, char **argv)
{
	struct error err = ERROR_INIT;

	for (int i = 2; i < argc; i++) {
		if (make(argv[1], argv[i], argv[2], &err) < 0) {
			fprintf(stderr, "make-pki: %s\n", err.message);
			return 1;
		}
	}
	return argc < 3 ? 2 : 0;
}
