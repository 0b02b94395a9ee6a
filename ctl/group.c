// SPDX-License-Identifier: GPL-3.0-or-later
// holdfast group: create, list, show, set, start, stop, move, delete.
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "ctl/nouns.h"
#include "ctl/session.h"

#define MIB (1ull << 20)

// The values of a repeated option as protobuf-c wants them; the strings stay ARGS'. The caller frees the array.
static char **names_of(const struct args *args, const char *option, size_t *count)
{
	*count = args_count(args, option);
	char **names = calloc(*count + 1, sizeof(*names));

	for (size_t i = 0; names && i < *count; i++)
		names[i] = args_text_at(args, option, i);
	return names;
}

static int group_create_with(
	struct session *session, Holdfast__Group *group, Holdfast__Replica *replicas, struct error *err)
{
	Holdfast__GroupCreate create = HOLDFAST__GROUP_CREATE__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	for (size_t i = 0; i < group->n_replicas; i++) {
		holdfast__replica__init(&replicas[i]);
		replicas[i].node = args_text_at(session->args, "replicas", i);
		group->replicas[i] = &replicas[i];
	}
	create.group = group;
	create.state_bytes = args_number(session->args, "state-size", 0);
	request.body_case = HOLDFAST__REQUEST__BODY_GROUP_CREATE;
	request.group_create = &create;
	return session_change(session, &request, group->name,
		"group %s is created; put VMs into it with `holdfast vm create`", err);
}

static int group_create(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__Group group = HOLDFAST__GROUP__INIT;

	group.name = args_text(args, "GROUP");
	group.storage =
		(Holdfast__StorageKind)args_number(args, "storage", HOLDFAST__STORAGE_KIND__STORAGE_DRBD);
	group.directory = args_text(args, "directory");
	group.n_replicas = args_count(args, "replicas");
	group.live_policy =
		(Holdfast__LivePolicy)args_number(args, "live-policy", HOLDFAST__LIVE_POLICY__LIVE_THROTTLE);
	group.max_pause_ms = (uint32_t)args_number(args, "max-pause", 0);
	if (group.directory[0] && group.storage != HOLDFAST__STORAGE_KIND__STORAGE_FILE)
		return error_set(err, ERROR_USAGE,
			"--directory is for --storage file: give that too, or leave the directory out");
	if (group.n_replicas && group.storage == HOLDFAST__STORAGE_KIND__STORAGE_FILE)
		return error_set(
			err, ERROR_USAGE, "--replicas is for --storage drbd: a group on files has none");
	cleanup_free char **preferred = group.preferred = names_of(args, "preferred", &group.n_preferred);
	cleanup_free char **possible = group.possible = names_of(args, "possible", &group.n_possible);
	cleanup_free Holdfast__Replica **list = group.replicas =
		calloc(group.n_replicas + 1, sizeof(*group.replicas));
	cleanup_free Holdfast__Replica *replicas = calloc(group.n_replicas + 1, sizeof(*replicas));
	if (!preferred || !possible || !list || !replicas)
		return error_set(err, ERROR_NO_SPACE, "no memory");
	return group_create_with(session, &group, replicas, err);
}

static int group_list(struct session *session, const struct args *args, struct error *err)
{
	return session_ask(session, HOLDFAST__REQUEST__BODY_GROUP_LIST, HOLDFAST__REPLY__BODY_GROUP_LIST,
		show_group_list, err);
}

static int group_show(struct session *session, const struct args *args, struct error *err)
{
	return session_ask_for(session, HOLDFAST__REQUEST__BODY_GROUP_SHOW, args_text(args, "GROUP"),
		HOLDFAST__REPLY__BODY_GROUP, show_group, err);
}

// Shows what would be lost, and refuses: the second call, with --yes, is the consent.
static int refuse_old_data(struct session *session, char *group, struct error *err)
{
	if (session_ask_for(session, HOLDFAST__REQUEST__BODY_GROUP_OLD_DATA, group,
		    HOLDFAST__REPLY__BODY_OLD_DATA, show_old_data, err) < 0)
		return -1;
	return error_set(err, ERROR_UNSAFE,
		"group %s is not started: if that may be lost, say the same with --yes", group);
}

