// SPDX-License-Identifier: GPL-3.0-or-later
// rpc over a Unix socket, between peers that behave: calls at once, partial replies, deadlines, hang-ups, hand-over.
#include "tests/unit/rpc-fixture.h"

#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/cleanup.h"

static void ping_task(void *data)
{
	struct fixture *fixture = data;
	struct error err = ERROR_INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Empty empty = HOLDFAST__EMPTY__INIT;
	char expected[64];
	struct rpc_client *client = rpc_connect_unix(fixture->socket, 30000, &err);

	CHECK(client);
	request.body_case = HOLDFAST__REQUEST__BODY_PING;
	request.ping = &empty;
	CHECK_OK(rpc_client_do(client, &request, 30000, &err), err);
	snprintf(expected, sizeof(expected), "local uid %u", (unsigned)getuid());
	CHECK(strcmp(fixture->caller, expected) == 0);
	CHECK(rpc_client_alive(client));
	rpc_client_free(client);
}
RPC_TEST(ping)

struct partials {
	int count;
	double percent;
	char text[64];
};

static void note_partial(const Holdfast__Reply *reply, void *data)
{
	struct partials *partials = data;

	partials->count++;
	partials->percent += reply->progress->percent;
	snprintf(partials->text, sizeof(partials->text), "%s", reply->progress->text);
}

static void progress_comes_before_the_reply_task(void *data)
{
	struct fixture *fixture = data;
	struct error err = ERROR_INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Empty empty = HOLDFAST__EMPTY__INIT;
	struct partials partials = { 0 };
	Holdfast__Reply *reply;
	struct rpc_client *client = rpc_connect_unix(fixture->socket, 30000, &err);

	CHECK(client);
	request.body_case = HOLDFAST__REQUEST__BODY_VM_LIST;
	request.vm_list = &empty;
	CHECK_OK(rpc_client_call(client, &request, 30000, note_partial, &partials, &reply, &err), err);
	CHECK(reply->body_case == HOLDFAST__REPLY__BODY_VM_LIST);
	holdfast__reply__free_unpacked(reply, NULL);
	CHECK(partials.count == 3 && partials.percent == 60.0 && strcmp(partials.text, "step 3") == 0);
	rpc_client_free(client);
}
RPC_TEST(progress_comes_before_the_reply)

static void errors_arrive_task(void *data)
{
	struct fixture *fixture = data;
	struct error err = ERROR_INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Name name = HOLDFAST__NAME__INIT;
	Holdfast__Empty empty = HOLDFAST__EMPTY__INIT;
	Holdfast__ClusterInit init = HOLDFAST__CLUSTER_INIT__INIT;
	struct rpc_client *client = rpc_connect_unix(fixture->socket, 30000, &err);

	CHECK(client);
	name.name = (char *)"v9";
	request.body_case = HOLDFAST__REQUEST__BODY_VM_SHOW;
	request.vm_show = &name;
	CHECK_FAILS(
		rpc_client_do(client, &request, 30000, &err), err, ERROR_NOT_FOUND, "there is no VM \"v9\"");
	request.body_case = HOLDFAST__REQUEST__BODY_NODE_LIST;
	request.node_list = &empty;
	CHECK_FAILS(
		rpc_client_do(client, &request, 30000, &err), err, ERROR_USAGE, "\"node_list\" is not served");
	request.body_case = HOLDFAST__REQUEST__BODY_CLUSTER_INIT;
	request.cluster_init = &init;
	CHECK_FAILS(rpc_client_do(client, &request, 30000, &err), err, ERROR_DENIED,
		"\"cluster_init\" is not for local callers");
	// and the connection is still good
	request.body_case = HOLDFAST__REQUEST__BODY_PING;
	request.ping = &empty;
	CHECK_OK(rpc_client_do(client, &request, 30000, &err), err);
	rpc_client_free(client);
	CHECK_FAILS(rpc_connect_unix("/nonexistent/s", 30000, &err) ? 0 : -1, err, ERROR_UNREACHABLE,
		"is the daemon running?");
}
RPC_TEST(errors_arrive)

struct one_call {
	struct rpc_client *client;
	struct task_wait *done;
	unsigned *left;
	bool right;
};

static void call_status(void *data)
{
	struct one_call *call = data;
	struct error err = ERROR_INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Empty empty = HOLDFAST__EMPTY__INIT;
	Holdfast__Reply *reply;

	request.body_case = HOLDFAST__REQUEST__BODY_HOST_STATUS;
	request.host_status = &empty;
	if (rpc_client_call(call->client, &request, 5000, NULL, NULL, &reply, &err) == 0) {
		call->right = reply->host->cpus == request.id && strcmp(reply->host->version, "1.2.3") == 0;
		holdfast__reply__free_unpacked(reply, NULL);
	}
	if (--*call->left == 0)
		task_wake(call->done);
}

