// SPDX-License-Identifier: GPL-3.0-or-later
// Sockets for rpc. Knows addresses and socket options, no frame and no TLS.
#include "common/rpc-socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "common/cleanup.h"
#include "common/task.h"

static int unix_address(const char *path, struct sockaddr_un *address, struct error *err)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address->sun_path))
		return error_set(err, ERROR_USAGE,
			"the path \"%s\" is too long for a Unix socket (the limit is %zu bytes)", path,
			sizeof(address->sun_path) - 1);
	memcpy(address->sun_path, path, strlen(path));
	return 0;
}

static int unix_socket(struct error *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? error_set_errno(err, errno, "cannot make a Unix socket") : fd;
}

int rpc_socket_connect_unix(const char *path, struct error *err)
{
	struct sockaddr_un address;

	if (unix_address(path, &address, err) < 0)
		return -1;
	cleanup_fd int fd = unix_socket(err);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return steal_fd(&fd);
	int errnum = errno;
	if (errnum == ENOENT || errnum == ECONNREFUSED) {
		error_set(err, ERROR_UNREACHABLE, "nobody answers at %s: is the daemon running?", path);
		err->errnum = errnum;
		return -1;
	}
	return error_set_errno(err, errnum, "cannot connect to %s", path);
}

// Takes a socket file away that a dead process has left.
static int clear_stale(const char *path, struct error *err)
{
	struct error why = ERROR_INIT;
	struct stat status;

	if (lstat(path, &status) < 0)
		return errno == ENOENT ? 0 : error_set_errno(err, errno, "cannot look at %s", path);
	if (!S_ISSOCK(status.st_mode))
		return error_set(err, ERROR_EXISTS, "%s exists and is no socket: move it away", path);
	int fd = rpc_socket_connect_unix(path, &why);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 || why.errnum != ECONNREFUSED)
		return error_set(err, ERROR_EXISTS,
			"another process listens at %s: is the daemon running already?", path);
	if (unlink(path) < 0)
		return error_set_errno(err, errno, "cannot remove the stale socket %s", path);
	return 0;
}

int rpc_socket_bind_unix(const char *path, struct error *err)
{
	struct sockaddr_un address;

	if (unix_address(path, &address, err) < 0 || clear_stale(path, err) < 0)
		return -1;
	cleanup_fd int fd = unix_socket(err);
	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set_errno(err, errno, "cannot make the socket %s", path);
	return steal_fd(&fd);
}

// Numbers only unless NAMES: looking names up blocks.
static int resolve(const char *host, unsigned port, int flags, struct addrinfo **list)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags };
	char service[16];

	snprintf(service, sizeof(service), "%u", port);
	return getaddrinfo(host, service, &hints, list);
}

int rpc_socket_bind_tcp(const char *address, unsigned port, struct error *err)
{
	const char *shown = address ? address : "all addresses";
	struct addrinfo *list;
	int one = 1, zero = 0;

	// "::" takes IPv4 too, but a kernel may have no IPv6
	int result = resolve(address ? address : "::", port, AI_NUMERICHOST | AI_PASSIVE, &list);
	if (result != 0)
		return error_set(err, ERROR_USAGE, "\"%s\" is no IP address to listen at: %s", shown,
			gai_strerror(result));
	cleanup_fd int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 && errno == EAFNOSUPPORT && !address) {
		freeaddrinfo(list);
		return rpc_socket_bind_tcp("0.0.0.0", port, err);
	}
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (list->ai_family == AF_INET6 && !address)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	}
	result = fd < 0 ? -1 : bind(fd, list->ai_addr, list->ai_addrlen);
	int errnum = errno;
	freeaddrinfo(list);
	if (result < 0)
		return error_set_errno(err, errnum, "cannot listen at %s port %u", shown, port);
	return steal_fd(&fd);
}

void rpc_socket_tune(int fd, unsigned dead_ms)
{
	int one = 1, idle_s = 5, interval_s = 2, count = 3;

	// each is an improvement only; on a socket that is no TCP socket they fail
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms));
}

uint64_t rpc_socket_unsent(int fd)
{
	int bytes = 0;

	return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (uint64_t)bytes : 0;
}

void rpc_socket_name(const struct sockaddr_storage *address, socklen_t size, char *name, size_t name_bytes)
{
	char host[64], service[16];

	if (getnameinfo((const struct sockaddr *)address, size, host, sizeof(host), service, sizeof(service),
		    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		snprintf(name, name_bytes, "unknown");
	else
		snprintf(name, name_bytes, "%s port %s", host, service);
}

struct lookup {
	char host[256];
	unsigned port;
	struct addrinfo *list;
};

static int look_up(void *data, struct error *err)
{
	struct lookup *lookup = data;
	int result = resolve(lookup->host, lookup->port, 0, &lookup->list);

	return result == 0 ? 0
			   : error_set(err, ERROR_NOT_FOUND, "cannot find the address of \"%s\": %s",
				     lookup->host, gai_strerror(result));
}

static int connect_one(const struct addrinfo *to, unsigned timeout_ms, struct error *err)
{
	cleanup_fd int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int errnum = 0;
	socklen_t size = sizeof(errnum);

	if (fd < 0)
		return error_set_errno(err, errno, "cannot make a socket");
	rpc_socket_tune(fd, RPC_SOCKET_DEAD_MS);
	if (connect(fd, to->ai_addr, to->ai_addrlen) < 0) {
		if (errno != EINPROGRESS)
			return error_set_errno(err, errno, "cannot connect");
		if (task_wait_fd(fd, POLLOUT, timeout_ms, "it does not answer", err) < 0)
			return -1;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &size) < 0 || errnum != 0)
			return error_set_errno(err, errnum, "cannot connect");
	}
	return steal_fd(&fd);
}

int rpc_socket_connect_tcp(const char *address, unsigned port, unsigned timeout_ms, struct error *err)
{
	int64_t deadline_us = loop_now_us() + (int64_t)timeout_ms * 1000;
	struct lookup lookup = { .port = port };
	int fd = -1;

	if (strlen(address) >= sizeof(lookup.host))
		return error_set(err, ERROR_USAGE, "the address \"%.60s...\" is too long", address);
	memcpy(lookup.host, address, strlen(address));
	if (resolve(address, port, AI_NUMERICHOST, &lookup.list) != 0 &&
		task_offload(look_up, &lookup, err) < 0)
		return -1;
	for (struct addrinfo *to = lookup.list; to && fd < 0; to = to->ai_next) {
		int64_t left_ms = (deadline_us - loop_now_us()) / 1000;
		error_clear(err);
		fd = connect_one(to, left_ms > 0 ? (unsigned)left_ms : 0, err);
		if (fd < 0 && err && err->code == ERROR_CANCELLED)
			break;
	}
	freeaddrinfo(lookup.list);
	return fd;
}
