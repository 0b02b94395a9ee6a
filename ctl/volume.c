// SPDX-License-Identifier: GPL-3.0-or-later
// holdfast volume: list, show.
#include "ctl/nouns.h"
#include "ctl/session.h"

static int volume_list(struct session *session, const struct args *args, struct error *err)
{
	return session_ask(session, HOLDFAST__REQUEST__BODY_VOLUME_LIST, HOLDFAST__REPLY__BODY_VOLUME_LIST,
		show_volume_list, err);
}

static int volume_show(struct session *session, const struct args *args, struct error *err)
{
	return session_ask_for(session, HOLDFAST__REQUEST__BODY_VOLUME_SHOW, args_text(args, "VOLUME"),
		HOLDFAST__REPLY__BODY_VOLUME_LIST, show_volume_list, err);
}

// A volume is called GROUP/NAME or as in the list: no plain name.
static const struct arg one_volume[] = { { .name = "VOLUME", .kind = ARG_TEXT, .what = "volume" }, ARGS_END };

const struct verb volume_verbs[] = {
	{
		.name = "list",
		.summary = "all volumes: their roles, disks and connections",
		.example = "holdfast volume list",
		.run = volume_list,
	},
	{
		.name = "show",
		.summary = "one volume, as each of its nodes sees it",
		.example = "holdfast volume show db.disk0",
		.operands = one_volume,
		.run = volume_show,
	},
	{ .name = NULL },
};
