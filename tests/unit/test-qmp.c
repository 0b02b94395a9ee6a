// SPDX-License-Identifier: GPL-3.0-or-later
// The QMP session against a server of the test's own that says what a real QEMU never would: silence, garbage, replies to nothing. (With the real
// one it is tested in tests/integration.)
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "hypervisor/qmp.h"

#define GREETING \
	"{\"QMP\":{\"version\":{\"qemu\":{\"micro\":22,\"minor\":2,\"major\":7}},\"capabilities\":[]}}\r\n"
#define TIMEOUT_MS 5000

// The server: says the script's lines in turn, each after it has read one line (the first at once). "@" in a line becomes the id of the
// command that it answers. AHEAD: how often more had come before it answered, if it looks (LOOK_MS).
struct server {
	char directory[40], path[60];
	int listener, descriptors, ahead, look_ms;
	const char *const *script;
	pthread_t thread;
};

static bool read_line(struct server *server, int fd, char *line, size_t size)
{
	size_t used = 0;
	while (used + 1 < size) {
		char control[CMSG_SPACE(sizeof(int))];
		struct iovec iov = { line + used, 1 };
		struct msghdr message = { .msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control) };
		if (recvmsg(fd, &message, 0) <= 0)
			return false;
		if (CMSG_FIRSTHDR(&message)) {
			int passed;
			memcpy(&passed, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(passed));
			close(passed);
			server->descriptors++;
		}
		if (line[used] == '\n')
			break;
		used++;
	}
	line[used] = '\0';
	return true;
}

static void say(int fd, const char *text, const char *command)
{
	const char *id = strstr(command, "\"id\":");
	const char *at = strchr(text, '@');
	char line[512];
	if (at && id)
		snprintf(line, sizeof(line), "%.*s%d%s\n", (int)(at - text), text, atoi(id + 5), at + 1);
	else
		snprintf(line, sizeof(line), "%s\n", text);
	if (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0)
		return;
}

static void *serve(void *data)
{
	struct server *server = data;
	char command[1024] = "";
	int fd = accept(server->listener, NULL, NULL);
	for (const char *const *line = server->script; *line; line++) {
		if (line != server->script && !read_line(server, fd, command, sizeof(command)))
			break;
		struct pollfd more = { .fd = fd, .events = POLLIN };
		server->ahead += server->look_ms && poll(&more, 1, server->look_ms) > 0;
		say(fd, *line, command);
	}
	while (read_line(server, fd, command, sizeof(command)))
		;
	close(fd);
	return NULL;
}

static void server_start(struct server *server, const char *const *script)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	*server = (struct server){ .directory = "/tmp/test-qmp.XXXXXX", .script = script };
	assert_non_null(mkdtemp(server->directory));
	snprintf(server->path, sizeof(server->path), "%s/q", server->directory);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", server->path);
	server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server->listener, 1), 0);
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_stop(struct server *server)
{
	pthread_join(server->thread, NULL);
	close(server->listener);
	unlink(server->path);
	rmdir(server->directory);
}

struct talk {
	struct server server;
	struct qmp *qmp;
	void (*act)(struct talk *talk);
	int events, closed;
	char last_event[64];
};

static void on_event(const char *event, const json_t *data, double seconds, void *arg)
{
	struct talk *talk = arg;
	talk->events++;
	snprintf(talk->last_event, sizeof(talk->last_event), "%s", event);
}

static void on_closed(void *arg)
{
	((struct talk *)arg)->closed++;
}

static void run_talk(void *data)
{
	struct talk *talk = data;
	talk->act(talk);
	qmp_free(talk->qmp);
}

static void run(struct talk *talk, const char *const *script, void (*act)(struct talk *))
{
	struct error err = ERROR_INIT;
	struct loop *loop = loop_new();
	*talk = (struct talk){ .act = act };
	server_start(&talk->server, script);
	assert_ok(task_run(loop, "talk", run_talk, talk, &err), err);
	server_stop(&talk->server);
	loop_free(loop);
}

static int open_session(struct talk *talk, struct error *err)
{
	talk->qmp = qmp_open(task_loop(), talk->server.path, TIMEOUT_MS, on_event, on_closed, talk, err);
	return talk->qmp ? 0 : -1;
}

// ---- a well-behaved one