static int group_start(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__GroupStart start = HOLDFAST__GROUP_START__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	start.name = args_text(args, "GROUP");
	start.force_old_data = args_flag(args, "force-old-data");
	start.no_wait = args_flag(args, "no-wait");
	if (args_flag(args, "yes") && !start.force_old_data)
		return error_set(
			err, ERROR_USAGE, "--yes is the consent to --force-old-data: give both, or neither");
	if (start.force_old_data && !args_flag(args, "yes"))
		return refuse_old_data(session, start.name, err);
	request.body_case = HOLDFAST__REQUEST__BODY_GROUP_START;
	request.group_start = &start;
	return session_change(session, &request, start.name,
		start.no_wait ? "group %s is being started" : "group %s is online", err);
}

static int group_stop(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__GroupStop stop = HOLDFAST__GROUP_STOP__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	stop.name = args_text(args, "GROUP");
	stop.no_wait = args_flag(args, "no-wait");
	request.body_case = HOLDFAST__REQUEST__BODY_GROUP_STOP;
	request.group_stop = &stop;
	return session_change(session, &request, stop.name,
		stop.no_wait ? "group %s is being stopped" : "group %s is offline", err);
}

// Ctrl-C: until the guests are stopped a move can be ended as if it had never been.
static int cancel_move(struct session *session, char *group, struct error *err)
{
	Holdfast__Name name = HOLDFAST__NAME__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Reply *reply;
	struct error why = ERROR_INIT;

	name.name = group;
	request.body_case = HOLDFAST__REQUEST__BODY_GROUP_MOVE_CANCEL;
	request.group_move_cancel = &name;
	task_uncancel(task_self());
	if (session_call(session, &request, SESSION_QUERY_MS, NULL, NULL, &reply, &why) < 0)
		return error_set(err, ERROR_FAILED,
			"interrupted, but the move of group %s goes on: %s; see `holdfast events`", group,
			why.message);
	holdfast__reply__free_unpacked(reply, NULL);
	return error_set(
		err, ERROR_FAILED, "the move of group %s was cancelled: it runs on where it was", group);
}

static int group_move(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__GroupMove move = HOLDFAST__GROUP_MOVE__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	move.name = args_text(args, "GROUP");
	move.to = args_text(args, "to");
	move.kind =
		args_flag(args, "live") ? HOLDFAST__MOVE_KIND__MOVE_LIVE : HOLDFAST__MOVE_KIND__MOVE_QUICK;
	move.max_pause_ms = (uint32_t)args_number(args, "max-pause", 0);
	move.bandwidth = args_number(args, "bandwidth", 0);
	move.no_wait = args_flag(args, "no-wait");
	if (args_flag(args, "live") && args_flag(args, "quick"))
		return error_set(err, ERROR_USAGE, "a move is --live or --quick, not both");
	if (move.max_pause_ms && !args_flag(args, "live"))
		return error_set(err, ERROR_USAGE,
			"--max-pause is for --live: a quick move stands still for as long as its memory "
			"takes");
	request.body_case = HOLDFAST__REQUEST__BODY_GROUP_MOVE;
	request.group_move = &move;
	if (session_change(session, &request, move.name,
		    move.no_wait ? "group %s is being moved" : "group %s is moved", err) == 0)
		return 0;
	if (err->code == ERROR_CANCELLED && session->signal && !move.no_wait)
		return cancel_move(session, move.name, err);
	return -1;
}

static int group_delete(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__GroupDelete delete = HOLDFAST__GROUP_DELETE__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	delete.name = args_text(args, "GROUP");
	delete.force = args_flag(args, "force");
	request.body_case = HOLDFAST__REQUEST__BODY_GROUP_DELETE;
	request.group_delete = &delete;
	return session_change(
		session, &request, delete.name, "group %s is deleted, and its volumes with it", err);
}

