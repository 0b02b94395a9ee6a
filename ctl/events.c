// SPDX-License-Identifier: GPL-3.0-or-later
// holdfast events: those that were, or those that come.
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "ctl/nouns.h"
#include "ctl/session.h"
#include "ctl/value.h"

struct follow {
	struct session *session;
	struct error failure; // of writing
};

static void on_event(const Holdfast__Reply *reply, void *data)
{
	struct follow *follow = data;
	struct session *session = follow->session;

	if (reply->body_case != HOLDFAST__REPLY__BODY_EVENT || follow->failure.code)
		return;
	if (!session->printer.json)
		show_event(&session->printer, &reply->event->base);
	else if (print_json_line(&session->printer, &reply->event->base, &follow->failure) < 0)
		task_cancel(session->task);
	if (fflush(session->printer.out) == EOF && !follow->failure.code) {
		error_set(&follow->failure, ERROR_FAILED, "cannot write to stdout any more");
		task_cancel(session->task);
	}
}

// Ends with Ctrl-C, which is its proper end, or with the daemon.
static int follow_events(struct session *session, Holdfast__Request *request, struct error *err)
{
	struct follow follow = { .session = session, .failure = ERROR_INIT };
	Holdfast__Reply *reply;

	if (session_call(session, request, TASK_FOREVER, on_event, &follow, &reply, err) == 0)
		holdfast__reply__free_unpacked(reply, NULL);
	else if (follow.failure.code)
		return error_copy(err, &follow.failure);
	else if (err->code != ERROR_CANCELLED || session->signal == 0)
		return -1;
	error_clear(err);
	return 0;
}

static int events(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__EventQuery query = HOLDFAST__EVENT_QUERY__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;
	char since[80] = "";

	if (args_count(args, "since") &&
		value_since(args_text(args, "since"), time(NULL), since, sizeof(since), err) < 0)
		return error_prefix(err, "--since");
	query.since = since;
	query.follow = args_flag(args, "follow");
	query.limit = (uint32_t)args_number(args, "limit", 0);
	request.body_case = HOLDFAST__REQUEST__BODY_EVENTS;
	request.events = &query;
	if (query.follow)
		return follow_events(session, &request, err);
	return session_query(session, &request, HOLDFAST__REPLY__BODY_EVENT_LIST, show_event_list, err);
}

static const struct arg events_options[] = {
	{ .name = "follow",
		.kind = ARG_FLAG,
		.help = "show those that come, until Ctrl-C; with --json one object a line" },
	{ .name = "since",
		.kind = ARG_TEXT,
		.what = "time",
		.help = "10m (ago), 14:30, \"2025-01-31 14:30\", RFC 3339, or an event's id" },
	{ .name = "limit",
		.kind = ARG_NUMBER,
		.what = "n",
		.least = 1,
		.most = 100000,
		.help = "only the last N" },
	ARGS_END,
};

const struct verb events_verbs[] = {
	{
		.name = "",
		.summary = "what happened, when, and how long it took",
		.text = "A move's and a failover's event has its duration and how long the guests stood "
			"still, by step.",
		.example = "holdfast events --since 1h\n"
			   "holdfast events --follow\n"
			   "holdfast --json events | jq '.[] | select(.kind == \"failover\")'",
		.options = events_options,
		.run = events,
	},
	{ .name = NULL },
};