static void commands_events_and_descriptors(struct talk *talk)
{
	struct error err = ERROR_INIT;
	json_t *result = NULL;
	assert_ok(open_session(talk, &err), err);
	assert_string_equal(qmp_version(talk->qmp), "7.2.22");
	assert_ok(qmp_command(talk->qmp, "query-status", NULL, TIMEOUT_MS, &result, &err), err);
	assert_string_equal(json_string_value(json_object_get(result, "status")), "running");
	json_decref(result);
	assert_fails(qmp_command(talk->qmp, "cont", NULL, TIMEOUT_MS, NULL, &err), err, ERROR_FAILED);
	assert_non_null(strstr(err.message, "no way"));
	error_clear(&err);
	int fd = open("/dev/null", O_RDONLY);
	assert_ok(qmp_add_fd(talk->qmp, fd, 7, &err), err);
	close(fd);
	assert_int_equal(talk->events, 1);
	assert_string_equal(talk->last_event, "STOP");
}

static void a_session_works(void **state)
{
	static const char *const script[] = {
		GREETING,
		"{\"return\":{},\"id\":@}",
		"{\"event\":\"STOP\",\"timestamp\":{\"seconds\":1,\"microseconds\":5}}\n{\"return\":{"
		"\"status\":\"running\"},\"id\":@}",
		"{\"error\":{\"class\":\"GenericError\",\"desc\":\"no way\"},\"id\":@}",
		"{\"return\":{},\"id\":@}",
		NULL,
	};
	struct talk talk;
	run(&talk, script, commands_events_and_descriptors);
	assert_int_equal(talk.server.descriptors, 1);
	assert_int_equal(talk.closed, 0);
}

static void batch_reports_the_first(struct talk *talk)
{
	struct error err = ERROR_INIT;
	struct qmp_step steps[] = { { "stop", NULL }, { "x", json_pack("{s:i}", "a", 1) }, { "y", NULL } };
	assert_ok(open_session(talk, &err), err);
	assert_fails(qmp_batch(talk->qmp, steps, 3, TIMEOUT_MS, &err), err, ERROR_FAILED);
	assert_non_null(strstr(err.message, "first"));
}

static void a_batch_is_carried_out_whole(void **state)
{
	static const char *const script[] = { GREETING, "{\"return\":{},\"id\":@}",
		"{\"return\":{},\"id\":@}", "{\"error\":{\"desc\":\"first\"},\"id\":@}",
		"{\"error\":{\"desc\":\"second\"},\"id\":@}", NULL };
	struct talk talk;
	run(&talk, script, batch_reports_the_first);
}

static void pass_three(struct talk *talk)
{
	struct error err = ERROR_INIT;
	struct qmp_step steps[] = { { "add-fd", NULL }, { "add-fd", NULL }, { "add-fd", NULL } };
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	const int fds[] = { fd, fd, fd };
	assert_ok(open_session(talk, &err), err);
	talk->server.look_ms = 20;
	assert_ok(qmp_batch_passing(talk->qmp, steps, fds, 3, TIMEOUT_MS, NULL, &err), err);
	close(fd);
}

// QEMU reads ahead, and keeps only the last descriptor that came.
static void a_descriptor_waits_for_the_last_one(void **state)
{
	static const char *const script[] = { GREETING, "{\"return\":{},\"id\":@}",
		"{\"return\":{},\"id\":@}", "{\"return\":{},\"id\":@}", "{\"return\":{},\"id\":@}", NULL };
	struct talk talk;
	run(&talk, script, pass_three);
	assert_int_equal(talk.server.descriptors, 3);
	assert_int_equal(talk.server.ahead, 0);
}

// ---- bad ones

static void no_session(struct talk *talk)
{
	struct error err = ERROR_INIT;
	assert_fails(open_session(talk, &err), err, ERROR_PROTOCOL);
}

static void whoever_does_not_greet_is_refused(void **state)
{
	static const char *const garbage[] = { "HTTP/1.1 200 OK", NULL };
	static const char *const no_greeting[] = { "{\"return\":{}}", NULL };
	static const char *const array[] = { "[1,2,3]", NULL };
	static const char *const *const scripts[] = { garbage, no_greeting, array };
	for (size_t i = 0; i < 3; i++) {
		struct talk talk;
		run(&talk, scripts[i], no_session);
	}
}