static int group_set(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__GroupSet set = HOLDFAST__GROUP_SET__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	set.name = args_text(args, "GROUP");
	set.set_preferred = args_count(args, "preferred") > 0;
	set.set_possible = args_count(args, "possible") > 0;
	set.set_live_policy = args_count(args, "live-policy") > 0;
	set.live_policy = (Holdfast__LivePolicy)args_number(args, "live-policy", 0);
	set.set_max_pause = args_count(args, "max-pause") > 0;
	set.max_pause_ms = (uint32_t)args_number(args, "max-pause", 0);
	if (!set.set_preferred && !set.set_possible && !set.set_live_policy && !set.set_max_pause)
		return error_set(err, ERROR_USAGE,
			"group set: say what is to be changed: see `holdfast group set --help`");
	cleanup_free char **preferred = names_of(args, "preferred", &set.n_preferred);
	cleanup_free char **possible = names_of(args, "possible", &set.n_possible);
	if (!preferred || !possible)
		return error_set(err, ERROR_NO_SPACE, "no memory");
	set.preferred = preferred;
	set.possible = possible;
	request.body_case = HOLDFAST__REQUEST__BODY_GROUP_SET;
	request.group_set = &set;
	return session_change(session, &request, set.name, "group %s is changed", err);
}

#define OPTION_PREFERRED                                                \
	{                                                               \
		.name = "preferred", .kind = ARG_NAMES, .what = "node", \
		.help = "where it should run, the best first"           \
	}
// What a live move does with a guest that writes to its memory faster than it can be copied.
#define OPTION_LIVE_POLICY                                                                   \
	{                                                                                    \
		.name = "live-policy", .kind = ARG_CHOICE, .what = "policy",                 \
		.choices = "throttle|keep-trying|quick|give-up",                             \
		.help = "what a live move does with a guest that writes too fast [throttle]" \
	}
#define OPTION_POLICY_PAUSE                                                             \
	{                                                                               \
		.name = "max-pause", .kind = ARG_NUMBER, .what = "ms", .most = 3600000, \
		.help = "how long the live policy quick may stop guests [1000]"         \
	}

static const struct arg one_group[] = { OPERAND_GROUP, ARGS_END };
static const struct arg create_options[] = {
	{ .name = "storage",
		.kind = ARG_CHOICE,
		.what = "kind",
		.choices = "drbd|file",
		.help = "drbd: replicated between two nodes [default]; file: in a directory" },
	OPTION_PREFERRED,
	{ .name = "possible",
		.kind = ARG_NAMES,
		.what = "node",
		.help = "where it may run at all [where its data is]" },
	{ .name = "replicas",
		.kind = ARG_NAMES,
		.what = "node",
		.help = "drbd: the two nodes that hold its data [from the above]" },
	{ .name = "directory",
		.kind = ARG_PATH,
		.what = "directory",
		.help = "file: where its volumes are, shared if there are more nodes" },
	{ .name = "state-size",
		.kind = ARG_SIZE,
		.what = "size",
		.least = MIB,
		.help = "of the state volume, which holds saved memory: more than that of all its VMs "
			"[256M]" },
	OPTION_LIVE_POLICY,
	OPTION_POLICY_PAUSE,
	ARGS_END,
};
static const struct arg start_options[] = {
	{ .name = "force-old-data",
		.kind = ARG_FLAG,
		.help = "start on data that may be old: shows what would be lost, and refuses without "
			"--yes" },
	{ .name = "yes", .kind = ARG_FLAG, .help = "consent to lose it" },
	OPTION_NO_WAIT,
	ARGS_END,
};
static const struct arg stop_options[] = { OPTION_NO_WAIT, ARGS_END };
static const struct arg move_options[] = {
	{ .name = "to",
		.kind = ARG_NAME,
		.what = "node",
		.help = "the node to move it to [the best other one]" },
	{ .name = "quick",
		.kind = ARG_FLAG,
		.help = "save, stream, restore: the guests stand still meanwhile [default]" },
	{ .name = "live",
		.kind = ARG_FLAG,
		.help = "copy the memory while the guests run: they stand still for an instant" },
	{ .name = "max-pause",
		.kind = ARG_NUMBER,
		.what = "ms",
		.least = 1,
		.most = 3600000,
		.help = "live: stop guests that write too fast for the rest, if it takes no longer than "
			"this" },
	{ .name = "bandwidth",
		.kind = ARG_SIZE,
		.what = "size",
		.least = 65536,
		.help = "copy no more than this in a second [as fast as it goes]" },
	OPTION_NO_WAIT,
	ARGS_END,
};
static const struct arg set_options[] = {
	OPTION_PREFERRED,
	{ .name = "possible",
		.kind = ARG_NAMES,
		.what = "node",
		.help = "where it may run at all; the node that it runs on now is one of them" },
	OPTION_LIVE_POLICY,
	OPTION_POLICY_PAUSE,
	ARGS_END,
};
static const struct arg delete_options[] = {
	{ .name = "force", .kind = ARG_FLAG, .help = "with the VMs that are in it" },
	ARGS_END,
};

