// SPDX-License-Identifier: GPL-3.0-or-later
// holdfast fence: list, add, delete, test.
#include <stdlib.h>
#include "common/cleanup.h"
#include "ctl/nouns.h"
#include "ctl/session.h"

static int fence_list(struct session *session, const struct args *args, struct error *err)
{
	return session_ask(session, HOLDFAST__REQUEST__BODY_FENCE_LIST, HOLDFAST__REPLY__BODY_FENCE_LIST,
		show_fence_list, err);
}

static int fence_add(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__FenceDevice device = HOLDFAST__FENCE_DEVICE__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	device.node = args_text(args, "NODE");
	device.agent = args_text(args, "AGENT");
	device.n_options = args_count(args, "KEY=VALUE");
	cleanup_free char **options = device.options = calloc(device.n_options + 1, sizeof(*options));
	if (!options)
		return error_set(err, ERROR_NO_SPACE, "no memory");
	for (size_t i = 0; i < device.n_options; i++)
		options[i] = args_text_at(args, "KEY=VALUE", i);
	request.body_case = HOLDFAST__REQUEST__BODY_FENCE_ADD;
	request.fence_add = &device;
	return session_change(session, &request, device.node,
		"node %s has a fence device; try it with `holdfast fence test`", err);
}

static int fence_delete(struct session *session, const struct args *args, struct error *err)
{
	return session_do(session, HOLDFAST__REQUEST__BODY_FENCE_DELETE, args_text(args, "NODE"),
		"node %s has no fence device any more", err);
}

static int fence_test(struct session *session, const struct args *args, struct error *err)
{
	return session_do(session, HOLDFAST__REQUEST__BODY_FENCE_TEST, args_text(args, "NODE"),
		"the fence device of node %s answers", err);
}

static const struct arg one_node[] = { OPERAND_NODE, ARGS_END };
static const struct arg add_operands[] = {
	OPERAND_NODE,
	{ .name = "AGENT", .kind = ARG_TEXT, .what = "agent" },
	{ .name = "KEY=VALUE", .kind = ARG_PAIR, .what = "option", .flags = ARG_REPEATED | ARG_OPTIONAL },
	ARGS_END,
};

const struct verb fence_verbs[] = {
	{
		.name = "list",
		.summary = "all fence devices and what their monitors say",
		.example = "holdfast fence list",
		.run = fence_list,
	},
	{
		.name = "add",
		.summary = "say how a node is switched off",
		.text = "AGENT is any stock fence agent (fence_ipmilan, fence_apc, ...); KEY=VALUE are its "
			"options. Each node needs\n"
			"a device of its own; without one its groups cannot be taken over when it is lost.",
		.example = "holdfast fence add a1 fence_ipmilan ip=10.0.2.11 username=admin "
			   "password_script=/etc/holdfast/ipmi",
		.operands = add_operands,
		.run = fence_add,
	},
	{
		.name = "delete",
		.summary = "take a node's fence device away",
		.example = "holdfast fence delete a1",
		.operands = one_node,
		.run = fence_delete,
	},
	{
		.name = "test",
		.summary = "ask a node's fence device for the node's state; switches nothing",
		.example = "holdfast fence test a1",
		.operands = one_node,
		.run = fence_test,
	},
	{ .name = NULL },
};
