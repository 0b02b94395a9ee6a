// SPDX-License-Identifier: GPL-3.0-or-later
// Peers that do not behave, on raw sockets: each gets one error where that is possible, is hung up on, leaves one line in the
// log, and disturbs nobody else.
#include "tests/unit/rpc-fixture.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/frame.h"
#include "common/log.h"
#include "common/rpc-server.h"
#include "common/rpc-socket.h"
#include "common/tls.h"

static int ping(struct fixture *fixture, struct error *err)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Empty empty = HOLDFAST__EMPTY__INIT;
	struct rpc_client *client = rpc_connect_unix(fixture->socket, 30000, err);

	request.body_case = HOLDFAST__REQUEST__BODY_PING;
	request.ping = &empty;
	int result = client ? rpc_client_do(client, &request, 30000, err) : -1;
	rpc_client_free(client);
	return result;
}

// Everything until the server hangs up.
static int read_to_end(int fd, uint8_t *bytes, size_t size, size_t *used, struct error *err)
{
	*used = 0;
	for (;;) {
		if (task_wait_fd(fd, POLLIN, 5000, "the server's answer", err) < 0)
			return -1;
		ssize_t got = recv(fd, bytes + *used, size - *used, 0);
		if (got == 0 || (got < 0 && errno == ECONNRESET))
			return 0;
		if (got < 0 && errno != EAGAIN)
			return error_set_errno(err, errno, "recv");
		*used += got > 0 ? (size_t)got : 0;
		if (*used == size)
			return error_set(err, ERROR_FAILED, "the server says too much");
	}
}

static void open_log(const struct fixture *fixture)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/file", fixture->directory);
	log_open(&(struct log_options){ .program = "test-rpc-hostile", .file = path });
}

static unsigned lines_of_log(const struct fixture *fixture, const char *words)
{
	struct error err = ERROR_INIT;
	cleanup_free char *text = NULL;
	char path[128];
	unsigned lines = 0;
	size_t size;

	log_close();
	snprintf(path, sizeof(path), "%s/file", fixture->directory);
	if (file_read(path, 1 << 20, &text, &size, &err) < 0)
		return 0;
	char *rest = text, *line;
	while ((line = strsep(&rest, "\n")) && *line)
		lines += strstr(line, words) ? 1 : 100; // another line is one too many
	unlink(path);
	return lines;
}

// Sends BYTES, wants one error reply with WORDS, the end, and one line in the log; then the server serves others as ever.
static void rubbish(struct fixture *data, const void *bytes, size_t count, uint64_t id, const char *words)
{
	struct error err = ERROR_INIT;
	uint8_t answer[4096];
	size_t used;

	open_log(data);
	cleanup_fd int fd = rpc_socket_connect_unix(data->socket, &err);
	CHECK(fd >= 0);
	CHECK(send(fd, bytes, count, MSG_NOSIGNAL) == (ssize_t)count);
	CHECK_OK(read_to_end(fd, answer, sizeof(answer), &used, &err), err);
	CHECK(used > FRAME_HEADER_BYTES && used - FRAME_HEADER_BYTES == (size_t)(answer[2] << 8 | answer[3]));
	Holdfast__Reply *reply =
		holdfast__reply__unpack(NULL, used - FRAME_HEADER_BYTES, answer + FRAME_HEADER_BYTES);
	CHECK(reply && reply->id == id && reply->body_case == HOLDFAST__REPLY__BODY_ERROR);
	snprintf(data->detail, sizeof(data->detail), "%s", reply->error->message);
	CHECK(reply->error->code == ERROR_PROTOCOL && strstr(reply->error->message, words));
	holdfast__reply__free_unpacked(reply, NULL);
	CHECK(lines_of_log(data, words) == 1);
	CHECK_OK(ping(data, &err), err);
}

static void frame_of_4_gib_task(void *data)
{
	rubbish(data,
		"\xff\xff\xff\xff"
		"abcd",
		8, 0, "4294967295 bytes is announced");
}
RPC_TEST(frame_of_4_gib)

static void frame_just_over_the_limit_task(void *data)
{
	rubbish(data, "\x00\x40\x00\x01", 4, 0, "4194305 bytes is announced");
}
RPC_TEST(frame_just_over_the_limit)

static void empty_frame_task(void *data)
{
	rubbish(data, "\0\0\0\0\0\0\0\0", 8, 0, "0 bytes is announced");
}
RPC_TEST(empty_frame)

static void garbage_in_a_frame_task(void *data)
{
	rubbish(data,
		"\0\0\0\x05"
		"\xff\xff\xff\xff\xff"
		"more after it",
		22, 0, "is no request");
}
RPC_TEST(garbage_in_a_frame)

