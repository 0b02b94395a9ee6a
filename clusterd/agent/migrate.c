// SPDX-License-Identifier: GPL-3.0-or-later
// Both ends of a planned move. Everything that can fail happens inside migrate_to, on the source's hypervisord; migrate_from only confirms.
// A migrate_to that fails is blocked, so "failed" must mean that the guest is still, or again, here; or that the target is lost: it is fenced
// then, and the policy lets Pacemaker look again.
#include "clusterd/agent/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "clusterd/cib.h"
#include "common/cleanup.h"

#define CIB_TIMEOUT_MS 20000
#define SERVER_MARGIN_MS 2000
#define QUESTION_MS 3000
#define LOOK_MS 5000

static int call_by_name(const struct agent *agent, Holdfast__Request__BodyCase body, unsigned limit_ms,
	Holdfast__Reply **reply, struct error *err)
{
	Holdfast__Name name = HOLDFAST__NAME__INIT;
	Holdfast__Request request = HOLDFAST__REQUEST__INIT;

	name.name = (char *)agent->group;
	request.body_case = body;
	request.move_state = &name; // the member of all requests that are only a name
	return agent_call(agent, &request, limit_ms, reply, err);
}

// ---- migrate_to

static int read_target(
	const struct agent *agent, Holdfast__GroupSpec **spec, Holdfast__Node **target, struct error *err)
{
	struct cib *cib = cib_open(NULL, "holdfast-agent", CIB_TIMEOUT_MS, err);
	char *current = NULL;
	int status;

	if (!cib)
		return -1;
	status = cib_read_node(cib, agent->target, target, err) < 0
		? -1
		: cib_read_group(cib, agent->group, spec, &current, err);
	free(current);
	cib_close(cib);
	return status;
}

// The cluster has lost the target. The guest's disk may stand still until it is fenced, and nobody can say how the move has ended; and
// Pacemaker fences it only when this action is over.
static bool target_is_lost(void *data, struct error *err)
{
	const struct agent *agent = data;
	struct error own = ERROR_INIT;
	enum cib_life life = CIB_LIFE_MEMBER;
	struct cib *cib = cib_open(NULL, "holdfast-agent", QUESTION_MS, &own);
	bool lost = cib && cib_read_life(cib, agent->target, &life, &own) == 0 && life == CIB_LIFE_LOST;

	cib_close(cib);
	if (lost)
		error_set(err, ERROR_FAILED, "node %s was lost during the move", agent->target);
	return lost;
}

static int ask_commit(
	struct agent *agent, Holdfast__GroupSpec *spec, Holdfast__Node *target, struct error *err)
{
	Holdfast__MoveCommit commit = HOLDFAST__MOVE_COMMIT__INIT;
	Holdfast__Request request = HOLDFAST__REQUEST__INIT;
	Holdfast__Reply *reply = NULL;
	unsigned left = agent_left_ms(agent);

	commit.group = (char *)agent->group;
	commit.target = target->name;
	commit.address = target->address;
	commit.spec = spec;
	commit.timeout_ms = left > SERVER_MARGIN_MS ? left - SERVER_MARGIN_MS : left;
	request.body_case = HOLDFAST__REQUEST__BODY_MOVE_COMMIT;
	request.move_commit = &commit;
	if (rpc_call_once_unless(agent->socket, &request, left, LOOK_MS, target_is_lost, agent, &reply, err) < 0)
		return -1;
	holdfast__reply__free_unpacked(reply, NULL);
	return 0;
}

// Nobody listened: nothing can have begun.
static bool never_heard(const struct error *err)
{
	return err->errnum == ECONNREFUSED || err->errnum == ENOENT;
}

enum outcome { OUTCOME_OPEN, OUTCOME_MOVED, OUTCOME_HERE };

// A move that hypervisord still brings to its end, or what it came to: a group that left has wanted=stopped here, which nothing but the
// move can have set while Pacemaker is in migrate_to.
static enum outcome outcome(struct agent *agent, struct error *err)
{
	Holdfast__Reply *reply = NULL;
	enum wanted wanted = WANTED_UNKNOWN;
	uint64_t generation;
	bool over;

	if (call_by_name(agent, HOLDFAST__REQUEST__BODY_MOVE_STATE, QUESTION_MS, &reply, err) < 0)
		return OUTCOME_OPEN;
	over = reply->body_case == HOLDFAST__REPLY__BODY_MOVE_STATE &&
		(!reply->move_state->side[0] || !strcmp(reply->move_state->side, "target"));
	holdfast__reply__free_unpacked(reply, NULL);
	if (!over || rundir_wanted_get(&agent->run, agent->group, &wanted, &generation, err) < 0)
		return OUTCOME_OPEN;
	return wanted == WANTED_STOPPED ? OUTCOME_MOVED : OUTCOME_HERE;
}

// hypervisord went away in the middle: when it is back it goes on from its journal. Or the target did.
static enum ocf wait_for_outcome(struct agent *agent, const struct error *why)
{
	enum outcome result;
	struct error err = ERROR_INIT;

	while ((result = outcome(agent, &err)) == OUTCOME_OPEN && !target_is_lost(agent, &err) && agent_retry(agent))
		continue;
	if (result == OUTCOME_MOVED)
		return OCF_SUCCESS;
	agent_reason(agent, "%s",
		result == OUTCOME_HERE ? why->message
			: err.code     ? err.message
				       : "the move has not ended in time");
	return OCF_ERR_GENERIC;
}

enum ocf agent_migrate_to(struct agent *agent)
{
	Holdfast__GroupSpec *spec = NULL;
	Holdfast__Node *target = NULL;
	struct error err = ERROR_INIT;
	enum ocf result;
	bool read = read_target(agent, &spec, &target, &err) == 0;

	if (read && ask_commit(agent, spec, target, &err) == 0) {
		result = OCF_SUCCESS;
	} else if (read && agent_unanswered(&err) && !never_heard(&err)) {
		result = wait_for_outcome(agent, &err);
	} else {
		agent_reason(agent, "%s", err.message);
		result = OCF_ERR_GENERIC;
	}
	holdfast__group_spec__free_unpacked(spec, NULL);
	holdfast__node__free_unpacked(target, NULL);
	return result;
}

// ---- migrate_from

enum ocf agent_migrate_from(struct agent *agent)
{
	struct error err = ERROR_INIT, own = ERROR_INIT;
	Holdfast__Reply *reply = NULL;

	do {
		error_clear(&err);
		if (call_by_name(agent, HOLDFAST__REQUEST__BODY_MOVE_CONFIRM, agent_left_ms(agent), &reply,
			    &err) == 0) {
			holdfast__reply__free_unpacked(reply, NULL);
			return OCF_SUCCESS;
		}
		// the guest does not need hypervisord to be here
		if (agent_unanswered(&err) && agent_local_health(agent, &own) == AGENT_RUNNING)
			return OCF_SUCCESS;
	} while (agent_unanswered(&err) && agent_retry(agent));
	agent_reason(agent, "%s", err.message);
	return OCF_ERR_GENERIC;
}
