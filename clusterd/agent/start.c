// SPDX-License-Identifier: GPL-3.0-or-later
// Start and validate-all: the definition comes from the local CIB, so that a group starts without clusterd; all else is hypervisord's, which
// is asked again for as long as it is away.
#include "clusterd/agent/agent.h"

#include <stdlib.h>
#include "clusterd/cib.h"
#include "common/cleanup.h"

#define CIB_TIMEOUT_MS 20000
#define SERVER_MARGIN_MS 1000 // hypervisord gives up before we do, so that its reason arrives

static int read_definition(
	const struct agent *agent, Holdfast__GroupSpec **spec, char **current, struct error *err)
{
	struct cib *cib = cib_open(NULL, "holdfast-agent", CIB_TIMEOUT_MS, err);
	int status;

	if (!cib)
		return -1;
	status = cib_read_group(cib, agent->group, spec, current, err);
	cib_close(cib);
	return status;
}

// The same generation each time: a start that was carried out without our hearing of it is found done.
static int ask_start(const struct agent *agent, Holdfast__HostGroupStart *start, struct error *err)
{
	Holdfast__Request request = HOLDFAST__REQUEST__INIT;
	Holdfast__Reply *reply = NULL;

	request.body_case = HOLDFAST__REQUEST__BODY_HOST_GROUP_START;
	request.host_group_start = start;
	do {
		unsigned left = agent_left_ms(agent);
		error_clear(err);
		start->timeout_ms = left > SERVER_MARGIN_MS ? left - SERVER_MARGIN_MS : left;
		if (agent_call(agent, &request, left, &reply, err) == 0) {
			holdfast__reply__free_unpacked(reply, NULL);
			return 0;
		}
	} while (agent_unanswered(err) && agent_retry(agent));
	return -1;
}

enum ocf agent_start(struct agent *agent)
{
	Holdfast__HostGroupStart start = HOLDFAST__HOST_GROUP_START__INIT;
	Holdfast__GroupSpec *spec = NULL;
	cleanup_free char *current = NULL;
	struct error err = ERROR_INIT;

	if (read_definition(agent, &spec, &current, &err) < 0) {
		agent_reason(agent, "%s", err.message);
		return OCF_ERR_GENERIC;
	}
	start.spec = spec;
	start.generation = agent->generation;
	start.current = current ? current : start.current;
	start.node = agent->node;
	int status = ask_start(agent, &start, &err);
	holdfast__group_spec__free_unpacked(spec, NULL);
	if (status == 0)
		return OCF_SUCCESS;
	agent_reason(agent, "%s", err.message);
	return OCF_ERR_GENERIC;
}

enum ocf agent_validate(struct agent *agent)
{
	Holdfast__GroupSpec *spec = NULL;
	cleanup_free char *current = NULL;
	struct error err = ERROR_INIT;

	if (read_definition(agent, &spec, &current, &err) == 0) {
		holdfast__group_spec__free_unpacked(spec, NULL);
		return OCF_SUCCESS;
	}
	agent_reason(agent, "%s", err.message);
	return err.code == ERROR_UNREACHABLE || err.code == ERROR_TIMEOUT ? OCF_ERR_GENERIC
									  : OCF_ERR_CONFIGURED;
}