static void text_task(void *data)
{
	rubbish(data, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 28, 0, "1195725856 bytes is announced");
}
RPC_TEST(text)

static void request_without_a_body_task(void *data)
{
	rubbish(data, "\0\0\0\x02\x08\x07", 6, 7, "without a body that is known here");
}
RPC_TEST(request_without_a_body)

static void request_of_a_newer_version_task(void *data)
{
	// field 2000, an empty message
	rubbish(data, "\0\0\0\x05\x08\x09\x82\x7d\x00", 9, 9, "of another version");
}
RPC_TEST(request_of_a_newer_version)

// No message is too long to be sent bit by bit, and no hang-up in the middle of one matters.
static void pieces_and_hang_ups_task(void *data)
{
	struct fixture *fixture = data;
	static const uint8_t frame[] = { 0, 0, 0, 5, 0x08, 0x01, 0x52, 0x00,
		0x10 }; // cut off before its last byte
	struct error err = ERROR_INIT;

	for (size_t count = 0; count < sizeof(frame); count++) {
		int fd = rpc_socket_connect_unix(fixture->socket, &err);
		CHECK(fd >= 0);
		CHECK(count == 0 || send(fd, frame, count, MSG_NOSIGNAL) == (ssize_t)count);
		close(fd);
	}
	cleanup_fd int fd = rpc_socket_connect_unix(fixture->socket, &err);
	static const uint8_t whole[] = { 0, 0, 0, 4, 0x08, 0x01, 0x52, 0x00 }; // id 1, ping
	for (size_t i = 0; i < sizeof(whole); i++) {
		CHECK(send(fd, whole + i, 1, MSG_NOSIGNAL) == 1);
		CHECK_OK(task_pause(1, &err), err);
	}
	uint8_t answer[64];
	CHECK_OK(task_wait_fd(fd, POLLIN, 30000, "the answer", &err), err);
	CHECK(recv(fd, answer, sizeof(answer), 0) == 8); // id 1, done
	CHECK(memcmp(answer, whole, 8) == 0);
}
RPC_TEST(pieces_and_hang_ups)

static void slow_reader_is_dropped_task(void *data)
{
	struct fixture *fixture = data;
	struct error err = ERROR_INIT;
	static const uint8_t events[] = { 0, 0, 0, 5, 0x08, 0x01, 0xf2, 0x03, 0x00 }; // id 1, events (62)
	cleanup_fd int fd = rpc_socket_connect_unix(fixture->socket, &err);
	cleanup_free uint8_t *answer = malloc(32 << 20);
	size_t used;

	CHECK(fd >= 0);
	CHECK(send(fd, events, sizeof(events), MSG_NOSIGNAL) == sizeof(events));
	for (int i = 0; i < 5000 && fixture->events_sent == 0; i++)
		CHECK_OK(task_pause(5, &err), err);
	// the handler ran until it was told that this is enough: 16 MiB of 4 KiB, and what the socket holds
	CHECK(fixture->events_sent > 4000 && fixture->events_sent < 5000);
	CHECK_OK(ping(fixture, &err), err);
	CHECK_OK(read_to_end(fd, answer, 32 << 20, &used, &err), err);
	CHECK(used < (17u << 20));
}
RPC_TEST(slow_reader_is_dropped)

static void too_many_connections_task(void *data)
{
	struct fixture *fixture = data;
	struct error err = ERROR_INIT;
	int fds[RPC_CONNECTIONS_MAX + 5];
	uint8_t byte;

	for (unsigned i = 0; i < RPC_CONNECTIONS_MAX + 5; i++) {
		fds[i] = rpc_socket_connect_unix(fixture->socket, &err);
		CHECK_OK(fds[i], err);
		// one after the other: the server takes it, or hangs up
		while (fixture->server->peer_count < RPC_CONNECTIONS_MAX && fixture->server->peer_count <= i)
			CHECK_OK(task_pause(1, &err), err);
	}
	for (unsigned i = RPC_CONNECTIONS_MAX; i < RPC_CONNECTIONS_MAX + 5; i++) {
		CHECK_OK(task_wait_fd(fds[i], POLLIN, 30000, "the server hangs up", &err), err);
		CHECK(recv(fds[i], &byte, 1, 0) == 0);
	}
	for (unsigned i = 0; i < RPC_CONNECTIONS_MAX + 5; i++)
		close(fds[i]);
	for (int i = 0; i < 5000 && fixture->server->peer_count > 0; i++)
		CHECK_OK(task_pause(5, &err), err);
	CHECK_OK(ping(fixture, &err), err);
}
RPC_TEST(too_many_connections)

