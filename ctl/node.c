// SPDX-License-Identifier: GPL-3.0-or-later
// holdfast node: list, show, fence, confirm-down.
#include "ctl/nouns.h"
#include "ctl/session.h"

static int node_list(struct session *session, const struct args *args, struct error *err)
{
	return session_ask(session, HOLDFAST__REQUEST__BODY_NODE_LIST, HOLDFAST__REPLY__BODY_NODE_LIST,
		show_node_list, err);
}

static int node_show(struct session *session, const struct args *args, struct error *err)
{
	return session_ask_for(session, HOLDFAST__REQUEST__BODY_NODE_SHOW, args_text(args, "NODE"),
		HOLDFAST__REPLY__BODY_NODE, show_node, err);
}

static int node_fence(struct session *session, const struct args *args, struct error *err)
{
	return session_do(session, HOLDFAST__REQUEST__BODY_NODE_FENCE, args_text(args, "NODE"),
		"node %s is fenced", err);
}

static int node_confirm_down(struct session *session, const struct args *args, struct error *err)
{
	return session_do(session, HOLDFAST__REQUEST__BODY_NODE_CONFIRM_DOWN, args_text(args, "NODE"),
		"node %s counts as off, on your word; its groups start elsewhere", err);
}

static const struct arg one_node[] = { OPERAND_NODE, ARGS_END };

const struct verb node_verbs[] = {
	{
		.name = "list",
		.summary = "all nodes with their sites and groups",
		.example = "holdfast node list",
		.run = node_list,
	},
	{
		.name = "show",
		.summary = "one node",
		.example = "holdfast node show a1",
		.operands = one_node,
		.run = node_show,
	},
	{
		.name = "fence",
		.summary = "switch a node off and on again through its fence device",
		.text = "Its groups are started on other nodes. Move them away first if the node is healthy.",
		.example = "holdfast node fence b1",
		.operands = one_node,
		.goes_on = "the fencing goes on; see `holdfast events`",
		.run = node_fence,
	},
	{
		.name = "confirm-down",
		.summary = "say that a lost node is off, where nothing else can prove it",
		.text = "Go and look first. If the node still runs, its guests will run twice and their data "
			"will be lost.\n"
			"What you say is recorded in the events.",
		.example = "holdfast node confirm-down b1",
		.operands = one_node,
		.run = node_confirm_down,
	},
	{ .name = NULL },
};
