// SPDX-License-Identifier: GPL-3.0-or-later
// The way to a daemon. Its errors say which daemon, and what starts it.
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "common/config.h"
#include "ctl/session.h"
#include "ctl/value.h"

#define CONNECT_MS 10000u

// REASON is rpc's; of those that an administrator meets every day we know better what to do.
static int explain(const struct error *why, const char *daemon, const char *socket, struct error *err)
{
	if (why->errnum == ENOENT || why->errnum == ECONNREFUSED)
		return error_set(err, ERROR_UNREACHABLE,
			"cannot reach %s at %s: is holdfast-%s running? systemctl start holdfast-%s", daemon,
			socket, daemon, daemon);
	if (why->errnum == EACCES || why->errnum == EPERM)
		return error_set(err, ERROR_DENIED,
			"you may not use %s: run this as root or as a member of the group holdfast", socket);
	error_copy(err, why);
	return error_prefix(err, "cannot reach %s", daemon);
}

static int connect_unix(struct session *session, const char *socket, const char *daemon, struct error *err)
{
	struct error why = ERROR_INIT;

	session->client = rpc_connect_unix(socket, CONNECT_MS, &why);
	if (session->client)
		return 0;
	return why.code == ERROR_CANCELLED ? error_copy(err, &why) : explain(&why, daemon, socket, err);
}

static int connect_tls(struct session *session, struct error *err)
{
	const char *pki = args_text(session->args, "pki");
	unsigned port = RPC_CLUSTERD_PORT;
	char host[256];

	if (value_host(args_text(session->args, "connect"), host, sizeof(host), &port, err) < 0)
		return -1;
	session->tls = tls_context_load(*pki ? pki : CONFIG_PKI_DIRECTORY, err);
	if (!session->tls)
		return error_prefix(err, "cannot use this node's certificate for --connect");
	session->client = rpc_connect_tls(host, port, NULL, session->tls, CONNECT_MS, err);
	return session->client ? 0 : error_prefix(err, "cannot reach clusterd");
}

// What a stand-alone hypervisord is never asked.
static int needs_clusterd(const struct args *args, struct error *err)
{
	return error_set(err, ERROR_UNREACHABLE,
		"%s needs clusterd, and hypervisord is what answers here: systemctl start "
		"holdfast-clusterd",
		args->noun->name);
}

int session_connect(struct session *session, struct error *err)
{
	const struct args *args = session->args;
	const char *socket = args_text(args, "socket");

	if (session->client)
		return 0;
	if (args_count(args, "connect"))
		return connect_tls(session, err);
	if (*socket)
		session->standalone = strstr(socket, "hypervisord");
	else
		session->standalone =
			access(RPC_CLUSTERD_SOCKET, F_OK) < 0 && access(RPC_HYPERVISORD_SOCKET, F_OK) == 0;
	if (!*socket)
		socket = session->standalone ? RPC_HYPERVISORD_SOCKET : RPC_CLUSTERD_SOCKET;
	if (session->standalone && args->noun->cluster_only)
		return needs_clusterd(args, err);
	return connect_unix(session, socket, session->standalone ? "hypervisord" : "clusterd", err);
}
