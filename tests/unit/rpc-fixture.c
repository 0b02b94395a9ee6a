// SPDX-License-Identifier: GPL-3.0-or-later
// The handlers: ping (notes who calls), host_status (answers after the next turn), vm_list (progress first), vm_show (always an error),
// vm_console (echoes), vm_create (hands the connection over), group_start (waits for its client to go), events (floods).
#include "tests/unit/rpc-fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/cleanup.h"

#define FLOOD_MAX 100000

static int serve_ping(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	static const char *const kinds[] = { "local", "node", "stranger" };
	struct fixture *fixture = data;

	snprintf(fixture->caller, sizeof(fixture->caller), "%s %s", kinds[rpc_call_caller(call)],
		rpc_call_peer(call));
	return 0; // an empty reply is `done`
}

static int serve_status(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	struct fixture *fixture = data;

	fixture->running++;
	if (fixture->running > fixture->most_running)
		fixture->most_running = fixture->running;
	int result = task_pause(10, err);
	fixture->running--;
	reply->body_case = HOLDFAST__REPLY__BODY_HOST;
	reply->host = malloc(sizeof(*reply->host));
	holdfast__host_status__init(reply->host);
	reply->host->version = strdup("1.2.3");
	reply->host->cpus = (uint32_t)request->id;
	return result;
}

static int serve_list(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	for (int i = 1; i <= 3; i++)
		if (rpc_call_progress(call, i * 10.0, "step %d", i) < 0)
			return error_set(err, ERROR_FAILED, "no progress");
	reply->body_case = HOLDFAST__REPLY__BODY_VM_LIST;
	reply->vm_list = malloc(sizeof(*reply->vm_list));
	holdfast__vm_list__init(reply->vm_list);
	return 0;
}

static int serve_show(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	reply->body_case = HOLDFAST__REPLY__BODY_NAME; // half-made: must be freed all the same
	reply->name = malloc(sizeof(*reply->name));
	holdfast__name__init(reply->name);
	reply->name->name = strdup("x");
	return error_set(
		err, ERROR_NOT_FOUND, "there is no VM \"%s\": see \"vm list\"", request->vm_show->name);
}

static int serve_echo(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	uint8_t *bytes;
	size_t count;
	int got;

	while ((got = rpc_call_receive_data(call, 5000, &bytes, &count, err)) == 1) {
		bool end = count == 1 && bytes[0] == '.';
		int sent = rpc_call_send_data(call, bytes, count);
		free(bytes);
		if (end || sent < 0)
			return 0;
	}
	return got;
}

static int serve_hijack(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	struct fixture *fixture = data;
	struct tls_session *tls;

	if (!fixture->packed) {
		if (rpc_call_hijack(call, &fixture->hijacked_fd, err) < 0)
			return -1;
	} else if (rpc_call_hijack_tls(call, &tls, err) < 0 ||
		rpc_tunnel_start_packed(tls, RPC_TUNNEL_UNPACKS, NULL, &fixture->hijacked_fd, err) < 0) {
		return -1;
	}
	task_wake(&fixture->hijacked);
	return 0;
}

static void note_gone(void *data)
{
	struct fixture *fixture = data;

	fixture->gone_called = true;
	task_wake(&fixture->gone);
}

static int serve_until_gone(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	struct task_wait never = { 0 };
	struct fixture *fixture = data;

	rpc_call_on_gone(call, note_gone, fixture);
	while (!rpc_call_gone(call) && !fixture->gone_called)
		if (task_wait(&never, 20, "nothing", err) < 0 && err->code != ERROR_TIMEOUT)
			return -1;
	return 0;
}

static int serve_flood(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	struct fixture *fixture = data;
	Holdfast__Event event = HOLDFAST__EVENT__INIT;
	char text[4096];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	event.text = text;
	while (fixture->events_sent < FLOOD_MAX && rpc_call_event(call, &event) == 0)
		fixture->events_sent++;
	return error_set(err, ERROR_UNREACHABLE, "dropped");
}

#define LOCAL (1u << RPC_CALLER_LOCAL)
#define NODE (1u << RPC_CALLER_NODE)
#define ANYBODY (LOCAL | NODE | 1u << RPC_CALLER_STRANGER)

const struct rpc_handler fixture_handlers[] = {
	{ HOLDFAST__REQUEST__BODY_PING, ANYBODY, serve_ping },
	{ HOLDFAST__REQUEST__BODY_HOST_STATUS, LOCAL | NODE, serve_status },
	{ HOLDFAST__REQUEST__BODY_VM_LIST, LOCAL | NODE, serve_list },
	{ HOLDFAST__REQUEST__BODY_VM_SHOW, LOCAL | NODE, serve_show },
	{ HOLDFAST__REQUEST__BODY_VM_CONSOLE, LOCAL | NODE, serve_echo },
	{ HOLDFAST__REQUEST__BODY_VM_CREATE, LOCAL | NODE, serve_hijack },
	{ HOLDFAST__REQUEST__BODY_GROUP_START, LOCAL | NODE, serve_until_gone },
	{ HOLDFAST__REQUEST__BODY_EVENTS, LOCAL | NODE, serve_flood },
	{ HOLDFAST__REQUEST__BODY_CLUSTER_INIT, NODE, serve_ping },
	{ 0 },
};

void fixture_run(task_fn *test)
{
	struct error err = ERROR_INIT;
	struct fixture fixture = { .directory = "/tmp/holdfast-rpc-XXXXXX", .hijacked_fd = -1 };

	assert_non_null(mkdtemp(fixture.directory));
	snprintf(fixture.socket, sizeof(fixture.socket), "%s/s", fixture.directory);
	fixture.loop = loop_new();
	assert_non_null(fixture.loop);
	fixture.server = rpc_server_new(fixture.loop, fixture_handlers, &fixture);
	assert_non_null(fixture.server);
	assert_ok(rpc_server_listen_unix(fixture.server, fixture.socket, NULL, &err), err);
	assert_ok(task_run(fixture.loop, "test", test, &fixture, &err), err);
	rpc_server_free(fixture.server);
	task_end_all(fixture.loop, 5000);
	loop_free(fixture.loop);
	assert_int_equal(access(fixture.socket, F_OK), -1); // taken away with the server
	if (fixture.hijacked_fd >= 0)
		close(fixture.hijacked_fd);
	// only what a test has put there is left
	static const char *const files[] = { "ca.pem", "ca.key", "node.pem", "node.key", "file" };
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/%s", fixture.directory, files[i]);
		unlink(path);
	}
	rmdir(fixture.directory);
	if (fixture.line)
		fail_msg("line %d: %s %s", fixture.line, fixture.what, fixture.detail);
}
