// SPDX-License-Identifier: GPL-3.0-or-later
// What other nodes' clusterds ask of this node: requests that go straight to its hypervisord, and small checks and
// files of the machine itself.
#include <string.h>

#include "clusterd/api.h"
#include "clusterd/forward.h"
#include "common/file.h"

#define COROSYNC_CONF "/etc/corosync/corosync.conf"

API_HANDLER(serve_by_host)
{
	return forward_to_host(cd, call, request, reply, err);
}

API_HANDLER(serve_corosync_conf)
{
	const char *text = request->corosync_conf_put->text;

	(void)call, (void)cd;
	if (!*text)
		return error_set(err, ERROR_PROTOCOL, "an empty corosync.conf");
	if (file_write_atomic(COROSYNC_CONF, text, strlen(text), 0644, err) < 0)
		return -1;
	api_reply_done(reply);
	return 0;
}

// The agent and DRBD's handlers report over the local socket; they are root's programs of this node.
API_HANDLER(serve_report)
{
	(void)call, (void)err;
	events_emit(cd->events, request->report_event);
	api_reply_done(reply);
	return 0;
}

API_HANDLER(serve_ping)
{
	(void)cd, (void)call, (void)request, (void)err;
	api_reply_done(reply);
	return 0;
}

const struct api_verb api_host_verbs[] = {
	{ HOLDFAST__REQUEST__BODY_PING, CALLER_ADMIN, API_WITHOUT_CLUSTER, serve_ping },
	{ HOLDFAST__REQUEST__BODY_HOST_STATUS, CALLER_ADMIN, API_WITHOUT_CLUSTER, serve_by_host },
	{ HOLDFAST__REQUEST__BODY_REPLICA_APPLY, CALLER_NODE, 0, serve_by_host },
	{ HOLDFAST__REQUEST__BODY_REPLICA_DELETE, CALLER_NODE, 0, serve_by_host },
	{ HOLDFAST__REQUEST__BODY_REPLICA_READY, CALLER_NODE, 0, serve_by_host },
	{ HOLDFAST__REQUEST__BODY_HOST_VM_UPDATE, CALLER_NODE, 0, serve_by_host },
	{ HOLDFAST__REQUEST__BODY_HOST_VM_CHANGE, CALLER_NODE, 0, serve_by_host },
	{ HOLDFAST__REQUEST__BODY_STATE_GROW, CALLER_NODE, 0, serve_by_host },
	{ HOLDFAST__REQUEST__BODY_MOVE_STATE, CALLER_NODE, 0, serve_by_host },
	{ HOLDFAST__REQUEST__BODY_FILE_CHECK, CALLER_NODE, 0, serve_by_host },
	{ HOLDFAST__REQUEST__BODY_COROSYNC_CONF_PUT, CALLER_NODE, 0, serve_corosync_conf },
	{ HOLDFAST__REQUEST__BODY_REPORT_EVENT, CALLER_LOCAL, 0, serve_report },
	{ 0 },
};
