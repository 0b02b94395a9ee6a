// SPDX-License-Identifier: GPL-3.0-or-later
// rpc over TLS on the loopback: who is let in as what, who is refused and with which words, and the tunnel.
#include "tests/unit/rpc-fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/rpc-socket.h"

#define TUNNEL_BYTES (64u << 20)

// A cluster with the nodes a1 (the server) and b1, and a node x1 of another cluster, which trusts the first one's CA if asked to.
struct pki {
	char a1[64], b1[64], x1[64];
	struct tls_context *a1_tls, *b1_tls, *x1_tls;
	unsigned port;
};

static int copy_file(const char *from, const char *to, const char *file, struct error *err)
{
	cleanup_free char *text = NULL;
	char path[128];
	size_t size;

	snprintf(path, sizeof(path), "%s/%s", from, file);
	if (file_read(path, 65536, &text, &size, err) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/%s", to, file);
	return file_write_atomic(path, text, size, 0600, err);
}

static int join_b1(struct pki *pki, struct error *err)
{
	cleanup_free char *csr = NULL;
	cleanup_free char *certificate = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s/node.pem", pki->b1);
	if (tls_request_create(pki->b1, "b1", &csr, err) < 0 ||
		tls_request_sign(pki->a1, "b1", csr, &certificate, err) < 0)
		return -1;
	return file_write_atomic(path, certificate, strlen(certificate), 0644, err) < 0
		? -1
		: copy_file(pki->a1, pki->b1, "ca.pem", err);
}

static unsigned free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	cleanup_fd int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&address, size) < 0 ||
		getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return 0;
	return ntohs(address.sin_port);
}

static int pki_open(struct pki *pki, struct fixture *fixture, struct error *err)
{
	*pki = (struct pki){ .a1 = "/tmp/holdfast-a1-XXXXXX",
		.b1 = "/tmp/holdfast-b1-XXXXXX",
		.x1 = "/tmp/holdfast-x1-XXXXXX" };
	if (!mkdtemp(pki->a1) || !mkdtemp(pki->b1) || !mkdtemp(pki->x1))
		return error_set(err, ERROR_FAILED, "mkdtemp");
	if (tls_ca_create(pki->a1, "c1", err) < 0 || tls_node_issue(pki->a1, "a1", err) < 0 ||
		join_b1(pki, err) < 0 || tls_ca_create(pki->x1, "c1", err) < 0 ||
		tls_node_issue(pki->x1, "b1", err) < 0)
		return -1;
	pki->a1_tls = tls_context_load(pki->a1, err);
	pki->b1_tls = tls_context_load(pki->b1, err);
	pki->x1_tls = tls_context_load(pki->x1, err);
	if (!pki->a1_tls || !pki->b1_tls || !pki->x1_tls)
		return -1;
	pki->port = free_port();
	return rpc_server_listen_tls(fixture->server, "127.0.0.1", pki->port, pki->a1_tls, err);
}

static void pki_close(struct pki *pki)
{
	static const char *const files[] = { "ca.pem", "ca.key", "node.pem", "node.key" };
	const char *const directories[] = { pki->a1, pki->b1, pki->x1 };

	tls_context_free(pki->a1_tls);
	tls_context_free(pki->b1_tls);
	tls_context_free(pki->x1_tls);
	for (size_t i = 0; i < 3; i++) {
		char path[128];
		for (size_t j = 0; j < 4; j++) {
			snprintf(path, sizeof(path), "%s/%s", directories[i], files[j]);
			unlink(path);
		}
		rmdir(directories[i]);
	}
}

#define TLS_TEST(name)                                             \
	static void name##_task(void *data)                        \
	{                                                          \
		struct error err = ERROR_INIT;                     \
		struct pki pki;                                    \
		CHECK_OK(pki_open(&pki, data, &err), err);         \
		name##_with(data, &pki);                           \
		rpc_server_free(((struct fixture *)data)->server); \
		((struct fixture *)data)->server = NULL;           \
		pki_close(&pki);                                   \
	}                                                          \
	RPC_TEST(name)

static int ping(struct rpc_client *client, struct error *err)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Empty empty = HOLDFAST__EMPTY__INIT;

	request.body_case = HOLDFAST__REQUEST__BODY_PING;
	request.ping = &empty;
	return rpc_client_do(client, &request, 30000, err);
}

