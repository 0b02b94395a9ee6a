// SPDX-License-Identifier: GPL-3.0-or-later
// corosync.conf as text. Pure: no files, no corosync. The same nodes give the same text on every node.
#ifndef CLUSTERD_COROSYNC_CONF_H
#define CLUSTERD_COROSYNC_CONF_H

#include <stddef.h>
#include <stdint.h>
#include "common/error.h"
#include "proto/definition.pb-c.h"

#define COROSYNC_TOKEN_DEFAULT_MS 3000u

struct corosync_conf {
	const char *cluster;
	const char *witness;		// address[:port] of corosync-qnetd; "" or NULL: none
	uint32_t token_ms;		// 0: default
	uint64_t version;
	const Holdfast__Node *const *nodes;
	size_t node_count;
};

// The caller frees it. ERROR_USAGE names what makes no sense.
int corosync_conf_render(const struct corosync_conf *conf, char **text, struct error *err) MUST_CHECK;
// "10.0.0.1", "10.0.0.1:5403", "[fd00::1]:5403", "witness.example". PORT 0: none given. HOST is the caller's to free.
int witness_parse(const char *witness, char **host, unsigned *port, struct error *err) MUST_CHECK;
// An IPv4 or IPv6 address, nothing else.
int address_check(const char *what, const char *address, struct error *err) MUST_CHECK;

#endif
