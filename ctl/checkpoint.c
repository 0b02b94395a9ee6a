// SPDX-License-Identifier: GPL-3.0-or-later
// holdfast checkpoint: take, list, apply, revert, delete.
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "ctl/nouns.h"
#include "ctl/session.h"
#include "ctl/value.h"

static int take(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__CheckpointTake take = HOLDFAST__CHECKPOINT_TAKE__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	take.vm = args_text(args, "VM");
	take.name = args_text(args, "name");
	request.body_case = HOLDFAST__REQUEST__BODY_CHECKPOINT_TAKE;
	request.checkpoint_take = &take;
	return session_change(session, &request, take.vm, "a checkpoint of VM %s is taken", err);
}

// How deep it is below its root.
static int depth_of(const Holdfast__CheckpointList *list, const Holdfast__CheckpointStatus *checkpoint)
{
	int depth = 0;

	for (size_t i = 0; checkpoint->parent[0] && i < list->n_checkpoints; i++) {
		if (strcmp(list->checkpoints[i]->id, checkpoint->parent))
			continue;
		if (++depth > (int)list->n_checkpoints)
			break;
		checkpoint = list->checkpoints[i];
		i = (size_t)-1;
	}
	return depth;
}

static void add_line(struct table *table, const Holdfast__CheckpointList *list,
	const Holdfast__CheckpointStatus *checkpoint)
{
	struct table_line *line = table_add(table, NULL);
	char text[VALUE_BYTES];

	table_set(line, 0, "%*s%s", 2 * depth_of(list, checkpoint), "", checkpoint->name);
	table_set(line, 1, "%s", checkpoint->id);
	table_set(line, 2, "%s", value_show_time(text, checkpoint->created));
	table_set(line, 3, "%s", checkpoint->current ? "yes" : "-");
	table_set(line, 4, "%s", checkpoint->memory ? value_show_size(text, checkpoint->size_bytes) : "-");
}

static void add_below(struct table *table, const Holdfast__CheckpointList *list, const char *parent, size_t level)
{
	for (size_t i = 0; i < list->n_checkpoints && level <= list->n_checkpoints; i++) {
		if (strcmp(list->checkpoints[i]->parent, parent))
			continue;
		add_line(table, list, list->checkpoints[i]);
		add_below(table, list, list->checkpoints[i]->id, level + 1);
	}
}

static void show_list(const struct printer *printer, const ProtobufCMessage *message)
{
	static const struct table_column columns[] = {
		{ "CHECKPOINT", 0 },
		{ "ID", 0 },
		{ "TAKEN", 0 },
		{ "CURRENT", 0 },
		{ "MEMORY", TABLE_RIGHT },
		{ NULL, 0 },
	};
	const Holdfast__CheckpointList *list = (const void *)message;
	struct table *table = table_new(printer, columns);

	add_below(table, list, "", 0);
	table_print(table);
}

static int list(struct session *session, const struct args *args, struct error *err)
{
	return session_ask_for(session, HOLDFAST__REQUEST__BODY_CHECKPOINT_LIST, args_text(args, "VM"),
		HOLDFAST__REPLY__BODY_CHECKPOINT_LIST, show_list, err);
}

static int apply_to(struct session *session, const struct args *args, char *checkpoint, struct error *err)
{
	Holdfast__CheckpointApply apply = HOLDFAST__CHECKPOINT_APPLY__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	apply.vm = args_text(args, "VM");
	apply.checkpoint = checkpoint;
	apply.take_first = args_flag(args, "take-first");
	request.body_case = HOLDFAST__REQUEST__BODY_CHECKPOINT_APPLY;
	request.checkpoint_apply = &apply;
	return session_change(session, &request, apply.vm, "VM %s is as it was in the checkpoint", err);
}

static int apply(struct session *session, const struct args *args, struct error *err)
{
	return apply_to(session, args, args_text(args, "CHECKPOINT"), err);
}

static int revert(struct session *session, const struct args *args, struct error *err)
{
	return apply_to(session, args, (char *)"", err);
}

static int delete(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__CheckpointDelete delete = HOLDFAST__CHECKPOINT_DELETE__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	delete.vm = args_text(args, "VM");
	delete.checkpoint = args_text(args, "CHECKPOINT");
	delete.subtree = args_flag(args, "subtree");
	request.body_case = HOLDFAST__REQUEST__BODY_CHECKPOINT_DELETE;
	request.checkpoint_delete = &delete;
	return session_change(session, &request, delete.checkpoint, "checkpoint %s is deleted", err);
}

#define OPERAND_CHECKPOINT { .name = "CHECKPOINT", .kind = ARG_NAME, .what = "checkpoint" }
static const struct arg one_vm[] = { OPERAND_VM, ARGS_END };
static const struct arg one_checkpoint[] = { OPERAND_VM, OPERAND_CHECKPOINT, ARGS_END };
static const struct arg take_options[] = {
	{ .name = "name", .kind = ARG_NAME, .what = "checkpoint", .help = "what it is called; else its id" },
	ARGS_END,
};
static const struct arg apply_options[] = {
	{ .name = "take-first", .kind = ARG_FLAG, .help = "keep the present state as a checkpoint" },
	ARGS_END,
};
static const struct arg delete_options[] = {
	{ .name = "subtree", .kind = ARG_FLAG, .help = "and all that came from it" },
	ARGS_END,
};

const struct verb checkpoint_verbs[] = {
	{
		.name = "take",
		.summary = "keep a VM's memory, devices, disks and configuration as they are now",
		.text = "The VM may run, be paused or be off; one that runs stands still for less than a second. Its\n"
			"disks must be of format qcow2 (vm create --checkpoints).",
		.example = "holdfast checkpoint take db --name before-upgrade",
		.operands = one_vm,
		.options = take_options,
		.goes_on = "the checkpoint goes on; see `holdfast checkpoint list`",
		.run = take,
	},
	{
		.name = "list",
		.summary = "a VM's checkpoints as a tree; the current one is where its present state comes from",
		.example = "holdfast checkpoint list db",
		.operands = one_vm,
		.run = list,
	},
	{
		.name = "apply",
		.summary = "set a VM to a checkpoint",
		.text = "Its present state is lost, unless it is kept with --take-first. A VM that is up goes on from\n"
			"the checkpoint's memory; one that is off is saved there. One that was off when the\n"
			"checkpoint was taken is off afterwards. A disk that was added since is taken out of the VM;\n"
			"its volume is kept.",
		.example = "holdfast checkpoint apply db before-upgrade --take-first",
		.operands = one_checkpoint,
		.options = apply_options,
		.goes_on = "what has begun is finished, at the latest when the VM starts",
		.run = apply,
	},
	{
		.name = "revert",
		.summary = "set a VM to its current checkpoint",
		.text = "As apply.",
		.example = "holdfast checkpoint revert db",
		.operands = one_vm,
		.options = apply_options,
		.goes_on = "what has begun is finished, at the latest when the VM starts",
		.run = revert,
	},
	{
		.name = "delete",
		.summary = "forget a checkpoint",
		.text = "The VM's present state and its other checkpoints stay as they are.",
		.example = "holdfast checkpoint delete db before-upgrade --subtree",
		.operands = one_checkpoint,
		.options = delete_options,
		.goes_on = "what has begun is finished; see `holdfast checkpoint list`",
		.run = delete,
	},
	{ .name = NULL },
};