static int fails(struct rpc_client *client)
{
	return client ? 0 : -1;
}

static void nodes_know_each_other_with(struct fixture *data, struct pki *pki)
{
	struct error err = ERROR_INIT;
	struct rpc_client *client = rpc_connect_tls("127.0.0.1", pki->port, "a1", pki->b1_tls, 30000, &err);

	CHECK_OK(fails(client), err);
	CHECK_OK(ping(client, &err), err);
	CHECK(strcmp(data->caller, "node b1") == 0);
	CHECK_OK(ping(client, &err), err); // after a pause in which nothing was read
	CHECK(rpc_client_alive(client));
	rpc_client_free(client);
	client = rpc_connect_tls("localhost", pki->port, NULL, pki->b1_tls, 30000, &err);
	CHECK_OK(fails(client), err);
	CHECK_OK(ping(client, &err), err);
	rpc_client_free(client);
}
TLS_TEST(nodes_know_each_other)

static void wrong_node_is_refused_with(struct fixture *data, struct pki *pki)
{
	struct error err = ERROR_INIT;

	CHECK_FAILS(fails(rpc_connect_tls("127.0.0.1", pki->port, "b1", pki->b1_tls, 30000, &err)), err,
		ERROR_DENIED, "the node there is not \"b1\"");
}
TLS_TEST(wrong_node_is_refused)

static void other_cluster_is_refused_with(struct fixture *data, struct pki *pki)
{
	struct error err = ERROR_INIT;

	// it does not trust us
	CHECK_FAILS(fails(rpc_connect_tls("127.0.0.1", pki->port, "a1", pki->x1_tls, 30000, &err)), err,
		ERROR_DENIED, "belongs to another cluster");
	// it trusts our CA but has a certificate of its own cluster: the server refuses, and the client learns why at its first call
	CHECK_OK(copy_file(pki->a1, pki->x1, "ca.pem", &err), err);
	struct tls_context *mixed = tls_context_load(pki->x1, &err);
	CHECK(mixed);
	struct rpc_client *client = rpc_connect_tls("127.0.0.1", pki->port, "a1", mixed, 30000, &err);
	if (client)
		CHECK_FAILS(ping(client, &err), err, ERROR_DENIED, "the other side refuses our certificate");
	else
		CHECK_FAILS(fails(client), err, ERROR_DENIED, "the other side refuses our certificate");
	CHECK(!client || !rpc_client_alive(client));
	CHECK(data->caller[0] == '\0');
	rpc_client_free(client);
	tls_context_free(mixed);
}
TLS_TEST(other_cluster_is_refused)

static void stranger_gets_only_what_is_for_strangers_with(struct fixture *data, struct pki *pki)
{
	struct error err = ERROR_INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Empty empty = HOLDFAST__EMPTY__INIT;
	char fingerprint[65];

	CHECK_OK(tls_ca_fingerprint(pki->a1, fingerprint, &err), err);
	struct rpc_client *client = rpc_connect_join("127.0.0.1", pki->port, fingerprint, 30000, &err);
	CHECK_OK(fails(client), err);
	CHECK_OK(ping(client, &err), err);
	CHECK(strncmp(data->caller, "stranger 127.0.0.1 port", 23) == 0);
	request.body_case = HOLDFAST__REQUEST__BODY_HOST_STATUS;
	request.host_status = &empty;
	CHECK_FAILS(rpc_client_do(client, &request, 30000, &err), err, ERROR_DENIED, "needs a certificate");
	rpc_server_set_forward(data->server, fixture_handlers[0].serve, "a1");
	request.node = (char *)"b1";
	CHECK_FAILS(rpc_client_do(client, &request, 30000, &err), err, ERROR_DENIED,
		"needs a certificate"); // nor passed on
	rpc_client_free(client);
	// another cluster's fingerprint, and what is none
	CHECK_OK(tls_ca_fingerprint(pki->x1, fingerprint, &err), err);
	CHECK_FAILS(fails(rpc_connect_join("127.0.0.1", pki->port, fingerprint, 30000, &err)), err,
		ERROR_DENIED, "not the one in the join token");
	CHECK_FAILS(fails(rpc_connect_join("127.0.0.1", pki->port, "abc", 30000, &err)), err, ERROR_USAGE,
		"64 hexadecimal digits");
}
TLS_TEST(stranger_gets_only_what_is_for_strangers)