static void no_answer(struct talk *talk)
{
	struct error err = ERROR_INIT;
	talk->qmp = qmp_open(task_loop(), talk->server.path, 50, on_event, on_closed, talk, &err);
	assert_null(talk->qmp);
	assert_int_equal(err.code, ERROR_TIMEOUT);
}

static void silence_has_a_deadline(void **state)
{
	static const char *const script[] = { GREETING, NULL };
	struct talk talk;
	run(&talk, script, no_answer);
}

static void broken(struct talk *talk)
{
	struct error err = ERROR_INIT;
	assert_ok(open_session(talk, &err), err);
	assert_fails(qmp_command(talk->qmp, "stop", NULL, TIMEOUT_MS, NULL, &err), err, ERROR_PROTOCOL);
	assert_int_equal(talk->closed, 1);
	assert_fails(qmp_command(talk->qmp, "stop", NULL, TIMEOUT_MS, NULL, &err), err, ERROR_PROTOCOL);
	assert_fails(qmp_wait_event(talk->qmp, "STOP", TIMEOUT_MS, NULL, &err), err, ERROR_PROTOCOL);
}

static void a_reply_to_nothing_ends_the_session(void **state)
{
	static const char *const wrong_id[] = { GREETING, "{\"return\":{},\"id\":@}",
		"{\"return\":{},\"id\":99}", NULL };
	static const char *const twice[] = { GREETING, "{\"return\":{},\"id\":@}", "{\"return\":{},\"id\":1}",
		NULL };
	static const char *const again[] = { GREETING, "{\"return\":{},\"id\":@}", GREETING, NULL };
	static const char *const text_id[] = { GREETING, "{\"return\":{},\"id\":@}",
		"{\"return\":{},\"id\":\"2\"}", NULL };
	static const char *const *const scripts[] = { wrong_id, twice, again, text_id };
	for (size_t i = 0; i < 4; i++) {
		struct talk talk;
		run(&talk, scripts[i], broken);
	}
}

// The late answer to a command that nobody waits for any more belongs to nobody, and does not confuse the next.
static void late(struct talk *talk)
{
	struct error err = ERROR_INIT;
	json_t *result = NULL;
	assert_ok(open_session(talk, &err), err);
	assert_fails(qmp_command(talk->qmp, "slow", NULL, 50, NULL, &err), err, ERROR_TIMEOUT);
	error_clear(&err);
	assert_ok(qmp_command(talk->qmp, "next", NULL, TIMEOUT_MS, &result, &err), err);
	assert_string_equal(json_string_value(result), "mine");
	json_decref(result);
}

static void a_late_answer_is_dropped(void **state)
{
	static const char *const script[] = { GREETING, "{\"return\":{},\"id\":@}", "",
		"{\"return\":\"late\",\"id\":2}\n{\"return\":\"mine\",\"id\":@}", NULL };
	struct talk talk;
	run(&talk, script, late);
}

static void nobody(struct talk *talk)
{
	struct error err = ERROR_INIT;
	struct qmp_step steps[] = { { "stop", json_object() } };
	assert_fails(qmp_command(NULL, "stop", json_object(), 10, NULL, &err), err, ERROR_UNREACHABLE);
	assert_fails(qmp_batch(NULL, steps, 1, 10, &err), err, ERROR_UNREACHABLE);
	assert_fails(qmp_wait_event(NULL, "STOP", 10, NULL, &err), err, ERROR_UNREACHABLE);
	assert_null(qmp_open(task_loop(), "/nonexistent/q", 10, NULL, NULL, NULL, &err));
	talk->qmp = qmp_open(task_loop(), talk->server.path, TIMEOUT_MS, NULL, NULL, NULL, &err);
}

static void without_a_qemu_every_verb_fails(void **state)
{
	static const char *const script[] = { GREETING, "{\"return\":{},\"id\":@}", NULL };
	struct talk talk;
	run(&talk, script, nobody);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_session_works),
	cmocka_unit_test(a_batch_is_carried_out_whole), cmocka_unit_test(a_descriptor_waits_for_the_last_one),
	cmocka_unit_test(whoever_does_not_greet_is_refused),
	cmocka_unit_test(silence_has_a_deadline),
	cmocka_unit_test(a_reply_to_nothing_ends_the_session),
	cmocka_unit_test(a_late_answer_is_dropped),
	cmocka_unit_test(without_a_qemu_every_verb_fails),
};
UNIT_MAIN(tests)