const struct verb group_verbs[] = {
	{
		.name = "create",
		.summary = "make a group and its storage",
		.text = "A group of the kind drbd has its data on two nodes, at different sites if there are "
			"two. It is\n"
			"created offline; start it when its VMs are there.",
		.example = "holdfast group create web --preferred a1,b1\n"
			   "holdfast group create test --storage file --directory /srv/vms --possible a1",
		.operands = one_group,
		.options = create_options,
		.goes_on = "clusterd finishes what it has begun; see `holdfast group list`",
		.run = group_create,
	},
	{
		.name = "list",
		.summary = "all groups",
		.example = "holdfast group list",
		.run = group_list,
	},
	{
		.name = "show",
		.summary = "one group with its volumes and problems",
		.example = "holdfast group show web\nholdfast --json group show web | jq -r .owner",
		.operands = one_group,
		.run = group_show,
	},
	{
		.name = "set",
		.summary = "change who should, and who may, own a group, and how it moves live",
		.text = "It is not moved by this. A replicated group can be owned by the two nodes that hold "
			"its data.",
		.example = "holdfast group set web --preferred b1,a1\n"
			   "holdfast group set web --live-policy quick --max-pause 500",
		.operands = one_group,
		.options = set_options,
		.run = group_set,
	},
	{
		.name = "start",
		.summary = "bring a group online",
		.text = "Pacemaker picks the node. A group whose current data is on a node that is gone "
			"waits for that node;\n"
			"--force-old-data is for when it will not come back.",
		.example = "holdfast group start web",
		.operands = one_group,
		.options = start_options,
		.goes_on = "the start goes on; see `holdfast group show`",
		.run = group_start,
	},
	{
		.name = "stop",
		.summary = "take a group offline, each VM as its offline action says",
		.example = "holdfast group stop web",
		.operands = one_group,
		.options = stop_options,
		.goes_on = "the stop goes on; see `holdfast group show`",
		.run = group_stop,
	},
	{
		.name = "move",
		.summary = "move a group to another node, with its VMs running on",
		.text = "Prints how long the guests stood still, step by step. A move that fails leaves the "
			"guests running where\n"
			"they were. Ctrl-C cancels it; once the guests are stopped it goes on to its end. "
			"What a live "
			"move does with\n"
			"a guest that writes to its memory faster than it can be copied is the group's live "
			"policy.",
		.example = "holdfast group move web --to b1 --live\nholdfast group move web --to b1 --quick",
		.operands = one_group,
		.options = move_options,
		.run = group_move,
	},
	{
		.name = "delete",
		.summary = "delete a group with its volumes",
		.text = "The group must be offline, and empty unless --force is given. The data is gone for "
			"good.",
		.example = "holdfast group stop web\nholdfast group delete web --force",
		.operands = one_group,
		.options = delete_options,
		.goes_on = "clusterd finishes what it has begun; see `holdfast group list`",
		.run = group_delete,
	},
	{ .name = NULL },
};