static void calls_at_once_get_their_own_replies_task(void *data)
{
	struct fixture *fixture = data;
	struct error err = ERROR_INIT;
	struct task_wait done = { 0 };
	unsigned left = 50;
	struct one_call calls[50];
	struct rpc_client *client = rpc_connect_unix(fixture->socket, 30000, &err);

	CHECK(client);
	for (int i = 0; i < 50; i++) {
		calls[i] = (struct one_call){ .client = client, .done = &done, .left = &left };
		CHECK(task_start(fixture->loop, "call", call_status, &calls[i], &err));
	}
	CHECK_OK(task_wait(&done, 5000, "all calls", &err), err);
	for (int i = 0; i < 50; i++)
		CHECK(calls[i].right);
	CHECK(fixture->most_running == 50); // none waited for another
	rpc_client_free(client);
}
RPC_TEST(calls_at_once_get_their_own_replies)

static void deadline_task(void *data)
{
	struct fixture *fixture = data;
	struct error err = ERROR_INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__GroupStart start = HOLDFAST__GROUP_START__INIT;
	Holdfast__Empty empty = HOLDFAST__EMPTY__INIT;
	struct rpc_client *client = rpc_connect_unix(fixture->socket, 30000, &err);
	int64_t start_us = loop_now_us();

	CHECK(client);
	request.body_case = HOLDFAST__REQUEST__BODY_GROUP_START;
	request.group_start = &start;
	CHECK_FAILS(rpc_client_do(client, &request, 50, &err), err, ERROR_TIMEOUT, fixture->socket);
	CHECK(loop_now_us() - start_us >= 50000 && loop_now_us() - start_us < 2000000);
	// other calls go on, and the one that was given up is told only by hanging up
	request.body_case = HOLDFAST__REQUEST__BODY_PING;
	request.ping = &empty;
	CHECK_OK(rpc_client_do(client, &request, 30000, &err), err);
	CHECK(!fixture->gone_called);
	rpc_client_free(client);
	CHECK_OK(task_wait(&fixture->gone, 30000, "the handler sees it", &err), err);
	CHECK(fixture->gone_called);
}
RPC_TEST(deadline)

static void server_goes_away_task(void *data)
{
	struct fixture *fixture = data;
	struct error err = ERROR_INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Empty empty = HOLDFAST__EMPTY__INIT;
	struct task_wait done = { 0 };
	unsigned left = 1;
	struct rpc_client *client = rpc_connect_unix(fixture->socket, 30000, &err);
	struct one_call call = { .client = client, .done = &done, .left = &left };

	CHECK(client);
	CHECK(task_start(fixture->loop, "call", call_status, &call, &err));
	while (fixture->running == 0)
		CHECK_OK(task_pause(1, &err), err);
	rpc_server_free(fixture->server);
	fixture->server = NULL;
	CHECK_OK(task_wait(&done, 30000, "the call under way fails", &err), err);
	CHECK(!call.right);
	CHECK(!rpc_client_alive(client));
	request.body_case = HOLDFAST__REQUEST__BODY_PING;
	request.ping = &empty;
	CHECK_FAILS(rpc_client_do(client, &request, 30000, &err), err, ERROR_UNREACHABLE, "hung up");
	rpc_client_free(client);
}
RPC_TEST(server_goes_away)

static void close_fails_the_calls_under_way_task(void *data)
{
	struct fixture *fixture = data;
	struct error err = ERROR_INIT;
	struct task_wait done = { 0 };
	unsigned left = 1;
	struct rpc_client *client = rpc_connect_unix(fixture->socket, 30000, &err);
	struct one_call call = { .client = client, .done = &done, .left = &left };
	int64_t start_us = loop_now_us();

	CHECK(client);
	CHECK(task_start(fixture->loop, "call", call_status, &call, &err));
	while (fixture->running == 0)
		CHECK_OK(task_pause(1, &err), err);
	rpc_client_close(client);
	rpc_client_close(client); // once more is fine
	CHECK_OK(task_wait(&done, 30000, "the call under way fails", &err), err);
	CHECK(!call.right && loop_now_us() - start_us < 1000000);
	CHECK(!rpc_client_alive(client));
	rpc_client_free(client);
}
RPC_TEST(close_fails_the_calls_under_way)

static void idle_client_sees_the_server_go_task(void *data)
{
	struct fixture *fixture = data;
	struct error err = ERROR_INIT;
	struct rpc_client *client = rpc_connect_unix(fixture->socket, 30000, &err);

	CHECK(client);
	CHECK_OK(task_pause(5, &err), err);
	CHECK(rpc_client_alive(client));
	rpc_server_free(fixture->server);
	fixture->server = NULL;
	for (int i = 0; i < 5000 && rpc_client_alive(client); i++)
		CHECK_OK(task_pause(5, &err), err);
	CHECK(!rpc_client_alive(client));
	rpc_client_free(client);
}
RPC_TEST(idle_client_sees_the_server_go)

