// SPDX-License-Identifier: GPL-3.0-or-later
// Where the server's peers come from: a Unix socket whose callers are known by their credentials, a TCP port whose callers
// are known by their certificates. Decides who is a peer at all; what a peer may ask is rpc-server.c's business.
#include "common/rpc-server.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "common/cleanup.h"
#include "common/log.h"
#include "common/rpc-socket.h"

#define BACKLOG 128
#define ACCEPT_RETRY_MS 500 // after running out of descriptors

struct rpc_listener {
	struct rpc_server *server;
	struct rpc_listener *next;
	int fd;
	struct loop_source *source, *retry;
	char *path; // Unix
	char *group_name;
	gid_t group;
	bool has_group;
	struct tls_context *tls; // TCP
};

struct rpc_handshake {
	struct rpc_server *server; // NULL: the server is gone
	struct rpc_handshake *next, **link;
	struct task *task;
	struct tls_session *tls;
	char name[RPC_PEER_NAME_BYTES];
};

static enum loop_verdict acceptable(int fd, short events, void *data);

static enum loop_verdict accept_again(void *data)
{
	struct rpc_listener *listener = data;

	listener->retry = NULL;
	loop_fd_set_events(listener->source, POLLIN);
	return LOOP_STOP;
}

// ---- Unix: who is it?

static bool is_member(uid_t uid, gid_t primary, gid_t wanted)
{
	char buffer[4096];
	struct passwd entry, *user = NULL;
	gid_t groups[256];
	int count = sizeof(groups) / sizeof(groups[0]);

	if (primary == wanted)
		return true;
	if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &user) != 0 || !user)
		return false;
	if (getgrouplist(user->pw_name, user->pw_gid, groups, &count) < 0)
		return false;
	for (int i = 0; i < count; i++)
		if (groups[i] == wanted)
			return true;
	return false;
}

static void accept_unix(struct rpc_listener *listener, int fd)
{
	struct ucred ucred;
	socklen_t size = sizeof(ucred);
	char name[RPC_PEER_NAME_BYTES];
	struct error err = ERROR_INIT;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ucred, &size) < 0) {
		close(fd);
		return;
	}
	snprintf(name, sizeof(name), "uid %u", (unsigned)ucred.uid);
	struct rpc_peer *peer = rpc_peer_new(listener->server, fd, NULL, RPC_CALLER_LOCAL, name);
	if (!peer || ucred.uid == 0 || ucred.uid == geteuid() ||
		(listener->has_group && is_member(ucred.uid, ucred.gid, listener->group)))
		return;
	if (listener->has_group)
		error_set(&err, ERROR_DENIED,
			"%s may not use this socket: only root and members of group \"%s\" may", name,
			listener->group_name);
	else
		error_set(&err, ERROR_DENIED, "%s may not use this socket: only root may", name);
	rpc_server_complain(listener->server, name, err.message);
	rpc_peer_refuse(peer, 0, &err);
	rpc_peer_finish(peer);
}

// ---- TLS: a task for each handshake

static void handshake_free(struct rpc_handshake *handshake)
{
	if (handshake->server) {
		handshake->server->handshake_count--;
		*handshake->link = handshake->next;
		if (handshake->next)
			handshake->next->link = handshake->link;
	}
	tls_session_free(handshake->tls);
	free(handshake);
}

static void handshake_main(void *data)
{
	struct rpc_handshake *handshake = data;
	struct error err = ERROR_INIT;
	char node[64];

	struct rpc_server *server = handshake->server;
	int result = server ? tls_session_handshake(handshake->tls, server->handshake_ms, &err) : -1;
	server = handshake->server;
	int known = result < 0 ? -1 : tls_session_peer(handshake->tls, node, &err);
	if (!server) {
		handshake_free(handshake);
		return;
	}
	if (known < 0) {
		rpc_server_complain(server, handshake->name, err.message);
	} else if (!known && server->stranger_count >= RPC_STRANGERS_MAX) {
		rpc_server_complain(
			server, handshake->name, "is hung up on: too many connections without a certificate");
	} else {
		rpc_peer_new(server, -1, handshake->tls, known ? RPC_CALLER_NODE : RPC_CALLER_STRANGER,
			known ? node : handshake->name);
		handshake->tls = NULL;
	}
	handshake_free(handshake);
}

static void accept_tls(struct rpc_listener *listener, int fd, const char *name)
{
	struct rpc_server *server = listener->server;
	struct error err = ERROR_INIT;

	if (server->handshake_count >= RPC_HANDSHAKES_MAX) {
		rpc_server_complain(
			server, name, "is hung up on: too many connections at once are not set up yet");
		close(fd);
		return;
	}
	rpc_socket_tune(fd, RPC_SOCKET_DEAD_MS);
	struct rpc_handshake *handshake = calloc(1, sizeof(*handshake));
	if (!handshake) {
		close(fd);
		return;
	}
	snprintf(handshake->name, sizeof(handshake->name), "%s", name);
	handshake->server = server;
	handshake->next = server->handshakes;
	handshake->link = &server->handshakes;
	if (server->handshakes)
		server->handshakes->link = &handshake->next;
	server->handshakes = handshake;
	server->handshake_count++;
	handshake->tls = tls_session_accept(listener->tls, fd, &err);
	if (handshake->tls)
		handshake->task = task_start(server->loop, "tls handshake", handshake_main, handshake, &err);
	if (!handshake->task) {
		rpc_server_complain(server, name, err.message);
		handshake_free(handshake);
	}
}

