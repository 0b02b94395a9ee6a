// SPDX-License-Identifier: GPL-3.0-or-later
// Monitor, which is also the probe: hypervisord's word if it answers at once, else what the run directory and the processes say.
#include "clusterd/agent/agent.h"

#define MONITOR_MS 2000

// A group that hypervisord has not got is not running here, whatever the reason.
static enum ocf judge_error(struct agent *agent, const struct error *err)
{
	if (err->code == ERROR_NOT_FOUND)
		return OCF_NOT_RUNNING;
	agent_reason(agent, "%s", err->message);
	return OCF_ERR_GENERIC;
}

static enum ocf judge_group(struct agent *agent, const Holdfast__GroupStatus *group)
{
	switch (group->state) {
	case HOLDFAST__GROUP_STATE__GROUP_ONLINE:
	case HOLDFAST__GROUP_STATE__GROUP_MOVING:
		return OCF_SUCCESS;
	case HOLDFAST__GROUP_STATE__GROUP_OFFLINE:
		return OCF_NOT_RUNNING;
	default:
		agent_reason(agent, "%s", group->n_problems ? group->problems[0] : "the group has failed");
		return OCF_ERR_GENERIC;
	}
}

static enum ocf judge_locally(struct agent *agent)
{
	struct error err = ERROR_INIT;

	switch (agent_local_health(agent, &err)) {
	case AGENT_RUNNING:
		return OCF_SUCCESS;
	case AGENT_STOPPED:
		return OCF_NOT_RUNNING;
	default:
		agent_reason(agent, "%s", err.message);
		return OCF_ERR_GENERIC;
	}
}

enum ocf agent_monitor(struct agent *agent)
{
	Holdfast__Name name = HOLDFAST__NAME__INIT;
	Holdfast__Request request = HOLDFAST__REQUEST__INIT;
	Holdfast__Reply *reply = NULL;
	struct error err = ERROR_INIT;
	enum ocf result = OCF_SUCCESS;

	name.name = (char *)agent->group;
	request.body_case = HOLDFAST__REQUEST__BODY_HOST_GROUP_MONITOR;
	request.host_group_monitor = &name;
	if (agent_call(agent, &request, MONITOR_MS, &reply, &err) < 0)
		return agent_unanswered(&err) ? judge_locally(agent) : judge_error(agent, &err);
	if (reply->body_case == HOLDFAST__REPLY__BODY_GROUP)
		result = judge_group(agent, reply->group);
	holdfast__reply__free_unpacked(reply, NULL);
	return result;
}
