// SPDX-License-Identifier: GPL-3.0-or-later
// Calling and printing. Which daemon is asked: --connect, --socket, else this node's clusterd, else its hypervisord (stand-alone).
#include "ctl/session.h"

#include <string.h>
#include "common/cleanup.h"
#include "ctl/value.h"

void session_done(struct session *session)
{
	rpc_client_free(session->client);
	tls_context_free(session->tls);
	session->client = NULL;
	session->tls = NULL;
}

// ---- progress

void session_clear_progress(struct session *session)
{
	if (session->progress_shown)
		fputs("\r\033[K", stderr);
	session->progress_shown = false;
}

static void show_progress(struct session *session, const Holdfast__Progress *progress)
{
	cleanup_free char *text = strdup(progress->text);

	if (!session->progress || !text)
		return;
	print_clean(text);
	if (progress->percent >= 0)
		fprintf(stderr, "\r\033[K%.60s ... %.0f %%", text, progress->percent);
	else
		fprintf(stderr, "\r\033[K%.70s ...", text);
	fflush(stderr);
	session->progress_shown = true;
}

struct partial_data {
	struct session *session;
	rpc_partial_cb *partial;
	void *data;
};

static void on_partial(const Holdfast__Reply *reply, void *data)
{
	struct partial_data *to = data;

	if (reply->body_case == HOLDFAST__REPLY__BODY_PROGRESS) {
		show_progress(to->session, reply->progress);
		return;
	}
	session_clear_progress(to->session);
	if (to->partial)
		to->partial(reply, to->data);
}

// ---- calling

int session_call(struct session *session, Holdfast__Request *request, unsigned timeout_ms,
	rpc_partial_cb *partial, void *data, Holdfast__Reply **reply, struct error *err)
{
	struct partial_data to = { session, partial, data };

	if (session_connect(session, err) < 0)
		return -1;
	int result = rpc_client_call(session->client, request, timeout_ms, on_partial, &to, reply, err);
	session_clear_progress(session);
	return result;
}

const ProtobufCMessage *session_message(const Holdfast__Reply *reply)
{
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(
		&holdfast__reply__descriptor, (unsigned)reply->body_case);

	if (!field || field->type != PROTOBUF_C_TYPE_MESSAGE ||
		reply->body_case == HOLDFAST__REPLY__BODY_DONE)
		return NULL;
	return *(ProtobufCMessage *const *)((const char *)reply + field->offset);
}

static int wrong_answer(struct error *err)
{
	return error_set(err, ERROR_PROTOCOL,
		"the daemon answered what was not asked: is it of another version than this command?");
}

static int print_answer(
	const struct session *session, const ProtobufCMessage *message, show_fn *show, struct error *err)
{
	if (session->printer.json)
		return print_json(&session->printer, message, err);
	show(&session->printer, message);
	return 0;
}

int session_query(struct session *session, Holdfast__Request *request, Holdfast__Reply__BodyCase body,
	show_fn *show, struct error *err)
{
	Holdfast__Reply *reply;
	int result;

	if (session_call(session, request, SESSION_QUERY_MS, NULL, NULL, &reply, err) < 0)
		return -1;
	if (reply->body_case != body)
		result = wrong_answer(err);
	else
		result = print_answer(session, session_message(reply), show, err);
	holdfast__reply__free_unpacked(reply, NULL);
	return result;
}

static void print_done(const struct printer *printer, const char *done, const char *name)
{
	const char *place = strstr(done, "%s");

	print_line(printer, "%.*s%s%s", (int)(place ? place - done : (long)strlen(done)), done,
		place ? name : "", place ? place + 2 : "");
}

static void print_detached(const struct printer *printer, const Holdfast__CheckpointApplied *applied)
{
	for (size_t i = 0; i < applied->n_detached; i++)
		print_line(printer,
			"%s was added after the checkpoint and is no disk of the VM any more; its volume is kept until `holdfast "
			"volume delete %s`",
			applied->detached[i], applied->detached[i]);
}

static int print_changed(const struct session *session, const Holdfast__Reply *reply, const char *name,
	const char *done, struct error *err)
{
	const ProtobufCMessage *message = session_message(reply);

	if (reply->body_case == HOLDFAST__REPLY__BODY_MOVE)
		return print_answer(session, message, show_move, err);
	if (session->printer.json && message)
		return print_json(&session->printer, message, err);
	if (session->printer.json)
		return print_json_name(&session->printer, name, err);
	print_done(&session->printer, done, name);
	if (reply->body_case == HOLDFAST__REPLY__BODY_CHECKPOINT_APPLIED)
		print_detached(&session->printer, reply->checkpoint_applied);
	return 0;
}

static int change(struct session *session, Holdfast__Request *request, unsigned timeout_ms, const char *name,
	const char *done, struct error *err)
{
	Holdfast__Reply *reply;

	if (session_call(session, request, timeout_ms, NULL, NULL, &reply, err) < 0)
		return -1;
	int result = print_changed(session, reply, name, done, err);
	holdfast__reply__free_unpacked(reply, NULL);
	return result;
}

int session_change(struct session *session, Holdfast__Request *request, const char *name, const char *done,
	struct error *err)
{
	return change(session, request, SESSION_CHANGE_MS, name, done, err);
}

int session_change_long(struct session *session, Holdfast__Request *request, const char *name,
	const char *done, struct error *err)
{
	return change(session, request, SESSION_LONG_MS, name, done, err);
}

// ---- requests of one kind: the bodies of a request share one place in a union, all that are an Empty, all that are a Name

int session_ask(struct session *session, Holdfast__Request__BodyCase what, Holdfast__Reply__BodyCase body,
	show_fn *show, struct error *err)
{
	Holdfast__Empty empty = HOLDFAST__EMPTY__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	request.body_case = what;
	request.ping = &empty;
	return session_query(session, &request, body, show, err);
}

int session_ask_for(struct session *session, Holdfast__Request__BodyCase what, char *name,
	Holdfast__Reply__BodyCase body, show_fn *show, struct error *err)
{
	Holdfast__Name body_name = HOLDFAST__NAME__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	body_name.name = name;
	request.body_case = what;
	request.node_show = &body_name;
	return session_query(session, &request, body, show, err);
}

int session_do(struct session *session, Holdfast__Request__BodyCase what, char *name, const char *done,
	struct error *err)
{
	Holdfast__Name body_name = HOLDFAST__NAME__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	body_name.name = name;
	request.body_case = what;
	request.node_show = &body_name;
	return session_change(session, &request, name, done, err);
}