static void nobody_listens_with(struct fixture *data, struct pki *pki)
{
	struct error err = ERROR_INIT;
	unsigned port = free_port();

	CHECK_FAILS(fails(rpc_connect_tls("127.0.0.1", port, "a1", pki->b1_tls, 30000, &err)), err,
		ERROR_UNREACHABLE, "Connection refused");
	// one that takes the connection and says nothing
	int fd = rpc_socket_bind_tcp("127.0.0.1", port, &err);
	CHECK(fd >= 0 && listen(fd, 1) == 0);
	CHECK_FAILS(fails(rpc_connect_tls("127.0.0.1", port, "a1", pki->b1_tls, 100, &err)), err,
		ERROR_TIMEOUT, "TLS handshake");
	close(fd);
}
TLS_TEST(nobody_listens)

static void no_tls_is_refused_with(struct fixture *data, struct pki *pki)
{
	struct error err = ERROR_INIT;
	char bytes[256];
	int fd = rpc_socket_connect_tcp("127.0.0.1", pki->port, 30000, &err);

	CHECK(fd >= 0);
	CHECK(send(fd, "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL) == 18);
	ssize_t got;
	do {
		CHECK_OK(task_wait_fd(fd, POLLIN, 30000, "the server hangs up", &err), err);
		got = recv(fd, bytes, sizeof(bytes), 0);
	} while (got > 0); // a TLS alert
	close(fd);
	struct rpc_client *client = rpc_connect_tls("127.0.0.1", pki->port, "a1", pki->b1_tls, 30000, &err);
	CHECK_OK(fails(client), err);
	CHECK_OK(ping(client, &err), err);
	rpc_client_free(client);
}
TLS_TEST(no_tls_is_refused)

// ---- the tunnel

struct stream {
	int fd;
	unsigned seed;
	size_t bytes;
	uint64_t sum;
	bool dull; // every second piece is
};

static uint64_t sum_of(uint64_t sum, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sum = (sum ^ bytes[i]) * 1099511628211u;
	return sum;
}

static int poll_for(int fd, short events)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	return poll(&pollfd, 1, 10000);
}

// Writes so many bytes, then the end.
static int write_stream(void *data, struct error *err)
{
	struct stream *stream = data;
	uint8_t piece[60000];
	size_t sent = 0;

	while (sent < stream->bytes) {
		size_t count = stream->bytes - sent < sizeof(piece) ? stream->bytes - sent : sizeof(piece);
		for (size_t i = 0; i < count; i++)
			piece[i] = stream->dull && sent / sizeof(piece) % 2
				? (uint8_t)(i / 300)
				: (uint8_t)((stream->seed = stream->seed * 1103515245 + 12345) >> 16);
		stream->sum = sum_of(stream->sum, piece, count);
		for (size_t put = 0; put < count;) {
			ssize_t now = send(stream->fd, piece + put, count - put, MSG_NOSIGNAL);
			if (now < 0 && errno != EAGAIN)
				return error_set_errno(err, errno, "send");
			if (now < 0 && poll_for(stream->fd, POLLOUT) != 1)
				return error_set(err, ERROR_TIMEOUT, "send");
			put += now > 0 ? (size_t)now : 0;
		}
		sent += count;
	}
	shutdown(stream->fd, SHUT_WR);
	return 0;
}

// Reads to the end.
static int read_stream(void *data, struct error *err)
{
	struct stream *stream = data;
	uint8_t piece[65536];
	ssize_t got;

	while ((got = recv(stream->fd, piece, sizeof(piece), 0)) != 0) {
		if (got < 0 && errno != EAGAIN)
			return error_set_errno(err, errno, "recv");
		if (got < 0 && poll_for(stream->fd, POLLIN) != 1)
			return error_set(err, ERROR_TIMEOUT, "recv");
		if (got > 0) {
			stream->bytes += (size_t)got;
			stream->sum = sum_of(stream->sum, piece, (size_t)got);
		}
	}
	return 0;
}

struct worker {
	task_work_fn *fn;
	struct stream *stream;
	struct error err;
	unsigned *left;
	struct task_wait *done;
};

static void work(void *data)
{
	struct worker *worker = data;

	if (task_offload(worker->fn, worker->stream, &worker->err) == 0)
		error_clear(&worker->err);
	if (--*worker->left == 0)
		task_wake(worker->done);
}

static int open_tunnel(struct fixture *fixture, struct pki *pki, int *fd, struct error *err)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__VmCreate create = HOLDFAST__VM_CREATE__INIT;
	struct rpc_client *client = rpc_connect_tls("127.0.0.1", pki->port, "a1", pki->b1_tls, 30000, err);
	struct tls_session *tls;

	if (!client)
		return -1;
	request.body_case = HOLDFAST__REQUEST__BODY_VM_CREATE;
	request.vm_create = &create;
	if (rpc_client_do(client, &request, 30000, err) < 0 ||
		task_wait(&fixture->hijacked, 30000, "hand-over", err) < 0)
		return -1;
	if (!fixture->packed)
		return rpc_client_hijack(client, fd, err);
	if (rpc_client_hijack_tls(client, &tls, err) < 0)
		return -1;
	return rpc_tunnel_start_packed(tls, fixture->client_pack, fixture->meter, fd, err);
}

