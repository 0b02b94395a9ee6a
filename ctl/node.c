// SPDX-License-Identifier: GPL-3.0-or-later
// holdfast node: list, show, drain, resume, fence, confirm-down.
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

static int node_drain(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__NodeDrain drain = HOLDFAST__NODE_DRAIN__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	drain.name = args_text(args, "NODE");
	drain.stop = args_flag(args, "stop");
	drain.no_wait = args_flag(args, "no-wait");
	request.body_case = HOLDFAST__REQUEST__BODY_NODE_DRAIN;
	request.node_drain = &drain;
	return session_change(session, &request, drain.name,
		drain.no_wait ? "node %s is being emptied" : "node %s is empty and in maintenance", err);
}

static int node_resume(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__NodeResume resume = HOLDFAST__NODE_RESUME__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	resume.name = args_text(args, "NODE");
	resume.failback = args_flag(args, "failback");
	request.body_case = HOLDFAST__REQUEST__BODY_NODE_RESUME;
	request.node_resume = &resume;
	return session_change(session, &request, resume.name, "node %s takes groups again", err);
}

static const struct arg drain_options[] = {
	{ .name = "stop",
		.kind = ARG_FLAG,
		.help = "stop the groups that can go nowhere, with their offline actions" },
	{ .name = "no-wait", .kind = ARG_FLAG, .help = "return at once" },
	ARGS_END,
};
static const struct arg resume_options[] = {
	{ .name = "failback", .kind = ARG_FLAG, .help = "move back the groups that were moved away" },
	ARGS_END,
};
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
		.name = "drain",
		.summary = "move all groups away from a node, for maintenance",
		.text = "The groups are moved one or two at a time ([cluster] moves-at-once); then the node "
			"is in "
			"maintenance (Pacemaker's standby)\n"
			"and nothing starts there until `holdfast node resume`.",
		.example = "holdfast node drain a1\nholdfast node resume a1 --failback",
		.operands = one_node,
		.options = drain_options,
		.goes_on = "the node is still being emptied; `holdfast node resume` ends that",
		.run = node_drain,
	},
	{
		.name = "resume",
		.summary = "end a node's maintenance",
		.example = "holdfast node resume a1 --failback",
		.operands = one_node,
		.options = resume_options,
		.goes_on = "moves that have begun go on; see `holdfast events`",
		.run = node_resume,
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