static void too_many_calls_on_one_connection_task(void *data)
{
	struct fixture *fixture = data;
	struct error err = ERROR_INIT;
	uint8_t request[] = { 0, 0, 0, 6, 0x08, 0, 0, 0x92, 0x02, 0x00 }; // id, group_start (34)
	cleanup_fd int fd = rpc_socket_connect_unix(fixture->socket, &err);
	uint8_t answer[512];

	CHECK(fd >= 0);
	for (unsigned i = 0; i < RPC_CALLS_PER_PEER + 1; i++) {
		request[5] = (uint8_t)((i & 0x7f) | 0x80);
		request[6] = (uint8_t)(i >> 7);
		CHECK(send(fd, request, sizeof(request), MSG_NOSIGNAL) == sizeof(request));
	}
	CHECK_OK(task_wait_fd(fd, POLLIN, 5000, "the refusal", &err), err);
	ssize_t got = recv(fd, answer, sizeof(answer), 0);
	CHECK(got > FRAME_HEADER_BYTES);
	Holdfast__Reply *reply = holdfast__reply__unpack(NULL, (size_t)got - 4, answer + 4);
	CHECK(reply && reply->body_case == HOLDFAST__REPLY__BODY_ERROR && reply->id == RPC_CALLS_PER_PEER);
	CHECK(reply->error->code == ERROR_BUSY && strstr(reply->error->message, "too many requests at once"));
	holdfast__reply__free_unpacked(reply, NULL);
}
RPC_TEST(too_many_calls_on_one_connection)

// TCP: silence is not waited for, and who has no certificate must not linger.
static void silent_and_idle_strangers_are_hung_up_on_task(void *data)
{
	struct fixture *fixture = data;
	struct error err = ERROR_INIT;
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	char fingerprint[65], name[80];
	unsigned port;
	uint8_t bytes[4];
	size_t used;

	fixture->server->handshake_ms = 50;
	fixture->server->stranger_idle_ms = 100;
	CHECK_OK(tls_ca_create(fixture->directory, "c1", &err), err);
	CHECK_OK(tls_node_issue(fixture->directory, "a1", &err), err);
	CHECK_OK(tls_ca_fingerprint(fixture->directory, fingerprint, &err), err);
	struct tls_context *tls = tls_context_load(fixture->directory, &err);
	CHECK(tls);
	int probe = rpc_socket_bind_tcp("127.0.0.1", 0, &err);
	CHECK(probe >= 0 && getsockname(probe, (struct sockaddr *)&address, &size) == 0);
	rpc_socket_name(&address, size, name, sizeof(name));
	close(probe);
	CHECK(sscanf(name, "127.0.0.1 port %u", &port) == 1);
	CHECK_OK(rpc_server_listen_tls(fixture->server, "127.0.0.1", port, tls, &err), err);

	open_log(fixture);
	int fd = rpc_socket_connect_tcp("127.0.0.1", port, 30000, &err);
	CHECK(fd >= 0);
	CHECK_OK(read_to_end(fd, bytes, sizeof(bytes), &used, &err), err);
	CHECK(used == 0);
	close(fd);
	CHECK(lines_of_log(fixture, "TLS handshake: nothing within") == 1);

	struct rpc_client *client = rpc_connect_join("127.0.0.1", port, fingerprint, 30000, &err);
	CHECK(client);
	for (int i = 0; i < 5000 && rpc_client_alive(client); i++)
		CHECK_OK(task_pause(5, &err), err);
	CHECK(!rpc_client_alive(client));
	CHECK(fixture->server->peer_count == 0 && fixture->server->stranger_count == 0 &&
		fixture->server->handshake_count == 0);
	rpc_client_free(client);
	rpc_server_free(fixture->server);
	fixture->server = NULL;
	tls_context_free(tls);
}
RPC_TEST(silent_and_idle_strangers_are_hung_up_on)

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(frame_of_4_gib),
	cmocka_unit_test(frame_just_over_the_limit),
	cmocka_unit_test(empty_frame),
	cmocka_unit_test(garbage_in_a_frame),
	cmocka_unit_test(text),
	cmocka_unit_test(request_without_a_body),
	cmocka_unit_test(request_of_a_newer_version),
	cmocka_unit_test(pieces_and_hang_ups),
	cmocka_unit_test(slow_reader_is_dropped),
	cmocka_unit_test(too_many_connections),
	cmocka_unit_test(too_many_calls_on_one_connection),
	cmocka_unit_test(silent_and_idle_strangers_are_hung_up_on),
};

UNIT_MAIN(tests)