// 64 MiB one way and 8 MiB the other at the same time; each end is passed on by itself.
static void carry_both_ways(struct fixture *data, struct pki *pki)
{
	struct error err = ERROR_INIT;
	struct task_wait done = { 0 };
	unsigned left = 4;
	cleanup_fd int fd = -1;

	CHECK_OK(open_tunnel(data, pki, &fd, &err), err);
	struct stream streams[4] = {
		{ .fd = fd, .seed = 1, .bytes = TUNNEL_BYTES, .dull = true },
		{ .fd = data->hijacked_fd },
		{ .fd = data->hijacked_fd, .seed = 2, .bytes = TUNNEL_BYTES / 8 },
		{ .fd = fd },
	};
	struct worker workers[4];
	for (int i = 0; i < 4; i++) {
		workers[i] = (struct worker){ i % 2 ? read_stream : write_stream, &streams[i], ERROR_INIT,
			&left, &done };
		CHECK(task_start(data->loop, "worker", work, &workers[i], &err));
	}
	CHECK_OK(task_wait(&done, 60000, "all bytes", &err), err);
	for (int i = 0; i < 4; i++)
		CHECK_OK(workers[i].err.code ? -1 : 0, workers[i].err);
	CHECK(streams[1].bytes == TUNNEL_BYTES && streams[1].sum == streams[0].sum);
	CHECK(streams[3].bytes == TUNNEL_BYTES / 8 && streams[3].sum == streams[2].sum);
}

static void tunnel_carries_both_ways_with(struct fixture *data, struct pki *pki)
{
	carry_both_ways(data, pki);
}
TLS_TEST(tunnel_carries_both_ways)

// The way there is packed, the way back is as it is.
static void packed_tunnel_carries_both_ways_with(struct fixture *data, struct pki *pki)
{
	struct error err = ERROR_INIT;

	data->packed = true;
	data->client_pack = RPC_TUNNEL_PACKS_ALWAYS;
	CHECK(data->meter = rpc_tunnel_meter_new(&err));
	carry_both_ways(data, pki);
	uint64_t sent = rpc_tunnel_meter_bytes(data->meter);
	CHECK(sent > TUNNEL_BYTES / 2 && sent < TUNNEL_BYTES * 6 / 10);
	rpc_tunnel_meter_drop(data->meter);
}
TLS_TEST(packed_tunnel_carries_both_ways)

static void adaptive_tunnel_carries_both_ways_with(struct fixture *data, struct pki *pki)
{
	data->packed = true;
	data->client_pack = RPC_TUNNEL_PACKS;
	carry_both_ways(data, pki);
}
TLS_TEST(adaptive_tunnel_carries_both_ways)