static void collect_data(const Holdfast__Reply *reply, void *data)
{
	*(size_t *)data += reply->data.len;
}

struct typist {
	struct rpc_client *client;
	const Holdfast__Request *request;
	size_t total;
	bool failed;
};

static void type_much(void *data)
{
	struct typist *typist = data;
	struct error err = ERROR_INIT;
	cleanup_free uint8_t *piece = calloc(1, 100000);

	for (size_t sent = 0; sent < typist->total; sent += 100000)
		if (rpc_client_send_data(typist->client, typist->request->id, piece, 100000, &err) < 0)
			typist->failed = true;
	if (rpc_client_send_data(typist->client, typist->request->id, ".", 1, &err) < 0)
		typist->failed = true;
}

static void data_goes_both_ways_task(void *data)
{
	struct fixture *fixture = data;
	struct error err = ERROR_INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Name name = HOLDFAST__NAME__INIT;
	Holdfast__Reply *reply;
	size_t echoed = 0;
	struct rpc_client *client = rpc_connect_unix(fixture->socket, 30000, &err);
	struct typist typist = { .client = client, .request = &request, .total = 20000000 };

	CHECK(client);
	request.body_case = HOLDFAST__REQUEST__BODY_VM_CONSOLE;
	request.vm_console = &name;
	CHECK(task_start(fixture->loop, "typist", type_much, &typist, &err));
	CHECK_OK(rpc_client_call(client, &request, 10000, collect_data, &echoed, &reply, &err), err);
	holdfast__reply__free_unpacked(reply, NULL);
	CHECK(!typist.failed);
	CHECK(echoed == 20000001);
	rpc_client_free(client);
}
RPC_TEST(data_goes_both_ways)

static void hijack_gives_the_raw_connection_task(void *data)
{
	struct fixture *fixture = data;
	struct error err = ERROR_INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__VmCreate create = HOLDFAST__VM_CREATE__INIT;
	struct rpc_client *client = rpc_connect_unix(fixture->socket, 30000, &err);
	char bytes[16];
	cleanup_fd int fd = -1;

	CHECK(client);
	request.body_case = HOLDFAST__REQUEST__BODY_VM_CREATE;
	request.vm_create = &create;
	CHECK_OK(rpc_client_do(client, &request, 30000, &err), err);
	CHECK_OK(task_wait(&fixture->hijacked, 30000, "the hand-over", &err), err);
	// the server talks first: that is not taken for a frame
	CHECK(write(fixture->hijacked_fd, "\0\0\0\0raw", 7) == 7);
	CHECK_OK(task_pause(20, &err), err);
	CHECK_OK(rpc_client_hijack(client, &fd, &err), err);
	CHECK(read(fd, bytes, sizeof(bytes)) == 7 && memcmp(bytes, "\0\0\0\0raw", 7) == 0);
	CHECK(write(fd, "back", 4) == 4);
	CHECK(read(fixture->hijacked_fd, bytes, sizeof(bytes)) == 4 && memcmp(bytes, "back", 4) == 0);
}
RPC_TEST(hijack_gives_the_raw_connection)

struct once {
	const char *path;
	bool group_start;
	unsigned timeout_ms;
	double took_ms;
};

static int call_once(void *data, struct error *err)
{
	struct once *once = data;
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Empty empty = HOLDFAST__EMPTY__INIT;
	Holdfast__GroupStart start = HOLDFAST__GROUP_START__INIT;
	Holdfast__Reply *reply;
	double start_ms = loop_now_ms();

	request.body_case =
		once->group_start ? HOLDFAST__REQUEST__BODY_GROUP_START : HOLDFAST__REQUEST__BODY_VM_LIST;
	if (once->group_start)
		request.group_start = &start;
	else
		request.vm_list = &empty;
	int result = rpc_call_once(once->path, &request, once->timeout_ms, &reply, err);
	once->took_ms = loop_now_ms() - start_ms;
	if (result == 0 && reply->body_case != HOLDFAST__REPLY__BODY_VM_LIST)
		result = error_set(err, ERROR_FAILED, "wrong reply");
	if (result == 0)
		holdfast__reply__free_unpacked(reply, NULL);
	return result;
}

static void once_without_a_loop_task(void *data)
{
	struct fixture *fixture = data;
	struct error err = ERROR_INIT;
	struct once once = { .path = fixture->socket, .timeout_ms = 30000 };

	CHECK_OK(task_offload(call_once, &once, &err), err);
	once.group_start = true;
	once.timeout_ms = 500;
	CHECK_FAILS(task_offload(call_once, &once, &err), err, ERROR_TIMEOUT, fixture->socket);
	CHECK(once.took_ms >= 500 && once.took_ms < 30000);
	once.path = "/nonexistent/s";
	CHECK_FAILS(task_offload(call_once, &once, &err), err, ERROR_UNREACHABLE, "is the daemon running?");
}
RPC_TEST(once_without_a_loop)

