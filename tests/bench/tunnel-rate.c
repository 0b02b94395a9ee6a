// SPDX-License-Identifier: GPL-3.0-or-later
// How much a tunnel carries: two tunnels over one TCP connection of this machine, a thread that writes into the one as QEMU does (256 KiB at
// once) and one that reads from the other (32 KiB at once). Prints MiB/s. What is between the tunnels is in tunnel-tls.c and tunnel-plain.c.
// What goes through does not shrink. --packs: as frames, packed if that pays (common/pack-stream.h).
//   tunnel-rate-tls [--packs] MIB PKI-OF-A PKI-OF-B      tunnel-rate-plain [--packs] MIB
#include "tests/bench/tunnel-rate.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/rpc-tunnel.h"

#define WRITE_BYTES (256u << 10) // QEMU's MAX_IOV_SIZE, in pages
#define READ_BYTES 32768u // QEMU's IO_BUF_SIZE
#define WARM_BYTES (64u << 20) // before the clock starts
#define MEMORY_BYTES (64u << 20) // that the pages come from

struct end {
	int fd;
	uint64_t bytes;
	double begin_ms;
	int result;
};

static int wait_for(int fd, short events)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	return poll(&poll_fd, 1, 60000) == 1 ? 0 : -1;
}

static void *write_all(void *data)
{
	struct end *end = data;
	uint8_t *memory = malloc(MEMORY_BYTES);
	uint64_t at = 0;

	end->result = memory ? 0 : -1;
	for (size_t i = 0; memory && i < MEMORY_BYTES; i += sizeof(uint64_t))
		*(uint64_t *)(memory + i) = (i + 1) * 0x9e3779b97f4a7c15u;
	while (end->result == 0 && at < end->bytes) {
		uint64_t from = at % MEMORY_BYTES, count = MEMORY_BYTES - from;
		ssize_t put = write(end->fd, memory + from, count < WRITE_BYTES ? count : WRITE_BYTES);
		if (put > 0)
			at += (uint64_t)put;
		else if (errno != EAGAIN || wait_for(end->fd, POLLOUT) < 0)
			end->result = -1;
	}
	free(memory);
	return NULL;
}

static void *read_all(void *data)
{
	struct end *end = data;
	cleanup_free uint8_t *buffer = malloc(READ_BYTES);
	uint64_t at = 0;

	end->result = buffer ? 0 : -1;
	while (end->result == 0 && at < end->bytes) {
		ssize_t got = read(end->fd, buffer, READ_BYTES);
		if (got > 0)
			at += (uint64_t)got;
		else if (got == 0 || errno != EAGAIN || wait_for(end->fd, POLLIN) < 0)
			end->result = -1;
		if (end->begin_ms <= 0 && at >= WARM_BYTES)
			end->begin_ms = loop_now_ms();
	}
	return NULL;
}

static int connect_ends(int ends[2], struct error *err)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	cleanup_fd int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || ends[0] < 0 || bind(listener, (struct sockaddr *)&address, size) < 0 ||
		listen(listener, 1) < 0 || getsockname(listener, (struct sockaddr *)&address, &size) < 0 ||
		connect(ends[0], (struct sockaddr *)&address, size) < 0)
		return error_set_errno(err, errno, "cannot connect to this machine");
	ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (ends[1] < 0)
		return error_set_errno(err, errno, "cannot connect to this machine");
	for (size_t i = 0; i < 2; i++)
		if (fcntl(ends[i], F_SETFL, O_NONBLOCK) < 0)
			return error_set_errno(err, errno, "cannot make a socket non-blocking");
	return 0;
}

struct rate {
	struct loop *loop;
	int argc;
	char **argv;
	bool packs;
	int fds[2]; // of the tunnels, for those who use them
	struct error err;
	int result;
};

static int set_up(struct rate *rate, struct error *err)
{
	struct tls_session *sessions[2] = { NULL, NULL };
	int ends[2];

	if (connect_ends(ends, err) < 0 ||
		tunnel_rate_sessions(ends, rate->argv + 2, rate->argc - 2, sessions, err) < 0)
		return -1;
	for (size_t i = 0; i < 2; i++) {
		enum rpc_tunnel_pack pack = i ? RPC_TUNNEL_UNPACKS : RPC_TUNNEL_PACKS;
		if (rpc_tunnel_start_packed(
			    sessions[i], rate->packs ? pack : RPC_TUNNEL_PLAIN, NULL, &rate->fds[i], err) < 0)
			return -1;
	}
	return 0;
}

static void set_up_task(void *data)
{
	struct rate *rate = data;

	rate->result = set_up(rate, &rate->err);
	loop_quit(rate->loop);
}

static int measure(const struct rate *rate, uint64_t bytes)
{
	struct end out = { .fd = rate->fds[0], .bytes = bytes + WARM_BYTES };
	struct end in = { .fd = rate->fds[1], .bytes = bytes + WARM_BYTES };
	pthread_t writer;

	if (pthread_create(&writer, NULL, write_all, &out) != 0)
		return -1;
	read_all(&in);
	double took_ms = loop_now_ms() - in.begin_ms;
	pthread_join(writer, NULL);
	if (out.result < 0 || in.result < 0)
		return -1;
	printf("%.1f\n", (double)bytes / (1 << 20) * 1000 / took_ms);
	return 0;
}

int main(int argc, char **argv)
{
	bool packs = argc > 1 && strcmp(argv[1], "--packs") == 0;
	struct rate rate = { .loop = loop_new(), .packs = packs };
	argc -= packs;
	argv += packs;
	rate.argc = argc;
	rate.argv = argv;
	unsigned long mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;

	if (!mib || !rate.loop) {
		fprintf(stderr, "usage: %s [--packs] MIB [PKI-OF-A PKI-OF-B]\n", argv[0]);
		return 2;
	}
	if (!task_start(rate.loop, "set-up", set_up_task, &rate, &rate.err))
		rate.result = -1;
	else
		loop_run(rate.loop);
	if (rate.result < 0) {
		fprintf(stderr, "%s: %s\n", argv[0], rate.err.message);
		return 1;
	}
	if (measure(&rate, (uint64_t)mib << 20) < 0) {
		fprintf(stderr, "%s: the tunnel broke\n", argv[0]);
		return 1;
	}
	return 0;
}