// A peer that sends what are no frames, or ends within one: the tunnel ends, and nothing of it comes out.
static void false_frames_end_the_tunnel_with(struct fixture *data, struct pki *pki)
{
	static const struct {
		const char *bytes;
		size_t count;
	} cases[] = { { "HFP0\1\0\0\0\2\0\0\0ab", 14 }, { "something else", 14 }, { "HFP0\4\0", 6 },
		{ "HFP1\4\0\0\0\3\0\0\0abc", 15 }, { "HFP1\4\0\0\0\3\0\0\0a", 13 } };

	data->packed = true;
	data->client_pack = RPC_TUNNEL_PLAIN;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error err = ERROR_INIT;
		struct stream incoming = { 0 };
		cleanup_fd int fd = -1;
		CHECK_OK(open_tunnel(data, pki, &fd, &err), err);
		CHECK(send(fd, cases[i].bytes, cases[i].count, MSG_NOSIGNAL) == (ssize_t)cases[i].count);
		shutdown(fd, SHUT_WR);
		incoming.fd = data->hijacked_fd;
		CHECK_OK(task_offload(read_stream, &incoming, &err), err);
		CHECK(incoming.bytes == 0);
		close(data->hijacked_fd);
		data->hijacked_fd = -1;
	}
}
TLS_TEST(false_frames_end_the_tunnel)

static void tunnel_half_closes_with(struct fixture *data, struct pki *pki)
{
	struct error err = ERROR_INIT;
	char bytes[16];
	cleanup_fd int fd = -1;

	CHECK_OK(open_tunnel(data, pki, &fd, &err), err);
	CHECK(send(fd, "last", 4, MSG_NOSIGNAL) == 4 && shutdown(fd, SHUT_WR) == 0);
	CHECK_OK(task_wait_fd(data->hijacked_fd, POLLIN, 30000, "the words", &err), err);
	CHECK(recv(data->hijacked_fd, bytes, sizeof(bytes), 0) == 4);
	CHECK_OK(task_wait_fd(data->hijacked_fd, POLLIN, 30000, "the end", &err), err);
	CHECK(recv(data->hijacked_fd, bytes, sizeof(bytes), 0) == 0);
	// the other direction is still there
	CHECK(send(data->hijacked_fd, "answer", 6, MSG_NOSIGNAL) == 6);
	CHECK_OK(task_wait_fd(fd, POLLIN, 30000, "the answer", &err), err);
	CHECK(recv(fd, bytes, sizeof(bytes), 0) == 6);
	close(data->hijacked_fd);
	data->hijacked_fd = -1;
	CHECK_OK(task_wait_fd(fd, POLLIN, 30000, "the other end", &err), err);
	CHECK(recv(fd, bytes, sizeof(bytes), 0) == 0);
}
TLS_TEST(tunnel_half_closes)

// What was written before a full close arrives; who writes to one that is closed is told soon.
static void tunnel_ends_when_one_side_closes_with(struct fixture *data, struct pki *pki)
{
	struct error err = ERROR_INIT;
	struct stream incoming = { 0 };
	uint8_t *piece = calloc(1, 300000);
	cleanup_fd int fd = -1;
	size_t written = 0;

	CHECK_OK(open_tunnel(data, pki, &fd, &err), err);
	while (written < 300000) {
		ssize_t put = send(data->hijacked_fd, piece, 300000 - written, MSG_NOSIGNAL);
		CHECK(put > 0 || errno == EAGAIN);
		written += put > 0 ? (size_t)put : 0;
	}
	free(piece);
	close(data->hijacked_fd);
	data->hijacked_fd = -1;
	incoming.fd = fd;
	CHECK_OK(task_offload(read_stream, &incoming, &err), err);
	CHECK(incoming.bytes == 300000);
	struct stream outgoing = { .fd = fd, .bytes = 1u << 30 };
	CHECK_FAILS(task_offload(write_stream, &outgoing, &err), err, ERROR_UNREACHABLE, "Broken pipe");
}
TLS_TEST(tunnel_ends_when_one_side_closes)

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(nodes_know_each_other),
	cmocka_unit_test(wrong_node_is_refused),
	cmocka_unit_test(other_cluster_is_refused),
	cmocka_unit_test(stranger_gets_only_what_is_for_strangers),
	cmocka_unit_test(nobody_listens),
	cmocka_unit_test(no_tls_is_refused),
	cmocka_unit_test(tunnel_carries_both_ways),
	cmocka_unit_test(packed_tunnel_carries_both_ways),
	cmocka_unit_test(adaptive_tunnel_carries_both_ways),
	cmocka_unit_test(false_frames_end_the_tunnel),
	cmocka_unit_test(tunnel_half_closes),
	cmocka_unit_test(tunnel_ends_when_one_side_closes),
};

UNIT_MAIN(tests)
