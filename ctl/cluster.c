// SPDX-License-Identifier: GPL-3.0-or-later
// holdfast cluster: init, join, set, token, status.
#include <stdio.h>
#include <string.h>
#include "ctl/nouns.h"
#include "ctl/session.h"

#define TOKEN_LIMIT 2048

static int cluster_init(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__ClusterInit init = HOLDFAST__CLUSTER_INIT__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	init.name = args_text(args, "NAME");
	init.node = args_text(args, "node");
	init.site = args_text(args, "site");
	init.address = args_text(args, "address");
	init.witness = args_text(args, "witness");
	init.token_ms = (uint32_t)args_number(args, "token-timeout", 0);
	request.body_case = HOLDFAST__REQUEST__BODY_CLUSTER_INIT;
	request.cluster_init = &init;
	return session_change(session, &request, init.name,
		"cluster %s is made, with this node in it; `holdfast cluster token` lets another one join",
		err);
}

// "-": the token is the first line of stdin, so that it is in no process list.
static int read_token(char *token, size_t size, struct error *err)
{
	if (!fgets(token, (int)size, stdin))
		return error_set(err, ERROR_USAGE,
			"there is no token on stdin: pipe the output of `holdfast cluster token` in");
	token[strcspn(token, "\r\n")] = '\0';
	return 0;
}

static int cluster_join(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__ClusterJoinVia join = HOLDFAST__CLUSTER_JOIN_VIA__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;
	char token[TOKEN_LIMIT];

	join.address = args_text(args, "ADDRESS");
	join.token = args_text(args, "token");
	join.node = args_text(args, "node");
	join.site = args_text(args, "site");
	join.own_address = args_text(args, "address");
	if (!strcmp(join.token, "-")) {
		if (read_token(token, sizeof(token), err) < 0)
			return -1;
		join.token = token;
	}
	request.body_case = HOLDFAST__REQUEST__BODY_CLUSTER_JOIN_VIA;
	request.cluster_join_via = &join;
	return session_change(session, &request, join.node, "node %s is in the cluster", err);
}

static int cluster_set(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__ClusterSet set = HOLDFAST__CLUSTER_SET__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	set.cpu_model = args_text(args, "cpu-model");
	request.body_case = HOLDFAST__REQUEST__BODY_CLUSTER_SET;
	request.cluster_set = &set;
	return session_change(session, &request, set.cpu_model,
		"the CPU model of new VMs is set to %s; `holdfast cluster status` shows it", err);
}

static void show_token(const struct printer *printer, const ProtobufCMessage *message)
{
	print_line(printer, "%s", ((const Holdfast__Token *)(const void *)message)->token);
}

static int cluster_token(struct session *session, const struct args *args, struct error *err)
{
	return session_ask(
		session, HOLDFAST__REQUEST__BODY_CLUSTER_TOKEN, HOLDFAST__REPLY__BODY_TOKEN, show_token, err);
}

static int cluster_status(struct session *session, const struct args *args, struct error *err)
{
	return session_ask(session, HOLDFAST__REQUEST__BODY_CLUSTER_STATUS,
		HOLDFAST__REPLY__BODY_CLUSTER_STATUS, show_cluster_status, err);
}

static const struct arg init_operands[] = { { .name = "NAME", .kind = ARG_NAME, .what = "cluster" },
	ARGS_END };
static const struct arg init_options[] = {
	{ .name = "node",
		.kind = ARG_NAME,
		.what = "node",
		.help = "name of this node",
		.flags = ARG_REQUIRED },
	{ .name = "site",
		.kind = ARG_NAME,
		.what = "site",
		.help = "the site that it stands at",
		.flags = ARG_REQUIRED },
	{ .name = "address",
		.kind = ARG_ADDRESS,
		.what = "address",
		.help = "its IP address on the data network",
		.flags = ARG_REQUIRED },
	{ .name = "witness",
		.kind = ARG_HOST,
		.what = "address",
		.help = "ADDRESS[:PORT] of corosync-qnetd at a third place" },
	{ .name = "token-timeout",
		.kind = ARG_NUMBER,
		.what = "ms",
		.least = 100,
		.most = 600000,
		.help = "corosync's token: 3000 and 10 times the round trip between the sites" },
	ARGS_END,
};

static const struct arg join_operands[] = { { .name = "ADDRESS", .kind = ARG_HOST, .what = "address" },
	ARGS_END };
static const struct arg join_options[] = {
	{ .name = "node",
		.kind = ARG_NAME,
		.what = "node",
		.help = "name of this node",
		.flags = ARG_REQUIRED },
	{ .name = "site",
		.kind = ARG_NAME,
		.what = "site",
		.help = "the site that it stands at",
		.flags = ARG_REQUIRED },
	{ .name = "address",
		.kind = ARG_ADDRESS,
		.what = "address",
		.help = "its own IP address on the data network",
		.flags = ARG_REQUIRED },
	{ .name = "token",
		.kind = ARG_TEXT,
		.what = "token",
		.help = "what `holdfast cluster token` printed on a member; - reads it from stdin",
		.flags = ARG_REQUIRED },
	ARGS_END,
};

static const struct arg set_options[] = {
	{ .name = "cpu-model",
		.kind = ARG_TEXT,
		.what = "model",
		.help = "of new VMs that name none: QEMU's name, baseline or host",
		.flags = ARG_REQUIRED },
	ARGS_END,
};

const struct verb cluster_verbs[] = {
	{
		.name = "init",
		.summary = "make a new cluster with this node as its first",
		.text = "Makes the cluster's certificates and keys, writes corosync's configuration, starts "
			"corosync and\n"
			"Pacemaker and sets their options. The witness breaks the tie when two sites lose "
			"each other.",
		.example = "holdfast cluster init plant --node a1 --site a --address 10.0.1.11 --witness "
			   "10.0.3.1",
		.operands = init_operands,
		.options = init_options,
		.goes_on = "clusterd finishes what it has begun; see `holdfast cluster status`",
		.run = cluster_init,
	},
	{
		.name = "join",
		.summary = "bring this node into a cluster",
		.text = "ADDRESS is that of any member. Run it on the node that joins, with a token from a "
			"member.",
		.example = "holdfast cluster join 10.0.1.11 --node b1 --site b --address 10.0.1.21 --token "
			   "dG9rZW4...",
		.operands = join_operands,
		.options = join_options,
		.goes_on = "clusterd finishes what it has begun; see `holdfast cluster status`",
		.run = cluster_join,
	},
	{
		.name = "set",
		.summary = "change what holds for the whole cluster",
		.text = "The CPU model is what new VMs get that name none: one of QEMU's, which all nodes "
			"must be "
			"able to\n"
			"run; `baseline` is the best of those; `host` is what their node gives them. VMs "
			"keep what "
			"they\n"
			"were made with. `holdfast node show` lists what a node can run.",
		.example = "holdfast cluster set --cpu-model baseline",
		.options = set_options,
		.run = cluster_set,
	},
	{
		.name = "token",
		.summary = "print a token that lets one more node join",
		.text = "The token is good for a limited time. Who has it can join: keep it like a password.",
		.example = "holdfast cluster token",
		.run = cluster_token,
	},
	{
		.name = "status",
		.summary = "sites, nodes and groups, and what is wrong",
		.example = "holdfast cluster status\nholdfast --json cluster status | jq -r '.problems[]'",
		.run = cluster_status,
	},
	{ .name = NULL },
};
