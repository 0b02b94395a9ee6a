// SPDX-License-Identifier: GPL-3.0-or-later
// corosync.conf: knet over one link, encrypted, votequorum with qdevice/qnetd in ffsplit. The witness's time-out
// follows the token, as in the design's failover budget: 2 x token, at least 2 s. TLS to qnetd is off: it carries votes
// only, no secrets.
#include "clusterd/corosync-conf.h"

#include <arpa/inet.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/name.h"

#define TOKEN_LEAST_MS 500u
#define TOKEN_MOST_MS 60000u

int address_check(const char *what, const char *address, struct error *err)
{
	unsigned char buffer[16];

	if (address &&
		(inet_pton(AF_INET, address, buffer) == 1 || inet_pton(AF_INET6, address, buffer) == 1))
		return 0;
	return error_set(err, ERROR_USAGE,
		"%s '%s' is no IP address: give an IPv4 or IPv6 address of the data network", what,
		address ? address : "");
}

static int port_parse(const char *text, unsigned *port, struct error *err)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value == 0 || value > 65535)
		return error_set(err, ERROR_USAGE,
			"'%s' is no TCP port: give 1 to 65535 after the witness's address", text);
	*port = (unsigned)value;
	return 0;
}

static bool host_valid(const char *host)
{
	size_t length = strlen(host);

	if (length == 0 || length > 253)
		return false;
	return strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:") == length;
}

int witness_parse(const char *witness, char **host, unsigned *port, struct error *err)
{
	cleanup_free char *name = NULL;
	const char *rest = NULL;

	*port = 0;
	if (witness[0] == '[') {
		const char *close = strchr(witness, ']');
		if (!close || (close[1] != '\0' && close[1] != ':'))
			return error_set(err, ERROR_USAGE, "witness '%s' is no address[:port]", witness);
		name = g_strndup(witness + 1, (size_t)(close - witness - 1));
		rest = close[1] ? close + 2 : NULL;
	} else {
		// More than one colon without brackets is an IPv6 address without a port.
		const char *colon = strchr(witness, ':');
		bool has_port = colon && !strchr(colon + 1, ':');
		name = has_port ? g_strndup(witness, (size_t)(colon - witness)) : g_strdup(witness);
		rest = has_port ? colon + 1 : NULL;
	}
	if (!host_valid(name))
		return error_set(
			err, ERROR_USAGE, "witness '%s' is no address[:port] of a corosync-qnetd", witness);
	if (rest && port_parse(rest, port, err) < 0)
		return -1;
	*host = steal_ptr(name);
	return 0;
}

static void render_totem(GString *out, const struct corosync_conf *conf, uint32_t token_ms)
{
	g_string_append_printf(out,
		"# Written by holdfast (cluster init, cluster join) on all nodes: changes made by hand are "
		"lost.\n"
		"totem {\n"
		"\tversion: 2\n"
		"\tconfig_version: %llu\n"
		"\tcluster_name: %s\n"
		"\ttransport: knet\n"
		"\tcrypto_cipher: aes256\n"
		"\tcrypto_hash: sha256\n"
		"\ttoken: %u\n"
		"}\n\n",
		(unsigned long long)conf->version, conf->cluster, token_ms);
}

static void render_nodes(GString *out, const struct corosync_conf *conf)
{
	g_string_append(out, "nodelist {\n");
	for (size_t i = 0; i < conf->node_count; i++) {
		const Holdfast__Node *node = conf->nodes[i];
		g_string_append_printf(out,
			"\tnode {\n\t\tring0_addr: %s\n\t\tname: %s\n\t\tnodeid: %u\n\t}\n", node->address,
			node->name, node->nodeid);
	}
	g_string_append(out, "}\n\n");
}

static int render_quorum(GString *out, const struct corosync_conf *conf, uint32_t token_ms, struct error *err)
{
	cleanup_free char *host = NULL;
	unsigned port;

	g_string_append(out, "quorum {\n\tprovider: corosync_votequorum\n");
	if (conf->witness && conf->witness[0]) {
		unsigned timeout = token_ms * 2 > 2000 ? token_ms * 2 : 2000;

		if (witness_parse(conf->witness, &host, &port, err) < 0)
			return -1;
		g_string_append_printf(out,
			"\tdevice {\n\t\tmodel: net\n\t\ttimeout: %u\n\t\tsync_timeout: %u\n\t\tvotes: 1\n"
			"\t\tnet {\n\t\t\thost: %s\n",
			timeout, timeout + 3000, host);
		if (port)
			g_string_append_printf(out, "\t\t\tport: %u\n", port);
		g_string_append(out,
			"\t\t\talgorithm: ffsplit\n\t\t\ttls: off\n\t\t\ttie_breaker: lowest\n\t\t}\n\t}\n");
	} else if (conf->node_count == 2) {
		// No third vote: either node may go on alone, and only fencing decides. It implies wait_for_all.
		g_string_append(out, "\ttwo_node: 1\n");
	}
	g_string_append(out, "}\n\n");
	return 0;
}

int corosync_conf_render(const struct corosync_conf *conf, char **text, struct error *err)
{
	uint32_t token_ms = conf->token_ms ? conf->token_ms : COROSYNC_TOKEN_DEFAULT_MS;

	if (token_ms < TOKEN_LEAST_MS || token_ms > TOKEN_MOST_MS)
		return error_set(err, ERROR_USAGE, "a token of %u ms makes no sense: give %u to %u", token_ms,
			TOKEN_LEAST_MS, TOKEN_MOST_MS);
	for (size_t i = 0; i < conf->node_count; i++)
		if (name_check("node", conf->nodes[i]->name, err) < 0 ||
			address_check("node address", conf->nodes[i]->address, err) < 0)
			return -1;
	GString *out = g_string_new(NULL);
	render_totem(out, conf, token_ms);
	render_nodes(out, conf);
	if (render_quorum(out, conf, token_ms, err) < 0) {
		g_string_free(out, TRUE);
		return -1;
	}
	g_string_append(out,
		"logging {\n\tto_logfile: yes\n\tlogfile: /var/log/corosync/corosync.log\n\tto_syslog: yes\n"
		"\tto_stderr: no\n\ttimestamp: hires\n}\n");
	*text = g_string_free(out, FALSE);
	return 0;
}
