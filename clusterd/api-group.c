// SPDX-License-Identifier: GPL-3.0-or-later
// group create, list, show, delete, start, stop, move, and what a forced start would lose.
#include <glib.h>
#include <string.h>

#include "clusterd/api.h"
#include "clusterd/forward.h"
#include "clusterd/group-define.h"
#include "clusterd/group-run.h"
#include "clusterd/move.h"
#include "clusterd/replicas.h"
#include "clusterd/view.h"
#include "common/cleanup.h"

#define FOUND_MS 10000u

API_HANDLER(serve_create)
{
	if (group_define(cd, call, request->group_create, err) < 0)
		return -1;
	api_reply_name(reply, request->group_create->group->name);
	return 0;
}

API_HANDLER(serve_set)
{
	if (group_redefine(cd, call, request->group_set, err) < 0)
		return -1;
	api_reply_name(reply, request->group_set->name);
	return 0;
}

API_HANDLER(serve_list)
{
	cleanup_view struct view *view = view_take_hosts(cd, NULL);
	const struct cib_snapshot *cib = view->input.cib;
	Holdfast__GroupList *list = g_new0(Holdfast__GroupList, 1);

	(void)call, (void)request, (void)err;
	holdfast__group_list__init(list);
	list->groups = g_new0(Holdfast__GroupStatus *, (cib ? cib->group_count : 0) + 1);
	for (size_t i = 0; cib && i < cib->group_count; i++)
		list->groups[list->n_groups++] = status_group(&view->input, &cib->groups[i]);
	reply->body_case = HOLDFAST__REPLY__BODY_GROUP_LIST;
	reply->group_list = list;
	return 0;
}

API_HANDLER(serve_show)
{
	cleanup_view struct view *definitions = view_take(cd);
	const struct cib_group *group = view_group(cd, definitions, request->group_show->name, err);

	(void)call;
	if (!group)
		return -1;
	cleanup_free const char **nodes = replicas_nodes(group->spec->group);
	cleanup_view struct view *view = view_take_hosts_and_files(cd, nodes);
	group = view_group(cd, view, request->group_show->name, err);
	if (!group)
		return -1;
	reply->body_case = HOLDFAST__REPLY__BODY_GROUP;
	reply->group = status_group(&view->input, group);
	return 0;
}

API_HANDLER(serve_delete)
{
	if (group_undefine(cd, call, request->group_delete->name, err) < 0)
		return -1;
	api_reply_done(reply);
	return 0;
}

API_HANDLER(serve_start)
{
	if (group_start_run(cd, call, request->group_start, err) < 0)
		return -1;
	api_reply_done(reply);
	return 0;
}

API_HANDLER(serve_stop)
{
	if (group_stop_run(cd, call, request->group_stop, err) < 0)
		return -1;
	api_reply_done(reply);
	return 0;
}

// Right after a failure was forgotten Pacemaker has to look again where the group is.
static int await_found(struct clusterd *cd, const char *name, struct error *err)
{
	int64_t deadline_us = loop_now_us() + FOUND_MS * 1000ll;

	for (;;) {
		cleanup_view struct view *view = view_take(cd);
		const struct cib_group *group = view_group(cd, view, name, err);

		if (!group)
			return -1;
		if (status_owner(group) || !group->wanted_started || group->failure ||
			loop_now_us() > deadline_us)
			return 0;
		if (notice_look(&cd->changed, 1000, "Pacemaker", err) < 0)
			return -1;
	}
}

// By the clusterd of the owner: it asks its own hypervisord, which is the source.
API_HANDLER(serve_move)
{
	if (await_found(cd, request->group_move->name, err) < 0)
		return -1;
	cleanup_view struct view *view = view_take(cd);
	const struct cib_group *group = view_group(cd, view, request->group_move->name, err);

	if (!group)
		return -1;
	const char *owner = status_owner(group);
	if (!owner)
		return error_set(err, ERROR_FAILED,
			"group %s is not online, so there is nothing to move: start it with 'holdfast group "
			"start %s'",
			request->group_move->name, request->group_move->name);
	if (strcmp(owner, cd->config.node))
		return forward_call(cd, call, request, owner, reply, err);
	Holdfast__MoveResult *result = NULL;
	if (move_run(cd, call, request->group_move, &result, err) < 0)
		return -1;
	reply->body_case = HOLDFAST__REPLY__BODY_MOVE;
	reply->move = result;
	return 0;
}

API_HANDLER(serve_move_cancel)
{
	cleanup_view struct view *view = view_take(cd);
	const struct cib_group *group = view_group(cd, view, request->group_move_cancel->name, err);
	const char *owner = group ? status_owner(group) : NULL;

	if (!group)
		return -1;
	if (owner && strcmp(owner, cd->config.node))
		return forward_call(cd, call, request, owner, reply, err);
	if (move_cancel(cd, request->group_move_cancel->name, err) < 0)
		return -1;
	api_reply_done(reply);
	return 0;
}

API_HANDLER(serve_old_data)
{
	cleanup_view struct view *view = view_take(cd);
	const struct cib_group *group = view_group(cd, view, request->group_old_data->name, err);

	(void)call;
	if (!group)
		return -1;
	Holdfast__OldData *old = group_old_data(cd, view, group, err);
	if (!old)
		return -1;
	reply->body_case = HOLDFAST__REPLY__BODY_OLD_DATA;
	reply->old_data = old;
	return 0;
}

const struct api_verb api_group_verbs[] = {
	{ HOLDFAST__REQUEST__BODY_GROUP_CREATE, CALLER_ADMIN, API_CHANGES | API_COORDINATOR, serve_create },
	{ HOLDFAST__REQUEST__BODY_GROUP_SET, CALLER_ADMIN, API_CHANGES | API_COORDINATOR, serve_set },
	{ HOLDFAST__REQUEST__BODY_GROUP_LIST, CALLER_ADMIN, 0, serve_list },
	{ HOLDFAST__REQUEST__BODY_GROUP_SHOW, CALLER_ADMIN, 0, serve_show },
	{ HOLDFAST__REQUEST__BODY_GROUP_DELETE, CALLER_ADMIN, API_CHANGES | API_COORDINATOR, serve_delete },
	{ HOLDFAST__REQUEST__BODY_GROUP_START, CALLER_ADMIN, API_CHANGES, serve_start },
	{ HOLDFAST__REQUEST__BODY_GROUP_STOP, CALLER_ADMIN, API_CHANGES, serve_stop },
	{ HOLDFAST__REQUEST__BODY_GROUP_MOVE, CALLER_ADMIN, API_CHANGES, serve_move },
	{ HOLDFAST__REQUEST__BODY_GROUP_MOVE_CANCEL, CALLER_ADMIN, API_CHANGES, serve_move_cancel },
	{ HOLDFAST__REQUEST__BODY_GROUP_OLD_DATA, CALLER_ADMIN, 0, serve_old_data },
	{ 0 },
};
