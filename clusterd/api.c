// SPDX-License-Identifier: GPL-3.0-or-later
// The joined table and what all verbs have in common: refused outside of a cluster, passed on to the coordinator,
// recorded as an event.
#include "clusterd/api.h"

#include <glib.h>
#include <string.h>

#include "clusterd/forward.h"
#include "common/cleanup.h"

static const struct api_verb *const tables[] = {
	api_cluster_verbs,
	api_node_verbs,
	api_group_verbs,
	api_vm_verbs,
	api_volume_verbs,
	api_disk_verbs,
	api_clone_verbs,
	api_event_verbs,
	api_fence_verbs,
	api_host_verbs,
	api_checkpoint_verbs,
};

static const struct api_verb *verb_of(Holdfast__Request__BodyCase body)
{
	for (size_t i = 0; i < G_N_ELEMENTS(tables); i++)
		for (const struct api_verb *verb = tables[i]; verb->body; verb++)
			if (verb->body == body)
				return verb;
	return NULL;
}

void api_reply_done(Holdfast__Reply *reply)
{
	reply->body_case = HOLDFAST__REPLY__BODY_DONE;
	reply->done = g_new0(Holdfast__Empty, 1);
	holdfast__empty__init(reply->done);
}

void api_reply_name(Holdfast__Reply *reply, const char *name)
{
	reply->body_case = HOLDFAST__REPLY__BODY_NAME;
	reply->name = g_new0(Holdfast__Name, 1);
	holdfast__name__init(reply->name);
	reply->name->name = g_strdup(name);
}

int api_need_quorum(struct clusterd *cd, struct error *err)
{
	const struct membership_state *members = membership_state(cd->membership);

	if (!members->connected)
		return error_set(err, ERROR_UNREACHABLE,
			"corosync on node %s does not answer: is corosync.service running?", cd->config.node);
	if (!members->quorate)
		return error_set(err, ERROR_FAILED,
			"the cluster has no quorum, so nothing can be changed: see 'holdfast cluster "
			"status'");
	return 0;
}

// ---- the record of what administrators do

static const char *string_in(const ProtobufCMessage *message, const char *field)
{
	const ProtobufCFieldDescriptor *found =
		protobuf_c_message_descriptor_get_field_by_name(message->descriptor, field);

	if (!found || found->type != PROTOBUF_C_TYPE_STRING || found->label == PROTOBUF_C_LABEL_REPEATED)
		return NULL;
	return *(const char *const *)((const char *)message + found->offset);
}

static const ProtobufCMessage *message_in(const ProtobufCMessage *message, const char *field)
{
	const ProtobufCFieldDescriptor *found =
		protobuf_c_message_descriptor_get_field_by_name(message->descriptor, field);

	if (!found || found->type != PROTOBUF_C_TYPE_MESSAGE || found->label == PROTOBUF_C_LABEL_REPEATED)
		return NULL;
	return *(const ProtobufCMessage *const *)((const char *)message + found->offset);
}

// The name of the thing that the request is about: its own `name`, or that of the group, VM or node in it.
static const char *subject_of(const ProtobufCMessage *body)
{
	static const char *const inside[] = { "group", "vm", "node" };
	const char *name = string_in(body, "name");

	for (size_t i = 0; !name && i < G_N_ELEMENTS(inside); i++) {
		const ProtobufCMessage *inner = message_in(body, inside[i]);
		name = inner ? string_in(inner, "name") : string_in(body, inside[i]);
	}
	return name ? name : "";
}

static void record(struct clusterd *cd, struct rpc_call *call, const Holdfast__Request *request,
	const struct error *failed)
{
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(
		&holdfast__request__descriptor, (unsigned)request->body_case);

	if (!field || field->type != PROTOBUF_C_TYPE_MESSAGE || !cd->in_cluster)
		return;
	const ProtobufCMessage *body =
		*(const ProtobufCMessage *const *)((const char *)request + field->offset);
	g_autofree char *verb = g_strdelimit(g_strdup(field->name), "_", ' ');
	const char *subject = subject_of(body);
	bool of_group = g_str_has_prefix(verb, "group ");
	events_emit_text(cd->events, "admin", NULL, of_group ? subject : NULL, "%s: %s%s%s%s%s",
		rpc_call_peer(call), verb, *subject ? " " : "", subject, failed ? " failed: " : "",
		failed ? failed->message : "");
}

static bool worth_recording(const struct error *err)
{
	return err->code != ERROR_USAGE && err->code != ERROR_NOT_FOUND && err->code != ERROR_EXISTS &&
		err->code != ERROR_DENIED;
}

// ---- serving

static int serve_verb(struct clusterd *cd, const struct api_verb *verb, struct rpc_call *call,
	const Holdfast__Request *request, Holdfast__Reply *reply, struct error *err)
{
	if (!(verb->flags & API_COORDINATOR))
		return verb->serve(cd, call, request, reply, err);
	if (api_need_quorum(cd, err) < 0)
		return -1;
	if (!clusterd_coordinates(cd)) {
		const struct member *other = membership_coordinator(membership_state(cd->membership));
		cleanup_free char *node = g_strdup(other->name);
		return forward_call(cd, call, request, node, reply, err);
	}
	if (task_lock(&cd->definitions, 120000, err) < 0)
		return error_prefix(err, "another change of the cluster's definitions takes long");
	int result = verb->serve(cd, call, request, reply, err);
	task_unlock(&cd->definitions);
	return result;
}

static int serve(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply, void *data,
	struct error *err)
{
	struct clusterd *cd = data;
	const struct api_verb *verb = verb_of(request->body_case);
	struct error local = ERROR_INIT;

	if (!verb)
		return error_set(err, ERROR_PROTOCOL, "clusterd does not serve this request");
	if (!cd->in_cluster && !(verb->flags & API_WITHOUT_CLUSTER))
		return error_set(err, ERROR_FAILED,
			"this node is in no cluster: run 'holdfast cluster init NAME ...' here, or 'holdfast "
			"cluster join ADDRESS ...'");
	int result = serve_verb(cd, verb, call, request, reply, &local);
	if ((verb->flags & API_CHANGES) && rpc_call_caller(call) == RPC_CALLER_LOCAL &&
		(result == 0 || worth_recording(&local)))
		record(cd, call, request, result < 0 ? &local : NULL);
	if (result < 0)
		error_copy(err, &local);
	return result;
}

struct rpc_server *api_server_new(struct clusterd *cd)
{
	size_t count = 0;

	for (size_t i = 0; i < G_N_ELEMENTS(tables); i++)
		for (const struct api_verb *verb = tables[i]; verb->body; verb++)
			count++;
	cd->handlers = g_new0(struct rpc_handler, count + 1);
	count = 0;
	for (size_t i = 0; i < G_N_ELEMENTS(tables); i++)
		for (const struct api_verb *verb = tables[i]; verb->body; verb++)
			cd->handlers[count++] = (struct rpc_handler){
				.body = verb->body, .callers = verb->callers, .serve = serve
			};
	return rpc_server_new(cd->loop, cd->handlers, cd);
}
