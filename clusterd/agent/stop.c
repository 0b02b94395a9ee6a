// SPDX-License-Identifier: GPL-3.0-or-later
// Stop: hypervisord saves the guests if it lives. If it does not, or cannot, the agent ends them itself, because a failed stop costs the node.
#include "clusterd/agent/agent.h"

#include <stdio.h>

#define PING_MS 3000
#define OWN_WORK_MS 20000 // what is kept for doing it without hypervisord
#define SERVER_MARGIN_MS 3000

static int ping(const struct agent *agent, struct error *err)
{
	Holdfast__Empty empty = HOLDFAST__EMPTY__INIT;
	Holdfast__Request request = HOLDFAST__REQUEST__INIT;
	Holdfast__Reply *reply = NULL;

	request.body_case = HOLDFAST__REQUEST__BODY_PING;
	request.ping = &empty;
	if (agent_call(agent, &request, PING_MS, &reply, err) < 0)
		return -1;
	holdfast__reply__free_unpacked(reply, NULL);
	return 0;
}

// LIMIT_MS is hypervisord's; it turns off what it cannot save in that time.
static int ask_stop(const struct agent *agent, unsigned limit_ms, struct error *err)
{
	Holdfast__HostGroupStop stop = HOLDFAST__HOST_GROUP_STOP__INIT;
	Holdfast__Request request = HOLDFAST__REQUEST__INIT;
	Holdfast__Reply *reply = NULL;

	stop.name = (char *)agent->group;
	stop.generation = agent->generation;
	stop.timeout_ms = limit_ms;
	request.body_case = HOLDFAST__REQUEST__BODY_HOST_GROUP_STOP;
	request.host_group_stop = &stop;
	if (agent_call(agent, &request, limit_ms + SERVER_MARGIN_MS, &reply, err) < 0)
		return err->code == ERROR_NOT_FOUND && !err->errnum ? 0 : -1;
	holdfast__reply__free_unpacked(reply, NULL);
	return 0;
}

enum ocf agent_stop(struct agent *agent)
{
	struct error err = ERROR_INIT, own = ERROR_INIT;
	unsigned left = agent_left_ms(agent), kept = left / 2 < OWN_WORK_MS ? left / 2 : OWN_WORK_MS;

	// a ping first: saving takes its time, a daemon that hangs must not
	if (ping(agent, &err) == 0 && ask_stop(agent, left - kept, &err) == 0)
		return OCF_SUCCESS;
	fprintf(stderr, "holdfast: stopping group %s without hypervisord: %s\n", agent->group, err.message);
	if (agent_local_stop(agent, &own) == 0)
		return OCF_SUCCESS;
	agent_reason(agent, "%s", own.message);
	return OCF_ERR_GENERIC;
}