static int forward_to_nowhere(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	return error_set(err, ERROR_UNREACHABLE, "would go to %s", request->node);
}

static void forward_takes_what_is_for_others_task(void *data)
{
	struct fixture *fixture = data;
	struct error err = ERROR_INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Empty empty = HOLDFAST__EMPTY__INIT;
	struct rpc_client *client = rpc_connect_unix(fixture->socket, 30000, &err);

	CHECK(client);
	rpc_server_set_forward(fixture->server, forward_to_nowhere, "a1");
	request.body_case = HOLDFAST__REQUEST__BODY_PING;
	request.ping = &empty;
	CHECK_OK(rpc_client_do(client, &request, 30000, &err), err);
	request.node = (char *)"a1";
	CHECK_OK(rpc_client_do(client, &request, 30000, &err), err);
	request.node = (char *)"b1";
	CHECK_FAILS(rpc_client_do(client, &request, 30000, &err), err, ERROR_UNREACHABLE, "would go to b1");
	rpc_client_free(client);
}
RPC_TEST(forward_takes_what_is_for_others)

static void one_server_per_socket_task(void *data)
{
	struct fixture *fixture = data;
	struct error err = ERROR_INIT;
	char path[128];
	struct rpc_server *second = rpc_server_new(fixture->loop, fixture_handlers, fixture);

	CHECK_FAILS(rpc_server_listen_unix(second, fixture->socket, NULL, &err), err, ERROR_EXISTS,
		"another process listens");
	snprintf(path, sizeof(path), "%s/file", fixture->directory);
	FILE *file = fopen(path, "w");
	CHECK(file && fclose(file) == 0);
	CHECK_FAILS(rpc_server_listen_unix(second, path, NULL, &err), err, ERROR_EXISTS, "is no socket");
	// what a dead process has left is replaced
	snprintf(path, sizeof(path), "%s/stale", fixture->directory);
	struct rpc_server *dead = rpc_server_new(fixture->loop, fixture_handlers, fixture);
	CHECK_OK(rpc_server_listen_unix(dead, path, NULL, &err), err);
	char moved[160];
	snprintf(moved, sizeof(moved), "%s-kept", path);
	CHECK(link(path, moved) == 0);
	rpc_server_free(dead);
	CHECK_OK(rpc_server_listen_unix(second, moved, NULL, &err), err);
	rpc_server_free(second);
	CHECK(access(moved, F_OK) == -1);
}
RPC_TEST(one_server_per_socket)

static int call_as_nobody(void *data, struct error *err)
{
	struct once *once = data;
	struct passwd *nobody = getpwnam("nobody");
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct error why = ERROR_INIT;
		if (setgid(nobody->pw_gid) < 0 || setuid(nobody->pw_uid) < 0)
			_exit(100);
		int result = call_once(once, &why);
		// only these words make it a refusal: anything else is another failure
		_exit(result < 0 && why.code == ERROR_DENIED && strstr(why.message, "only root may") ? 42
												     : 1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return error_set(err, ERROR_FAILED, "no child");
	return WIFEXITED(status) && WEXITSTATUS(status) == 42
		? 0
		: error_set(err, ERROR_FAILED, "status %x", (unsigned)status);
}

static void others_are_denied_task(void *data)
{
	struct fixture *fixture = data;
	struct error err = ERROR_INIT;
	struct once once = { .path = fixture->socket, .timeout_ms = 30000 };

	chmod(fixture->directory, 0755);
	CHECK_OK(task_offload(call_as_nobody, &once, &err), err);
}

static void others_are_denied(void **state)
{
	if (getuid() != 0)
		skip();
	fixture_run(others_are_denied_task);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(ping),
	cmocka_unit_test(progress_comes_before_the_reply),
	cmocka_unit_test(errors_arrive),
	cmocka_unit_test(calls_at_once_get_their_own_replies),
	cmocka_unit_test(deadline),
	cmocka_unit_test(server_goes_away),
	cmocka_unit_test(close_fails_the_calls_under_way),
	cmocka_unit_test(idle_client_sees_the_server_go),
	cmocka_unit_test(data_goes_both_ways),
	cmocka_unit_test(hijack_gives_the_raw_connection),
	cmocka_unit_test(once_without_a_loop),
	cmocka_unit_test(forward_takes_what_is_for_others),
	cmocka_unit_test(one_server_per_socket),
	cmocka_unit_test(others_are_denied),
};

UNIT_MAIN(tests)