// ---- both

static void accept_failed(struct rpc_listener *listener, int errnum)
{
	switch (errnum) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		// The connection stays in the backlog; poll would report it for ever.
		rpc_server_complain(listener->server, "listener",
			"cannot accept a connection: out of descriptors or memory");
		loop_fd_set_events(listener->source, 0);
		listener->retry =
			loop_add_timer(listener->server->loop, ACCEPT_RETRY_MS, accept_again, listener);
		break;
	default:
		break; // this one is gone already
	}
}

static enum loop_verdict acceptable(int listen_fd, short events, void *data)
{
	struct rpc_listener *listener = data;
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	char name[RPC_PEER_NAME_BYTES] = "local";

	int fd = accept4(listen_fd, (struct sockaddr *)&address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		accept_failed(listener, errno);
		return LOOP_CONTINUE;
	}
	if (listener->tls)
		rpc_socket_name(&address, size, name, sizeof(name));
	if (listener->server->peer_count >= RPC_CONNECTIONS_MAX) {
		rpc_server_complain(listener->server, name, "is hung up on: too many connections");
		close(fd);
	} else if (listener->tls) {
		accept_tls(listener, fd, name);
	} else {
		accept_unix(listener, fd);
	}
	return LOOP_CONTINUE;
}

// Takes FD. The server owns the listener.
static struct rpc_listener *listener_new(struct rpc_server *server, int fd, struct error *err)
{
	struct rpc_listener *listener = calloc(1, sizeof(*listener));

	if (!listener || listen(fd, BACKLOG) < 0) {
		error_set_errno(err, errno, "cannot listen");
		free(listener);
		close(fd);
		return NULL;
	}
	listener->server = server;
	listener->fd = fd;
	listener->source = loop_add_fd(server->loop, fd, POLLIN, acceptable, listener);
	listener->next = server->listeners;
	server->listeners = listener;
	return listener;
}

void rpc_listeners_free(struct rpc_server *server)
{
	while (server->listeners) {
		struct rpc_listener *listener = server->listeners;
		server->listeners = listener->next;
		loop_source_remove(listener->source);
		loop_source_remove(listener->retry);
		close(listener->fd);
		if (listener->path)
			unlink(listener->path);
		free(listener->path);
		free(listener->group_name);
		free(listener);
	}
	while (server->handshakes) {
		struct rpc_handshake *handshake = server->handshakes;
		server->handshakes = handshake->next;
		handshake->server = NULL;
		task_cancel(handshake->task);
	}
}

static int find_group(const char *group, gid_t *gid)
{
	char buffer[65536];
	struct group entry, *found = NULL;

	if (getgrnam_r(group, &entry, buffer, sizeof(buffer), &found) != 0 || !found)
		return -1;
	*gid = found->gr_gid;
	return 0;
}

int rpc_server_listen_unix(struct rpc_server *server, const char *path, const char *group, struct error *err)
{
	gid_t gid = 0;
	bool has_group = group && find_group(group, &gid) == 0;
	cleanup_free char *own_path = strdup(path);
	cleanup_free char *own_group = strdup(has_group ? group : "");

	if (!own_path || !own_group)
		return error_set(err, ERROR_NO_SPACE, "no memory to listen at %s", path);
	if (group && !has_group)
		log_warning("there is no group \"%s\": only root may use %s", group, path);
	int fd = rpc_socket_bind_unix(path, err);
	if (fd < 0)
		return -1;
	// Everybody may connect: who may not go on is told so, which a permission would not do.
	if (chmod(path, 0666) < 0) {
		error_set_errno(err, errno, "cannot set the permissions of %s", path);
		close(fd);
		return -1;
	}
	struct rpc_listener *listener = listener_new(server, fd, err);
	if (!listener)
		return error_prefix(err, "%s", path);
	listener->path = steal_ptr(own_path);
	listener->group_name = steal_ptr(own_group);
	listener->group = gid;
	listener->has_group = has_group;
	return 0;
}

int rpc_server_listen_tls(struct rpc_server *server, const char *address, unsigned port,
	struct tls_context *tls, struct error *err)
{
	int fd = rpc_socket_bind_tcp(address, port, err);

	if (fd < 0)
		return -1;
	struct rpc_listener *listener = listener_new(server, fd, err);
	if (!listener)
		return error_prefix(err, "port %u", port);
	listener->tls = tls;
	return 0;
}
