// SPDX-License-Identifier: GPL-3.0-or-later
// The requests of a move, from the local socket and from other nodes: unpacked here, carried out in source.c and target.c.
#include "config.h"
#include "migrate/internal.h"

#include <stdlib.h>
#include <string.h>

static struct moves *moves_of(void *data)
{
	struct hypervisor *hv = data;

	return hv->move_hooks.moves;
}

static int reply_done(Holdfast__Reply *reply, struct error *err)
{
	reply->done = malloc(sizeof(*reply->done));
	if (!reply->done)
		return error_set(err, ERROR_NO_SPACE, "no memory for an answer");
	holdfast__empty__init(reply->done);
	reply->body_case = HOLDFAST__REPLY__BODY_DONE;
	return 0;
}

static int reply_answer(Holdfast__Reply *reply, struct error *err)
{
	reply->move_answer = malloc(sizeof(*reply->move_answer));
	if (!reply->move_answer)
		return error_set(err, ERROR_NO_SPACE, "no memory for an answer");
	holdfast__move_answer__init(reply->move_answer);
	reply->body_case = HOLDFAST__REPLY__BODY_MOVE_ANSWER;
	return 0;
}

int move_answer_fill(Holdfast__MoveAnswer *answer, const struct move *move, struct error *err)
{
	answer->id = strdup(move->id);
	answer->state = strdup(move_state_name(move->state));
	answer->version = strdup(PACKAGE_VERSION);
	answer->steps = calloc(move->steps.count + 1, sizeof(*answer->steps));
	if (!answer->id || !answer->state || !answer->version || !answer->steps)
		return error_set(err, ERROR_NO_SPACE, "no memory for an answer");
	for (size_t i = 0; i < move->steps.count; i++) {
		Holdfast__Step *step = malloc(sizeof(*step));
		if (!step)
			return error_set(err, ERROR_NO_SPACE, "no memory for an answer");
		holdfast__step__init(step);
		step->name = strdup(move->steps.step[i].name);
		step->ms = move->steps.step[i].ms;
		answer->steps[answer->n_steps++] = step;
	}
	return 0;
}

static int serve_prepare(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	return source_prepare(moves_of(data), request->move_prepare, call, err) < 0 ? -1
										    : reply_done(reply, err);
}

static int serve_commit(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	return source_commit(moves_of(data), request->move_commit, call, err) < 0 ? -1
										  : reply_done(reply, err);
}

static int serve_cancel(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	return source_cancel(moves_of(data), request->move_cancel->name, err) < 0 ? -1
										  : reply_done(reply, err);
}

// migrate_from: the group runs here, because the move that brought it has ended.
static int serve_confirm(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	struct hypervisor *hv = data;
	const char *name = request->move_confirm->name;
	struct group *group = group_find(hv, name);
	char reason[256] = "";

	if (!group || group_health(group, reason, sizeof(reason)) != GROUP_HEALTH_RUNNING)
		return error_set(err, ERROR_FAILED, "group %s does not run on this node%s%s", name,
			*reason ? ": " : "", reason);
	return reply_done(reply, err);
}

static int serve_state(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	struct moves *moves = moves_of(data);
	const char *name = request->move_state->name;
	struct move *move = move_find(moves, MOVE_SOURCE, name);

	if (!move)
		move = move_find(moves, MOVE_TARGET, name);
	reply->move_state = malloc(sizeof(*reply->move_state));
	if (!reply->move_state)
		return error_set(err, ERROR_NO_SPACE, "no memory for an answer");
	holdfast__move_state__init(reply->move_state);
	reply->body_case = HOLDFAST__REPLY__BODY_MOVE_STATE;
	reply->move_state->group = strdup(name);
	reply->move_state->state = strdup(move_state_name(move ? move->state : MOVE_NONE));
	reply->move_state->side = strdup(!move ? "" : move->side == MOVE_SOURCE ? "source" : "target");
	reply->move_state->peer = strdup(move ? move->peer : "");
	return 0;
}

// Only the node that a move is with may speak of it.
static int check_peer(struct rpc_call *call, struct moves *moves, const char *id, struct error *err)
{
	struct move *move = move_find_id(moves, MOVE_TARGET, id);

	if (move && strcmp(move->peer, rpc_call_peer(call)) != 0)
		return error_set(err, ERROR_DENIED, "this move is with node %s", move->peer);
	return 0;
}

static int serve_hello(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	if (strcmp(request->move_hello->source, rpc_call_peer(call)) != 0)
		return error_set(err, ERROR_DENIED, "node %s speaks as %s", rpc_call_peer(call),
			request->move_hello->source);
	if (reply_answer(reply, err) < 0)
		return -1;
	return target_hello(moves_of(data), call, request->move_hello, reply->move_answer, err);
}

static int serve_stream(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	if (check_peer(call, moves_of(data), request->move_stream->id, err) < 0)
		return -1;
	return target_stream(moves_of(data), call, request->move_stream, err);
}

static int serve_take(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	if (check_peer(call, moves_of(data), request->move_take->id, err) < 0 || reply_answer(reply, err) < 0)
		return -1;
	return target_take(moves_of(data), request->move_take, reply->move_answer, err);
}

static int serve_query(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	if (check_peer(call, moves_of(data), request->move_query->id, err) < 0 ||
		reply_answer(reply, err) < 0)
		return -1;
	return target_query(moves_of(data), request->move_query, reply->move_answer, err);
}

static int serve_forget(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	struct moves *moves = moves_of(data);

	if (check_peer(call, moves, request->move_forget->id, err) < 0)
		return -1;
	struct move *move = move_find_id(moves, MOVE_TARGET, request->move_forget->id);
	// While the hello's handler is still about to return (it waits for the group's mutex), the record is its to see, and to end then.
	if (move && move->leased)
		move->forgotten = true;
	else if (move && (move->state == MOVE_RUNNING || !move->group))
		move_end(move);
	return reply_done(reply, err);
}

#define LOCAL (1u << RPC_CALLER_LOCAL)
#define NODE (1u << RPC_CALLER_NODE)

const struct rpc_handler migrate_local_handlers[] = {
	{ HOLDFAST__REQUEST__BODY_MOVE_PREPARE, LOCAL, serve_prepare },
	{ HOLDFAST__REQUEST__BODY_MOVE_COMMIT, LOCAL, serve_commit },
	{ HOLDFAST__REQUEST__BODY_MOVE_CANCEL, LOCAL, serve_cancel },
	{ HOLDFAST__REQUEST__BODY_MOVE_CONFIRM, LOCAL, serve_confirm },
	{ HOLDFAST__REQUEST__BODY_MOVE_STATE, LOCAL, serve_state },
	{ 0 },
};

const struct rpc_handler migrate_peer_handlers[] = {
	{ HOLDFAST__REQUEST__BODY_MOVE_HELLO, NODE, serve_hello },
	{ HOLDFAST__REQUEST__BODY_MOVE_STREAM, NODE, serve_stream },
	{ HOLDFAST__REQUEST__BODY_MOVE_TAKE, NODE, serve_take },
	{ HOLDFAST__REQUEST__BODY_MOVE_QUERY, NODE, serve_query },
	{ HOLDFAST__REQUEST__BODY_MOVE_FORGET, NODE, serve_forget },
	{ 0 },
};
